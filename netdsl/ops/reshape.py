"""Layers that give the elements of their input a different shape or order."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, NamedTuple

from netdsl.errors import Correction, OpError
from netdsl.ir.op import Op
from netdsl.ir.types import TensorType, shape_text
from netdsl.ops.args import integers, show, sizes
from netdsl.ops.base import arg, divisors, layer, spatial_rank
from netdsl.ops.rounding import exact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.ir.lowering import Emitter, Lowered, Recorder, TypedName
    from netdsl.ir.types import Sym


class Axis(NamedTuple):
    """An axis of the input; 0 is the batch."""

    number: int


@layer(
    "reshape",
    family="shape",
    examples=[("3x4x5", "reshape(12x5)"), ("6", "reshape([2, -1])"), ("2x6", "reshape(3x2x2)")],
)
class Reshape(Op):
    """The same elements in the same order, in a different shape; one of its sizes may be -1."""

    any_dtype = True
    rounding = exact

    shape: tuple[int | Sym, ...] = arg(sizes, doc="the new sizes without the batch")
    is_global = True

    def infer(self, x: TensorType) -> TensorType:
        shape = self._new_shape(x)
        if not self.needs_equal(x.size, prod(shape)):
            known = prod(size for size in self.shape if size != -1)
            needs = f"a multiple of {known}" if -1 in self.shape else str(known)
            raise OpError(
                "shape-mismatch",
                f"`reshape` to {shape_text(self.shape)} needs {needs} elements, but its input {x}"
                f" has {x.size}",
                "shape",
                self._what_fits(x),
            )
        self._target(x, shape)
        return TensorType(shape, x.dtype)

    def _new_shape(self, x: TensorType) -> tuple[int | Sym, ...]:
        """The new sizes, with -1 replaced by the size that fits."""
        shape = list(self.shape)
        if shape.count(-1) > 1 or any(isinstance(d, int) and d < 1 and d != -1 for d in shape):
            raise OpError(
                "bad-argument",
                f"`reshape` to {shape_text(shape)}: sizes must be at least 1, except for one -1",
                "shape",
                "-1 stands for the size that fits, as in `reshape([2, -1])`",
            )
        if -1 in shape:
            rest = prod(size for size in shape if size != -1)
            if not isinstance(rest, int):
                raise OpError(
                    "open-size",
                    f"`reshape` to {shape_text(shape)}: no size can be found for -1 if another size"
                    " is open",
                    "shape",
                    "write numbers for the other sizes, or the size itself in place of -1",
                )
            shape[shape.index(-1)] = x.size // rest
        return tuple(shape)

    def _what_fits(self, x: TensorType) -> str | None:
        """Advice for an input of the wrong size: -1 in the place of one size, or the divisors."""
        if not isinstance(x.size, int):
            return None
        for i in reversed(range(len(self.shape))):
            rest = [*self.shape[:i], *self.shape[i + 1 :]]
            known = prod(size for size in rest if isinstance(size, int))
            if -1 not in rest and len(rest) > 0 and x.size % known == 0:
                fitting = (*self.shape[:i], -1, *self.shape[i + 1 :])
                return f"-1 stands for the size that fits: `reshape({show(fitting)})`"
        return divisors(x.size)

    def _target(self, x: TensorType, shape: Sequence[int | Sym]) -> list[int | Axis]:
        """The new sizes as back ends need them; raises `OpError`.

        Each is a number, or an axis of the input that has the size; at most one is -1.
        """
        target: list[int | Axis] = []
        for size in shape:
            if isinstance(size, int):
                target.append(size)
            elif size in x.shape:
                target.append(Axis(x.shape.index(size) + 1))
            else:
                target.append(-1)
        if target.count(-1) > 1:
            message = (
                f"`reshape` of {x} to {shape_text(shape)}: several sizes are open, and the input"
                " has no axes of these sizes"
            )
            advice = "write numbers in the `input`; only one of these sizes can be open"
            raise OpError("open-size", message, "shape", advice)
        return target

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        target = self._target(x, self.infer(x).shape)
        texts = [f"{{0}}.shape[{d.number}]" if isinstance(d, Axis) else str(d) for d in target]
        return t.inline(f"{{0}}.reshape({', '.join(['{0}.shape[0]', *texts])})")

    def onnx(self, g: Emitter, x: TypedName) -> str:
        target = self._target(x.type, self.infer(x.type).shape)
        known = [size for size in target if isinstance(size, int)]
        if len(known) == len(target):
            return g.op("Reshape", x, g.ints([0, *known]))
        parts = [_onnx_size(g, x, size) for size in target]
        return g.op("Reshape", x, g.op("Concat", g.ints([0]), *parts, axis=0))


def _onnx_size(g: Emitter, x: str, size: int | Axis) -> str:
    """A vector of one size, which may be that of an axis of `x`."""
    if isinstance(size, Axis):
        return g.op("Shape", x, start=size.number, end=size.number + 1)
    return g.ints([size])


@layer(
    "permute",
    family="shape",
    examples=[("3x4x5", "permute([2, 3, 1])"), ("3x4", "permute([2, 1])")],
)
class Permute(Op):
    """The axes in a different order; they are counted from 1, because 0 is the batch."""

    any_dtype = True
    rounding = exact

    order: tuple[int, ...] = arg(integers, doc="the axes in their new order")
    is_global = True

    def infer(self, x: TensorType) -> TensorType:
        rank = len(x.shape)
        if sorted(self.order) != list(range(1, rank + 1)):
            raise self._wrong_order(rank)
        return TensorType(tuple(x.shape[axis - 1] for axis in self.order), x.dtype)

    def _wrong_order(self, rank: int) -> OpError:
        """The error of an order that does not have each axis once."""
        message = f"`permute` needs each axis from 1 to {rank} once, found {show(self.order)}"
        help = "leave out the batch, which is axis 0 and stays first"
        meant: list[int] = []
        if self.order[:1] == (0,) and sorted(self.order) == list(range(rank + 1)):
            meant = list(self.order[1:])
        elif sorted(self.order) == list(range(rank)):
            meant = [axis + 1 for axis in self.order]
            help = "axes are counted from 1, because 0 is the batch"
        if not meant:
            return OpError("bad-axis", message, "order", help)
        help += f": write `permute({show(meant)})`"
        return OpError("bad-axis", message, "order", help, Correction({"order": show(meant)}))

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        return t.inline(f"{{0}}.permute(0, {', '.join(map(str, self.order))})")

    def onnx(self, g: Emitter, x: TypedName) -> str:
        return g.op("Transpose", x, perm=[0, *self.order])


@layer("tokens", family="shape", examples=[("3x4x5", "tokens"), ("3x6", "tokens")])
class Tokens(Op):
    """Turn C x H x W into H W vectors of length C, row by row (Dosovitskiy et al. 2021)."""

    any_dtype = True
    rounding = exact
    is_global = True

    def infer(self, x: TensorType) -> TensorType:
        spatial_rank(self, x)
        return TensorType((prod(x.spatial), x.channels), x.dtype)

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        return t.inline("{0}.flatten(2).transpose(1, 2)")

    def onnx(self, g: Emitter, x: TypedName) -> str:
        return g.op("Transpose", g.op("Reshape", x, g.ints([0, 0, -1])), perm=[0, 2, 1])
