"""Witnesses of the layers that are many products in a row: recurrent layers and attention. Errors are carried from step to step.

Every quantity here comes with its error in units of float32 rounding: e(W x + b) = |W| |x| + |b| + |W| e(x), and a function
adds |f'| times its argument's error and its own scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from netdsl.ir.graph import Node


@dataclass(frozen=True, slots=True)
class Known:
    """A value and its error."""

    value: Tensor
    error: Tensor

    def map(self, move: Callable[[Tensor], Tensor]) -> Known:
        """The elements moved about."""
        return Known(move(self.value), move(self.error))

    def linear(self, weight: Tensor, bias: Tensor) -> Known:
        """W x + b."""
        size, bound = weight.abs(), self.value.abs() + self.error
        return Known(self.value @ weight.T + bias, bound @ size.T + bias.abs())

    def __add__(self, other: Known) -> Known:
        made = self.value + other.value
        return Known(made, self.error + other.error + made.abs())

    def __mul__(self, other: Known) -> Known:
        made = self.value * other.value
        return Known(made, self.error * other.value.abs() + other.error * self.value.abs() + made.abs())

    def less_from_one(self) -> Known:
        """1 - x."""
        return Known(1 - self.value, self.error + 1)

    def sigmoid(self) -> Known:
        """Its derivative is y (1 - y); libraries approximate it to a share of 1."""
        y = self.value.sigmoid()
        return Known(y, y * (1 - y) * self.error + 1)

    def tanh(self) -> Known:
        """Its derivative is 1 - y^2."""
        y = self.value.tanh()
        return Known(y, (1 - y * y) * self.error + 1)

    def relu(self) -> Known:
        """Near 0 the argument's error passes in full."""
        return Known(self.value.relu(), self.error)

    def split(self, parts: int) -> list[Known]:
        """The gates."""
        return [Known(a, b) for a, b in zip(self.value.chunk(parts, -1), self.error.chunk(parts, -1), strict=True)]


def _joined(parts: Sequence[Known], axis: int, how: Callable[[list[Tensor], int], Tensor] = torch.cat) -> Known:
    return Known(how([p.value for p in parts], axis), how([p.error for p in parts], axis))


def _start(n: int, width: int, like: Tensor) -> Known:
    zeros = like.new_zeros(n, width)
    return Known(zeros, zeros)


class Moment(NamedTuple):
    """What a cell computes the next state from: the products of the input and of the state, and the state itself."""

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


def recurrent(node: Node, weights: Mapping[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """The layer from its formulas, step by step, and its bound: N x T x D to N x T x hidden, or the last state alone."""
    given = node.op.given
    ends = ("", "_reverse") if given["bidirectional"] else ("",)
    kind = "rnn relu" if given.get("nonlinearity") == "relu" else node.op.kind
    known = Known(x, torch.zeros_like(x))
    finals: list[Known] = []
    for layer in range(given["layers"]):
        runs = [_direction(_CELLS[kind], given["hidden"], {n: weights[f"{n}_l{layer}{end}"] for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}, known, reverse=bool(end)) for end in ends]
        finals = [final for _, final in runs]
        known = _joined([states for states, _ in runs], -1)
    made = _joined(finals, -1) if given["last"] else known
    return made.value, made.error


def _direction(cell: Callable[[Moment], tuple[Known, Known]], hidden: int, w: Mapping[str, Tensor], x: Known, *, reverse: bool) -> tuple[Known, Known]:
    """All states of one direction, and the last one that it computes."""
    h = c = _start(x.value.shape[0], hidden, x.value)
    states: list[Known] = []
    inner = x.linear(w["weight_ih"], w["bias_ih"])
    steps = range(x.value.shape[1])
    for t in reversed(steps) if reverse else steps:
        h, c = cell(Moment(Known(inner.value[:, t], inner.error[:, t]), h.linear(w["weight_hh"], w["bias_hh"]), h, c))
        states.append(h)
    ordered = states[::-1] if reverse else states
    return _joined(ordered, 1, torch.stack), h


def attention(given: Mapping[str, Any], module: Any, xs: list[Tensor]) -> Tensor:
    """The bound of multi-head attention: projections, scores, softmax, mean of values, projection."""
    width, heads = xs[0].shape[-1], given["heads"]
    if module.in_proj_weight is not None:
        weights = module.in_proj_weight.chunk(3)
    else:
        weights = (module.q_proj_weight, module.k_proj_weight, module.v_proj_weight)
    biases = module.in_proj_bias.chunk(3) if module.in_proj_bias is not None else (xs[0].new_zeros(width),) * 3
    parts = [Known(x, torch.zeros_like(x)).linear(w, b) for x, w, b in zip((xs[0], xs[-1], xs[-1]), weights, biases, strict=True)]
    q, k, v = (p.map(lambda t: torch.unflatten(t, -1, (heads, -1)).transpose(1, 2)) for p in parts)
    scale = (width // heads) ** -0.5
    scores = q.value @ k.value.mT * scale
    error = (q.error @ k.value.abs().mT + q.value.abs() @ k.error.mT) * scale + scores.abs()
    if given["causal"]:
        scores = scores + torch.full_like(scores, float("-inf")).triu(1)
    share = scores.softmax(-1)
    unsure = error + torch.where(share > 0, scores.amax(-1, keepdim=True) - scores, 0)
    off = share * (1 + unsure + (share * unsure).sum(-1, keepdim=True))
    joined = Known(share @ v.value, off @ v.value.abs() + share @ v.error).map(lambda t: t.transpose(1, 2).flatten(2))
    bias = module.out_proj.bias if module.out_proj.bias is not None else xs[0].new_zeros(width)
    weight: Tensor = module.out_proj.weight
    return joined.linear(weight, bias).error
