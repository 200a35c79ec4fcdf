"""One step of an LSTM, and one row of attention."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from netdsl.trace.vectors import in_rows
from netdsl.trace.windows import one
from netdsl.trace.worked import Gradient, NumberGrid, Worked, WorkPart, factor, number, plain, total

if TYPE_CHECKING:
    from netdsl.trace.worked import Place, TracedLayer

GATES = ("input gate i", "forget gate f", "candidate g", "output gate o")  # in PyTorch's order
CANDIDATE = 2


def _sigmoid(x: np.ndarray) -> np.ndarray:
    share: np.ndarray = 1 / (1 + np.exp(-np.abs(x)))
    return np.where(x >= 0, share, 1 - share)


# ---- lstm


class _Step(NamedTuple):
    """One step of all units: the sums of the gates, 4 x hidden, the gates, and the states."""

    sums: np.ndarray
    gates: np.ndarray
    c: np.ndarray
    h: np.ndarray


def lstm(layer: TracedLayer, at: Place) -> Worked:
    """The four gates, the cell and the state of one unit at one step."""
    *steps, unit = at
    hidden = int(layer.node.op.given["hidden"])
    (t,) = steps or [layer.x.shape[0] - 1]
    h, c = _start(layer, hidden)
    before = step = _Step(np.zeros((4, hidden)), np.zeros((4, hidden)), c, h)
    for x in layer.x[: t + 1]:
        before, step = step, _next(layer, x, step)
    x, weights = layer.x[t], layer.weights
    parts = [
        WorkPart(
            "",
            (NumberGrid(f"x at step {t}", in_rows(x)), NumberGrid("h before", in_rows(before.h))),
        )
    ]
    lines = [_gate_line(layer, i, unit, x, before, step) for i in range(len(GATES))]
    i, f, g, o = step.gates[:, unit]
    c_before, c_now, h_now = before.c[unit], step.c[unit], step.h[unit]
    cell = f"{number(f)} · {factor(c_before)} + {number(i)} · {factor(g)} = {number(c_now)}"
    lines.append(f"cell c = f · c before + i · g = {cell}")
    state = f"{number(o)} · {factor(np.tanh(c_now))} = {number(h_now)}"
    lines.append(f"state h = o · tanh(c) = {state}")
    by_c = o * (1 - np.tanh(c_now) ** 2)
    deltas = np.array(
        [
            by_c * g * i * (1 - i),
            by_c * c_before * f * (1 - f),
            by_c * i * (1 - g * g),
            np.tanh(c_now) * o * (1 - o),
        ]
    )
    rows = weights["weight_ih_l0"].reshape(4, hidden, -1)[:, unit]
    by_x = deltas @ rows
    title = "by x at this step: the weights of each gate, times the gradient of its sum"
    shown = (NumberGrid("sums of i, f, g, o", deltas.reshape(1, 4)), NumberGrid("x", in_rows(by_x)))
    gradients = (Gradient("x0", (t,), by_x, title, shown),)
    return Worked(
        "c = f c before + i g, and h = o tanh(c); i, f and o are sigmoids, g is a tanh",
        tuple(parts),
        tuple(lines),
        float(h_now),
        (),
        gradients,
    )


def _start(layer: TracedLayer, hidden: int) -> tuple[np.ndarray, np.ndarray]:
    """The states before the first step: those that are given, or zeros."""
    if len(layer.xs) > 1:
        h, c = layer.xs[1], layer.xs[2]
        return h.reshape(hidden), c.reshape(hidden)
    return np.zeros(hidden), np.zeros(hidden)


def _next(layer: TracedLayer, x: np.ndarray, step: _Step) -> _Step:
    weights = layer.weights
    sums = weights["weight_ih_l0"] @ x + weights["weight_hh_l0"] @ step.h
    if "bias_ih_l0" in weights:
        sums = sums + weights["bias_ih_l0"] + weights["bias_hh_l0"]
    sums = sums.reshape(4, -1)
    gates = _sigmoid(sums)
    gates[CANDIDATE] = np.tanh(sums[CANDIDATE])
    c = gates[1] * step.c + gates[0] * gates[CANDIDATE]
    return _Step(sums, gates, c, gates[3] * np.tanh(c))


def _gate_line(
    layer: TracedLayer, gate: int, unit: int, x: np.ndarray, before: _Step, step: _Step
) -> str:
    """`input gate i: W x + b + U h + b' = ... , sigmoid = ...`."""
    weights = layer.weights
    hidden = step.h.size
    row = gate * hidden + unit
    from_x = float(weights["weight_ih_l0"][row] @ x)
    from_h = float(weights["weight_hh_l0"][row] @ before.h)
    values, names = [from_x, from_h], "W x + U h"
    if "bias_ih_l0" in weights:
        values = [from_x, float(weights["bias_ih_l0"][row])]
        values += [from_h, float(weights["bias_hh_l0"][row])]
        names = "W x + b + U h + b'"
    function = ("sigmoid", "tanh")[gate == CANDIDATE]
    summed = float(step.sums[gate, unit])
    result = number(step.gates[gate, unit])
    return f"{GATES[gate]}: {names} = {total(values, summed)}; {function} = {result}"


# ---- attention


class _Heads(NamedTuple):
    """Queries, keys and values by head: heads x steps x width of a head."""

    q: np.ndarray
    k: np.ndarray
    v: np.ndarray


def attention(layer: TracedLayer, at: Place) -> Worked:
    """One row of attention: scores, shares, the mix of the values, and its projection."""
    row, unit = at
    op = layer.node.op
    heads = _heads(layer)
    scale = heads.q.shape[-1] ** -0.5
    scores = np.einsum("hd,hkd->hk", heads.q[:, row], heads.k) * scale
    if op.given["causal"]:
        scores[:, row + 1 :] = -np.inf
    powers = np.exp(scores - scores.max(1, keepdims=True))
    shares = powers / powers.sum(1, keepdims=True)
    mixed = np.einsum("hk,hkd->hd", shares, heads.v)
    out = layer.weights["out_proj.weight"][unit]
    products = mixed.ravel() * out
    values = [float(products.sum())]
    if "out_proj.bias" in layer.weights:
        values.append(float(layer.weights["out_proj.bias"][unit]))
    result = sum(values)
    parts = [_head_part(i, row, heads, scores, shares, mixed) for i in range(len(shares))]
    grids = (
        NumberGrid("mixed values of all heads", in_rows(mixed.ravel())),
        NumberGrid(f"weights of output {unit}", in_rows(out)),
        NumberGrid("products", in_rows(products)),
    )
    parts.append(WorkPart("projection", grids, f"sum {number(values[0])}"))
    lines = (total(values, result),)
    formula = "softmax(q · k / √d) of all keys, times the values; then the projection W mix + b"
    gradients = _attention_gradients(layer, at, heads, shares, scale)
    return Worked(formula, tuple(parts), lines, result, (), gradients)


def _head_part(
    head: int, row: int, heads: _Heads, scores: np.ndarray, shares: np.ndarray, mixed: np.ndarray
) -> WorkPart:
    q = heads.q[head, row]
    with_keys = (
        NumberGrid(f"query of row {row}", q.reshape(1, -1)),
        NumberGrid("keys", heads.k[head]),
        NumberGrid(
            "scores q · k / √d", np.where(np.isinf(scores[head]), np.nan, scores[head])[:, None]
        ),
        NumberGrid("shares", shares[head][:, None]),
        NumberGrid("values", heads.v[head]),
    )
    listed = ", ".join(number(value) for value in mixed[head])
    return WorkPart(f"head {head}", with_keys, f"shares times values: {listed}")


def _matrices(layer: TracedLayer) -> list[np.ndarray]:
    """The matrices of queries, keys and values."""
    if "in_proj_weight" in layer.weights:
        return np.split(layer.weights["in_proj_weight"], 3)
    return [layer.weights[f"{part}_proj_weight"] for part in "qkv"]


def _heads(layer: TracedLayer) -> _Heads:
    sources = [layer.xs[0], layer.xs[min(1, len(layer.xs) - 1)], layer.xs[-1]]
    bias = layer.weights.get("in_proj_bias")
    biases = [np.zeros(1)] * 3 if bias is None else np.split(bias, 3)
    count = int(layer.node.op.given["heads"])
    made = []
    for x, weight, own in zip(sources, _matrices(layer), biases, strict=True):
        flat = x @ weight.T + own
        made.append(flat.reshape(len(flat), count, -1).transpose(1, 0, 2))
    return _Heads(*made)


def _attention_gradients(
    layer: TracedLayer, at: Place, heads: _Heads, shares: np.ndarray, scale: float
) -> tuple[Gradient, ...]:
    """By the sequence: through the queries, the keys and the values, if all come from it."""
    row, unit = at
    out = layer.weights["out_proj.weight"][unit].reshape(shares.shape[0], -1)
    by_share = np.einsum("hd,hkd->hk", out, heads.v)
    by_score = shares * (by_share - (shares * by_share).sum(1, keepdims=True))
    by_q = np.einsum("hk,hkd->hd", by_score, heads.k).ravel() * scale
    by_k = np.einsum("hk,hd->khd", by_score, heads.q[:, row]).reshape(shares.shape[1], -1) * scale
    by_v = np.einsum("hk,hd->khd", shares, out).reshape(shares.shape[1], -1)
    w_q, w_k, w_v = _matrices(layer)
    grads = [np.zeros(x.shape) for x in layer.xs]
    grads[0][row] += by_q @ w_q
    grads[min(1, len(grads) - 1)] += by_k @ w_k
    grads[-1] += by_v @ w_v
    shown = [
        Gradient(f"x{i}", (), grad, f"by `{layer.node.inputs[i].name}`", plain(grad))
        for i, grad in enumerate(grads)
    ]
    by_bias = []
    if "out_proj.bias" in layer.weights:
        by_bias.append(one("out_proj.bias", (unit,)))
    return (*shown, *by_bias)
