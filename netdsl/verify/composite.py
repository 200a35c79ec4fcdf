"""Witnesses of layers that compute many products in a row: recurrent, attention, graph layers.

Each quantity carries its bounds from step to step (`netdsl.verify.rounding.Known`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from netdsl.verify.rounding import NEAR, Bound, Known, grown, joined

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from netdsl.ir.graph import Node


# ---- recurrent layers


class Moment(NamedTuple):
    """The operands of the next state: products of the input and of the state, and the state."""

    inner: Known
    outer: Known
    h: Known
    c: Known


def _rnn(m: Moment) -> tuple[Known, Known]:
    return (m.inner + m.outer).tanh(), m.c


def _rnn_relu(m: Moment) -> tuple[Known, Known]:
    return (m.inner + m.outer).relu(), m.c


def _lstm(m: Moment) -> tuple[Known, Known]:
    i, f, g, o = (m.inner + m.outer).split(4)
    c = f.sigmoid() * m.c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def _gru(m: Moment) -> tuple[Known, Known]:
    (r1, z1, n1), (r2, z2, n2) = m.inner.split(3), m.outer.split(3)
    z = (z1 + z2).sigmoid()
    new = (n1 + (r1 + r2).sigmoid() * n2).tanh()
    return z.less_from_one() * new + z * m.h, m.c


_CELLS = {"rnn": _rnn, "rnn relu": _rnn_relu, "lstm": _lstm, "gru": _gru}
_WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def recurrent(node: Node, weights: Mapping[str, Tensor], x: Tensor) -> tuple[Tensor, Bound]:
    """The layer from its formulas, step by step, and its bound.

    It takes N x T x D to N x T x hidden, or to N x hidden if only the last state is wanted.
    """
    given = node.op.given
    ends = ("", "_reverse") if given["bidirectional"] else ("",)
    kind = "rnn relu" if given.get("nonlinearity") == "relu" else node.op.kind
    known = Known.exactly(x)
    finals: list[Known] = []
    for layer in range(given["layers"]):
        runs = []
        for end in ends:
            own = {name: weights[f"{name}_l{layer}{end}"] for name in _WEIGHTS}
            runs.append(_direction(_CELLS[kind], given["hidden"], own, known, reverse=bool(end)))
        finals = [final for _, final in runs]
        known = joined([states for states, _ in runs], -1)
    made = joined(finals, -1) if given["last"] else known
    return made.value, made.bound


def _direction(
    cell: Callable[[Moment], tuple[Known, Known]],
    hidden: int,
    w: Mapping[str, Tensor],
    x: Known,
    *,
    reverse: bool,
) -> tuple[Known, Known]:
    """All states of one direction, and the last one that it computes."""
    h = c = Known.exactly(x.value.new_zeros(x.value.shape[0], hidden))
    states: list[Known] = []
    inner = x.linear(w["weight_ih"], w["bias_ih"])
    steps = range(x.value.shape[1])
    for t in reversed(steps) if reverse else steps:
        h, c = cell(Moment(inner.at(t), h.linear(w["weight_hh"], w["bias_hh"]), h, c))
        states.append(h)
    ordered = states[::-1] if reverse else states
    return joined(ordered, 1, torch.stack), h


# ---- attention


def attention(given: Mapping[str, Any], module: Any, xs: list[Tensor]) -> Bound:
    """Multi-head attention: projections, scores, softmax, mean of values, projection."""
    heads = given["heads"]
    q, k, v = (
        part.map(lambda t: torch.unflatten(t, -1, (heads, -1)).transpose(1, 2))
        for part in _projections(module, xs)
    )
    scale = (xs[0].shape[-1] // heads) ** -0.25  # of the queries and of the keys, as PyTorch does
    scores = q.times(scale) @ k.times(scale).map(lambda t: t.mT)
    if given["causal"]:
        masked = torch.ones_like(scores.value, dtype=torch.bool).triu(1)
        scores = Known(
            scores.value.masked_fill(masked, float("-inf")),
            scores.rounding.masked_fill(masked, 0),
            scores.underflow.masked_fill(masked, 0),
        )
    made = (_softmax(scores) @ v).map(lambda t: t.transpose(1, 2).flatten(2))
    return made.linear(module.out_proj.weight, module.out_proj.bias).bound


def _projections(module: Any, xs: list[Tensor]) -> list[Known]:
    """Queries, keys and values."""
    if module.in_proj_weight is not None:
        weights = module.in_proj_weight.chunk(3)
    else:
        weights = (module.q_proj_weight, module.k_proj_weight, module.v_proj_weight)
    biases = (None,) * 3 if module.in_proj_bias is None else module.in_proj_bias.chunk(3)
    sources = (xs[0], xs[-1], xs[-1])
    return [
        Known.exactly(x).linear(weight, bias)
        for x, weight, bias in zip(sources, weights, biases, strict=True)
    ]


def _softmax(scores: Known) -> Known:
    """Shares along the last axis. An error in a score changes its share and all others."""
    share = scores.value.softmax(-1)
    below = torch.where(share > 0, scores.value.amax(-1, keepdim=True) - scores.value, 0)
    unsure = scores.rounding + below
    rounding = share * (1 + unsure + (share * unsure).sum(-1, keepdim=True))
    moved = (share * scores.underflow).sum(-1, keepdim=True)
    underflow = share * (scores.underflow + moved + share.shape[-1]) + 1
    return Known(share, rounding, underflow)


# ---- graph layers


def gcn(module: Any, x: Tensor, edges: Tensor) -> Bound:
    """A (X W) + b, with A normalised first where the module does so."""
    matrix = Known.exactly(edges)
    if module.normalize:
        matrix = _normalised(edges)
    made = matrix @ Known.exactly(x).linear(module.lin.weight)
    return (made if module.bias is None else made.shifted(module.bias)).bound


def _normalised(edges: Tensor) -> Known:
    """D^(-1/2) (A + I) D^(-1/2): degrees are sums of numbers that are at least 0, plus 1."""
    looped = edges + torch.eye(edges.shape[-1], dtype=edges.dtype)
    scale = looped.sum(2).clamp(min=1).rsqrt()
    matrix = scale[:, :, None] * looped * scale[:, None, :]
    most = looped.abs().sum(2)
    unsure = grown(edges.shape[-1]) * (most / looped.sum(2).clamp(min=1))
    rounding = matrix.abs() * (3 + unsure[:, :, None] + unsure[:, None, :])
    rounding = torch.where(most[:, :, None] <= NEAR, rounding, torch.inf)
    return Known(matrix, rounding, torch.full_like(matrix, 4.0))


def cheb(module: Any, x: Tensor, laplacian: Tensor) -> Bound:
    """The sum over k of T_k(L) X W_k, plus b, for the Chebyshev polynomials T_k."""
    matrix = Known.exactly(laplacian)
    before = term = Known.exactly(x)
    made = term.linear(module.lins[0].weight)
    for k, lin in enumerate(module.lins[1:], start=1):
        product = matrix @ term
        before, term = term, product if k == 1 else product.times(2.0) - before
        made = made + term.linear(lin.weight)
    return (made if module.bias is None else made.shifted(module.bias)).bound


def sage(module: Any, x: Tensor, edges: Tensor) -> Bound:
    """W_r x + W_l m + b, with m the mean over the neighbours of each vertex."""
    own = Known.exactly(x)
    degrees = Known.exactly(edges) @ Known.exactly(torch.ones_like(x[..., :1]))
    total = Known.exactly(edges) @ own
    divisor = degrees.value.clamp(min=1)
    mean = Known.rounded(
        total.value / divisor,
        (total.rounding + (total.value / divisor).abs() * degrees.rounding) / divisor,
        (total.underflow + (total.value / divisor).abs() * degrees.underflow) / divisor,
    )
    made = mean.linear(module.lin_l.weight, module.lin_l.bias)
    return (made + own.linear(module.lin_r.weight)).bound
