"""Layers that give the elements of their input a different shape or order."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from netdsl.errors import Correction, OpError
from netdsl.ir.op import Op
from netdsl.ir.products import common_factor, equal_products, exact_quotient, matched
from netdsl.ir.sizes import expressed
from netdsl.ir.types import Sym, TensorType, compact, shape_text
from netdsl.ops.args import integers, show, sizes
from netdsl.ops.base import arg, divisors, layer, spatial_rank
from netdsl.ops.rounding import exact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.ir.lowering import Emitter, Lowered, Recorder, TypedName


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
        pairs = equal_products(x.shape, shape)
        if not all(self.needs_equal(a, b) for a, b in pairs):
            known = prod(size for size in self.shape if size != -1)
            needs = f"a multiple of {known}" if -1 in self.shape else compact(known)
            raise OpError(
                "shape-mismatch",
                f"`reshape` to {shape_text(self.shape)} needs {needs} elements, but its input {x}"
                f" has {compact(x.size)}",
                "shape",
                self._what_fits(x),
            )
        self.needs_computed(*_computed(x, shape))
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
            place = shape.index(-1)
            shape[place] = self._fitting(x, shape[:place] + shape[place + 1 :])
        return tuple(shape)

    def _fitting(self, x: TensorType, others: list[int | Sym]) -> int | Sym:
        """The size for -1 beside the other sizes; raises `OpError` if no formula gives it."""
        ours, theirs, _ = matched(x.shape, others)
        factor = common_factor(theirs)
        quotient = exact_quotient(ours, theirs // factor)
        if quotient is None:
            raise OpError(
                "open-size",
                f"`reshape` to {shape_text(self.shape)}: the size for -1 would be"
                f" {compact(x.size)} / {shape_text(others)}, which is not a whole number for all"
                " sizes",
                "shape",
                "write the size itself in place of -1",
            )
        return quotient // factor

    def _what_fits(self, x: TensorType) -> str | None:
        """Advice for an input of the wrong size: -1 in the place of one size, or the divisors."""
        if not isinstance(x.size, int):
            ours, theirs = common_factor(x.size), common_factor(prod(self.shape))
            if -1 in self.shape or ours == theirs or 1 in (ours, theirs):
                return None
            return f"without the open sizes, it has {theirs:,} elements and the input has {ours:,}"
        channels = self._other_channels(x)
        if channels is not None and len(self.shape) > len(x.shape):
            return channels
        for i in reversed(range(len(self.shape))):
            rest = [*self.shape[:i], *self.shape[i + 1 :]]
            known = prod(size for size in rest if isinstance(size, int))
            if -1 not in rest and len(rest) > 0 and x.size % known == 0:
                fitting = (*self.shape[:i], -1, *self.shape[i + 1 :])
                return f"-1 stands for the size that fits: `reshape({show(fitting)})`"
        return channels or divisors(x.size)

    def _other_channels(self, x: TensorType) -> str | None:
        """Advice for a new shape that ends with the spatial axes of the input."""
        axes = len(x.spatial)
        if not axes or tuple(self.shape[-axes:]) != x.spatial:
            return None
        others = self.shape[:-axes]
        sizes = [size for size in others if isinstance(size, int) and size > 0]
        if not others or len(sizes) < len(others):
            return None
        return f"with {shape_text(x.spatial)}, it needs {prod(sizes)} channels, not {x.channels}"

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        sizes = _computed(x, self.infer(x).shape)
        return t.inline(f"{{0}}.reshape({', '.join(['{0}.shape[0]', *map(t.size, sizes)])})")

    def onnx(self, g: Emitter, x: TypedName) -> str:
        sizes = _computed(x.type, self.infer(x.type).shape)
        # 0 keeps the size that the input has at the same place.
        kept = [0 if size in x.type.shape[i : i + 1] else size for i, size in enumerate(sizes)]
        return g.op("Reshape", x, g.sizes([0, *kept]))


def _computed(x: TensorType, shape: Sequence[int | Sym]) -> list[int | Sym]:
    """The new sizes as back ends need them, with -1 for one that they find by themselves.

    It is an open size that the input does not determine, if there is one.
    """
    sizes = list(shape)
    others = [i for i, size in enumerate(sizes) if isinstance(size, Sym) and size not in x.shape]
    if others:
        unknown = [i for i in others if expressed(sizes[i], [x.shape]) is None]
        sizes[[*others, *unknown][-1]] = -1
    return sizes


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
