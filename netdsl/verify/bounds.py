"""Computes a node's value, and how far from it a correct float32 implementation may be.

The value comes from the layer in double precision. Its bound comes from the op (`Op.rounding`) and
has two parts (`Bound`):

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

from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from netdsl.errors import NetdslError
from netdsl.ir.rounding import Bound, Known, lifted, unless_beyond
from netdsl.ops.norm_rounding import by_averages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from netdsl.backends.torch.steps import Step

Witness = tuple[Tensor, Bound | None]


@torch.no_grad()
def witnesses(step: Step, xs: list[Tensor]) -> list[Witness]:
    """The results of a node in double precision for float32 inputs, each with its bound."""
    evaluated = Evaluated(step, xs)
    bound = step.node.op.rounding(evaluated)
    if bound is None:
        return [(y, None) for y in step.outputs(xs)]
    y = evaluated.y if bound.value is None else bound.value
    found = [_checked(step, bound, y)]
    for name in step.node.results:
        further = bound.results[name]
        assert further.value is not None
        found.append(_checked(step, further, further.value))
    return found


def _checked(step: Step, bound: Bound, y: Tensor) -> Witness:
    """A result with its bound; raises `NetdslError` if their shapes differ."""
    if not bound.rounding.shape == bound.underflow.shape == y.shape:
        raise _misshapen(step, bound, y)
    return y, bound._replace(rounding=unless_beyond(bound.rounding, y.abs()))


def _misshapen(step: Step, bound: Bound, y: Tensor) -> NetdslError:
    """The error of a rule of a kind that gives a bound for something other than the result."""
    kind = step.node.op.kind
    shapes = {tuple(bound.rounding.shape), tuple(bound.underflow.shape)} - {tuple(y.shape)}
    return NetdslError(
        "broken-layer",
        f"the rule `rounding` of `{kind}` gives a bound of shape {shapes.pop()}, but the result"
        f" has shape {tuple(y.shape)}",
        step.node.span,
        help="the rule is part of the package that adds the layer: it needs a bound for each"
        " element of the result",
    )


@torch.no_grad()
def folded_witness(step: Step, norm: Step, xs: list[Tensor]) -> Witness:
    """The value of a layer with its batch norm folded into it, and the bound of that value."""
    ((value, bound),) = witnesses(step, xs)
    evaluated = Evaluated(norm, [value])
    own = norm.node.op.rounding(evaluated)
    assert bound is not None
    assert own is not None
    carried = by_averages(evaluated, bound)
    summed = Bound(carried.rounding + own.rounding, carried.underflow + own.underflow)
    return evaluated.y, summed


class Evaluated:
    """A layer in double precision: the `Evaluation` that its op receives."""

    def __init__(self, step: Step, xs: list[Tensor]) -> None:
        self._step = step
        self._float32_xs = xs
        self.types = step.node.types
        self.results = tuple(step.node.results)

    @cached_property
    def xs(self) -> list[Tensor]:
        """The inputs."""
        return [x.double() if x.is_floating_point() else x for x in self._float32_xs]

    @property
    def x(self) -> Tensor:
        """The first input."""
        return self.xs[0]

    @cached_property
    def module(self) -> nn.Module | None:
        """The module, with its weights."""
        return self._step.double()

    @cached_property
    def y(self) -> Tensor:
        """The value that the module computes."""
        return self._step(self.xs, self.module)

    @property
    def weights(self) -> list[Tensor]:
        """The weights and buffers with more than one axis, in single precision."""
        return [w for w in self._step.tensors().values() if w.dim() > 1]

    def bound(self, rounding: Tensor, underflow: Tensor | float) -> Bound:
        """A bound, from units for each element or one number of units for all of them."""
        return Bound(rounding, torch.ones_like(self.y) * underflow)

    def again(self, x: Tensor) -> Tensor:
        """The layer applied to another first input."""
        return self._step([x, *self.xs[1:]], self.module)

    def of_absolute_values(self) -> Tensor:
        """The layer with the absolute values of its input and weights.

        It runs in single precision, because only the first digits of a bound matter.
        """
        module = self._released_module()
        if module is not None:
            for tensor in module.float().parameters():
                tensor.copy_(lifted(tensor))
        return self._step([lifted(self.x).float()], module).double()

    def _released_module(self) -> nn.Module | None:
        """The double-precision copy of the module, for the caller to change.

        A second copy would take more memory. A later use of `module` makes a new one.
        """
        assert self.y is not None  # compute it before the weights change
        module: nn.Module | None = self.__dict__.pop("module", None)
        return module

    def mean(self, x: Tensor, window: tuple[int, ...]) -> Tensor:
        """The mean of each window. Windows do not overlap."""
        return (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[len(window) - 1](x, window)

    def per_channel(self, tensor: Tensor) -> Tensor:
        """A vector with a number for each channel, in a shape that broadcasts with the input."""
        return tensor.view((1, -1) + (1,) * (self.x.dim() - 2))

    def joined(self, parts: Sequence[Known], axis: int) -> Known:
        """Several numbers joined into one along an axis."""
        return Known(
            torch.cat([part.value for part in parts], axis),
            torch.cat([part.rounding for part in parts], axis),
            torch.cat([part.underflow for part in parts], axis),
        )
