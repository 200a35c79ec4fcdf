"""Layers that give the elements of their input another shape or order."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, NamedTuple

from netdsl.errors import OpError
from netdsl.ir.op import Op
from netdsl.ir.types import Sym, TensorType, shape_text
from netdsl.ops.args import integers, show, sizes
from netdsl.ops.base import arg, divisors, layer, spatial_rank
from netdsl.ops.rounding import exact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.ir.lowering import Emitter, Lowered, Recorder, TypedName


class Axis(NamedTuple):
    """An axis of the input, the batch being 0."""

    number: int


@layer(
    "reshape",
    family="shape",
    examples=[("3x4x5", "reshape(12x5)"), ("6", "reshape([2, -1])"), ("2x6", "reshape(3x2x2)")],
)
class Reshape(Op):
    """The same elements in order under other sizes, the batch left out; one size may be -1."""

    any_dtype = True
    rounding = exact

    shape = arg(sizes, doc="the new sizes without the batch")
    is_global = True

    def infer(self, *xs: TensorType) -> TensorType:
        (x,) = xs
        new = list(self.shape)
        if new.count(-1) > 1 or any(isinstance(d, int) and d < 1 and d != -1 for d in new):
            raise OpError(
                "bad-argument",
                f"sizes {shape_text(new)} of `reshape`: each must be at least 1, one may be -1",
                "shape",
                "-1 stands for the size that fits, as in `reshape([2, -1])`",
            )
        if -1 in new:
            rest = prod(d for d in new if d != -1)
            if not isinstance(rest, int):
                raise OpError(
                    "open-size",
                    f"`reshape` cannot find the size of -1 beside {shape_text(new)}",
                    "shape",
                    "write numbers beside -1, or leave -1 out",
                )
            new[new.index(-1)] = x.size // rest
        if not self.needs_equal(x.size, prod(new)):
            needs = (
                f"{'a multiple of ' * (-1 in self.shape)}{prod(d for d in self.shape if d != -1)}"
            )
            message = (
                f"`reshape` to {shape_text(self.shape)} needs {needs} elements, its input {x} has"
                f" {x.size}"
            )
            raise OpError("shape-mismatch", message, "shape", self._what_fits(x))
        self._target(x, new)
        return TensorType(tuple(new), x.dtype)

    def _what_fits(self, x: TensorType) -> str | None:
        """Advice: the sizes with one changed to -1, which fit the input, else its divisors."""
        if not isinstance(x.size, int):
            return None
        for i in reversed(range(len(self.shape))):
            rest = [*self.shape[:i], *self.shape[i + 1 :]]
            known = prod(d for d in rest if isinstance(d, int))
            if -1 not in rest and len(rest) > 0 and x.size % known == 0:
                sizes = [*self.shape[:i], -1, *self.shape[i + 1 :]]
                return f"-1 is the size that fits: `reshape({show(tuple(sizes))})`"
        return divisors(x.size)

    def _target(self, x: TensorType, new: Sequence[int | Sym]) -> list[int | Axis]:
        """The sizes for back ends: numbers, axes of the input with that size, at most one -1."""
        made: list[int | Axis] = []
        for d in new:
            if isinstance(d, int):
                made.append(d)
            elif d in x.shape:
                made.append(Axis(x.shape.index(d) + 1))
            else:
                made.append(-1)
        if made.count(-1) > 1:
            message = (
                f"`reshape` of {x} to {shape_text(new)}: several sizes are open, and the input has"
                " no axis of these sizes"
            )
            advice = "write numbers in the `input`; only one new size can be open"
            raise OpError("open-size", message, "shape", advice)
        return made

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        target = self._target(xs[0], self.infer(*xs).shape)
        sizes = [f"{{0}}.shape[{d.number}]" if isinstance(d, Axis) else str(d) for d in target]
        return t.inline(f"{{0}}.reshape({', '.join(['{0}.shape[0]', *sizes])})")

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        target = self._target(xs[0].type, self.infer(xs[0].type).shape)
        known = [d for d in target if isinstance(d, int)]
        if len(known) == len(target):
            return g.op("Reshape", xs[0], g.ints([0, *known]))
        parts = [
            (
                g.op("Shape", xs[0], start=d.number, end=d.number + 1)
                if isinstance(d, Axis)
                else g.ints([d])
            )
            for d in target
        ]
        return g.op("Reshape", xs[0], g.op("Concat", g.ints([0]), *parts, axis=0))


@layer(
    "permute",
    family="shape",
    examples=[("3x4x5", "permute([2, 3, 1])"), ("3x4", "permute([2, 1])")],
)
class Permute(Op):
    """The axes in another order, counted from 1 as the batch stays 0."""

    any_dtype = True
    rounding = exact

    order = arg(integers, doc="the axes in their new order")
    is_global = True

    def infer(self, *xs: TensorType) -> TensorType:
        n = len(xs[0].shape)
        if sorted(self.order) != list(range(1, n + 1)):
            raise OpError(
                "bad-axis",
                f"`permute` needs each of the axes 1 to {n} once, found {show(self.order)}",
                "order",
                "the batch, 0, stays where it is and is left out",
            )
        return TensorType(tuple(xs[0].shape[i - 1] for i in self.order), xs[0].dtype)

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.inline(f"{{0}}.permute(0, {', '.join(map(str, self.order))})")

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        return g.op("Transpose", xs[0], perm=[0, *self.order])


@layer("tokens", family="shape", examples=[("3x4x5", "tokens"), ("3x6", "tokens")])
class Tokens(Op):
    """C x H x W to a sequence of H W vectors of length C, row by row (Dosovitskiy et al. 2021)."""

    any_dtype = True
    rounding = exact
    is_global = True

    def infer(self, *xs: TensorType) -> TensorType:
        spatial_rank(self, xs[0])
        return TensorType((prod(xs[0].spatial), xs[0].channels), xs[0].dtype)

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.inline("{0}.flatten(2).transpose(1, 2)")

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        return g.op("Transpose", g.op("Reshape", xs[0], g.ints([0, 0, -1])), perm=[0, 2, 1])
