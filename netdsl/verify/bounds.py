"""Computes a node's value, and how far float32 may take a sound implementation from that value.

The value comes from the layer in double precision. Its bound has two parts (`Bound`):

- Rounding, in units of 2^-24: the first-order effect of rounding every number that enters a formula
  once, and its result once. For a sum of products this is the sum of the absolute products. For a
  function of one value it is |y| + |x f'(x)|, plus the function's own scale if the error of
  libraries is relative to that scale. It is infinite where an intermediate value may overflow.
- Underflow, in units of 2^-126: the effect of setting to zero each intermediate value, input and
  weight that is below 2^-126.

A layer that moves or chooses elements has no bound: its result is exact. The formulas are in
`docs/verify.md`.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from netdsl.verify.composite import recurrent
from netdsl.verify.rounding import Bound, grown, lifted, unless_beyond
from netdsl.verify.rules import RULES, Evaluated, bn, normed

if TYPE_CHECKING:
    from torch import nn

    from netdsl.verify.torch_side import Step

Witness = tuple[Tensor, Bound | None]

EXACT = frozenset(
    "flatten reshape permute tokens crop slice split channel_shuffle pixel_shuffle concat dropout"
    " dropout2d droppath embedding param maxpool gmp adaptive_maxpool spp max relu relu6"
    " roi_pool".split()
)
SUMS = frozenset("conv depthwise deconv dense".split())
MEANS = frozenset("avgpool sumpool gap adaptive_avgpool".split())
SCALE = {
    "sigmoid": 1.0,
    "softplus": 1.0,
    "hard_sigmoid": 1.0,
    "tanh": 1.0,
    "scaled_tanh": 1.7159,
    "selu": 1.7581,
}
RECURRENT = frozenset(("rnn", "lstm", "gru"))


@torch.no_grad()
def witness(step: Step, xs: list[Tensor]) -> Witness:
    """The value of a node in double precision for float32 inputs, and its bound."""
    kind = step.node.op.kind
    if kind in EXACT or (kind == "upsample" and step.node.op.given["mode"] == "nearest"):
        return step(xs), None
    module = step.double()
    wide = [x.double() if x.is_floating_point() else x for x in xs]
    if kind in RECURRENT and module is not None:
        y, bound = recurrent(step.node, dict(module.named_parameters()), wide[0])
    else:
        y = step(wide, module)
        bound = _bound(step, module, wide, y)
    return y, bound._replace(rounding=unless_beyond(bound.rounding, y.abs()))


@torch.no_grad()
def folded_witness(step: Step, norm: Step, xs: list[Tensor]) -> Witness:
    """Value and bound of a layer into which a batch norm was folded."""
    value, bound = witness(step, xs)
    module = norm.double()
    y = norm([value], module)
    assert bound is not None
    given = norm.node.op.given
    carried = normed(Evaluated(given, module, [value], y), bound)
    own = bn(Evaluated(given, module, [value], y))
    return y, Bound(carried.rounding + own.rounding, carried.underflow + own.underflow)


def _bound(step: Step, module: nn.Module | None, xs: list[Tensor], y: Tensor) -> Bound:
    kind = step.node.op.kind
    evaluated = Evaluated(step.node.op.given, module, xs, y)
    if kind in SUMS:
        return _products(step, module, xs[0], y)
    if kind in MEANS:
        return _mean(step, module, xs[0], y)
    if kind in RULES:
        return RULES[kind](evaluated)
    if kind in SCALE:
        scale = SCALE[kind]
        return Bound(y.abs() + scale, evaluated.constant * (1 + scale))
    # Kinds from other packages: a share of their largest value.
    largest = y.abs().amax() if y.numel() else y.new_zeros(())
    return Bound(y.abs() + largest, evaluated.constant * 2)


# ---- sums and means


def _products(step: Step, module: nn.Module | None, x: Tensor, y: Tensor) -> Bound:
    """A sum of products, in single precision: only the first digits of a bound matter."""
    weights = [w for w in step.tensors().values() if w.dim() > 1]
    outputs = 1 if step.node.op.kind == "deconv" else 0  # the axis of its weight
    terms = max(x.numel() / y.numel(), *(w.numel() / w.shape[outputs] for w in weights))
    sizes = step([lifted(x).float()], _absolute(module)).double()
    rounding = unless_beyond(sizes, sizes) * grown(terms)
    return Bound(rounding, torch.full_like(y, 2 * terms + 1))


def _mean(step: Step, module: nn.Module | None, x: Tensor, y: Tensor) -> Bound:
    """The mean or the sum of each window.

    Both executors add its elements one by one, so sums of equal numbers may be rounded in the same
    direction each time.
    """
    window = float(prod(w.extent for w in step.node.op.windows(*step.node.types)))
    terms = max(window, x.numel() / y.numel())
    sizes = step([lifted(x)], module)
    summed = sizes if step.node.op.kind == "sumpool" else sizes * terms
    rounding = unless_beyond(sizes * max(1.0, terms / 16), summed)
    units = 2 * terms + 2 if step.node.op.kind == "sumpool" else 4.0
    return Bound(rounding, torch.full_like(y, units))


def _absolute(module: nn.Module | None) -> nn.Module | None:
    """The module with the absolute values of its weights, in place: it is a copy."""
    if module is not None:
        for tensor in module.float().parameters():
            tensor.copy_(lifted(tensor))
    return module
