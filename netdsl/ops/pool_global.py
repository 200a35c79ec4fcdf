"""Pooling of the whole input to a given size: global, adaptive, pyramid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.errors import OpError
from netdsl.ir.op import Op
from netdsl.ir.types import TensorType
from netdsl.ops.args import dims, integers
from netdsl.ops.base import arg, brief, layer, spatial_rank, spread
from netdsl.ops.rounding import exact, mean_of_windows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.ir.lowering import Emitter, Lowered, Recorder, TypedName
    from netdsl.ir.types import Sym


class _Global(Op):
    """What the global kinds share: every spatial axis gets size 1."""

    is_global = True

    def infer(self, x: TensorType) -> TensorType:
        spatial_rank(self, x)
        return TensorType((x.channels, *(1 for _ in x.spatial)), x.dtype)


@layer("gap", family="pooling", examples=[("3x7x5", "gap"), ("3x7", "gap"), ("2x3x4x5", "gap")])
class GlobalAvgPool(_Global):
    """The mean of each channel (global average pooling); the spatial axes stay, with size 1."""

    rounding = mean_of_windows

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        return t.module(f"AdaptiveAvgPool{len(x.spatial)}d", 1)

    def onnx(self, g: Emitter, x: TypedName) -> str:
        return g.op("GlobalAveragePool", x)


@layer("gmp", family="pooling", examples=[("3x7x5", "gmp"), ("3x7", "gmp"), ("2x3x4x5", "gmp")])
class GlobalMaxPool(_Global):
    """The largest value of each channel (global max pooling); the spatial axes get size 1."""

    rounding = exact

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        return t.module(f"AdaptiveMaxPool{len(x.spatial)}d", 1)

    def onnx(self, g: Emitter, x: TypedName) -> str:
        return g.op("GlobalMaxPool", x)


class _Adaptive(Op):
    """What the adaptive kinds share: windows along each axis that give the wanted output size.

    Output i takes the inputs from floor(i in / out) to ceil((i + 1) in / out).
    """

    size = arg(dims, doc="output size", min=1)
    is_global = True
    module = ""  # how the names of PyTorch's modules begin
    windows_operator, global_operator, reduction = "", "", ""  # operators of ONNX

    def infer(self, x: TensorType) -> TensorType:
        spatial_rank(self, x)
        return TensorType((x.channels, *self._sizes(x)), x.dtype)

    def _sizes(self, x: TensorType) -> tuple[int, ...]:
        """The output size along each spatial axis."""
        return spread(self.size, len(x.spatial), self.kind, "size")

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        return t.module(f"{self.module}{len(x.spatial)}d", brief(self._sizes(x)))

    def onnx(self, g: Emitter, x: TypedName) -> str:
        sizes = self._sizes(x.type)
        if all(out == 1 for out in sizes):
            return g.op(self.global_operator, x)
        k = _equal_windows(x.type.spatial, sizes)
        if k is not None:
            return g.op(self.windows_operator, x, kernel_shape=k, strides=k)
        y: str = x
        for axis, (size, out) in enumerate(zip(x.type.spatial, sizes, strict=True), start=2):
            if size != out:
                y = self._reduce_axis(g, y, axis, size, out)
        return y

    def _reduce_axis(self, g: Emitter, x: str, axis: int, size: int | Sym, out: int) -> str:
        """Pool one axis with windows of unequal width: slices, each reduced, joined again."""
        if isinstance(size, int):
            bounds = _bounds(g, size, out)
        else:
            bounds = _open_bounds(g, x, axis, out)
        parts = []
        for begin, end in bounds:
            piece = g.op("Slice", x, begin, end, g.ints([axis]))
            parts.append(g.op(self.reduction, piece, g.ints([axis]), keepdims=1))
        return g.op("Concat", *parts, axis=axis)


def _equal_windows(sizes: Sequence[int | Sym], outs: Sequence[int]) -> list[int] | None:
    """The window along each axis if it is the same at every position, else None."""
    k = []
    for size, out in zip(sizes, outs, strict=True):
        if not isinstance(size, int) or size % out:
            return None
        k.append(size // out)
    return k


def _bounds(g: Emitter, size: int, out: int) -> list[tuple[str, str]]:
    """Begin and end of each window along an axis."""
    return [(g.ints([i * size // out]), g.ints([-(-(i + 1) * size // out)])) for i in range(out)]


def _open_bounds(g: Emitter, x: str, axis: int, out: int) -> list[tuple[str, str]]:
    """Begin and end of each window along an axis whose length is known only when the model runs."""
    length = g.op("Shape", x, start=axis, end=axis + 1)
    count = g.ints([out])
    bounds = []
    for i in range(out):
        begin = g.op("Div", g.op("Mul", length, g.ints([i])), count)
        last = g.op("Add", g.op("Mul", length, g.ints([i + 1])), g.ints([out - 1]))
        bounds.append((begin, g.op("Div", last, count)))
    return bounds


@layer(
    "adaptive_avgpool",
    family="pooling",
    examples=[
        ("3x8x8", "adaptive_avgpool(2)"),
        ("3x7x5", "adaptive_avgpool(3x2)"),
        ("2x9", "adaptive_avgpool(4)"),
    ],
)
class AdaptiveAvgPool(_Adaptive):
    """The mean of each of as many windows as the output has positions."""

    rounding = mean_of_windows

    module = "AdaptiveAvgPool"
    windows_operator, global_operator, reduction = "AveragePool", "GlobalAveragePool", "ReduceMean"


@layer(
    "adaptive_maxpool",
    family="pooling",
    examples=[
        ("3x8x8", "adaptive_maxpool(2)"),
        ("3x7x5", "adaptive_maxpool(3x2)"),
        ("2x9", "adaptive_maxpool(4)"),
    ],
)
class AdaptiveMaxPool(_Adaptive):
    """The largest value in each of as many windows as the output has positions."""

    rounding = exact

    module = "AdaptiveMaxPool"
    windows_operator, global_operator, reduction = "MaxPool", "GlobalMaxPool", "ReduceMax"


@layer("spp", family="pooling", examples=[("3x8x6", "spp([1, 2])"), ("2x9x9", "spp([4, 2, 1])")])
class SpatialPyramid(Op):
    """Spatial pyramid pooling (He et al. 2014): max pooling to n x n for each level, joined.

    The maps of each level are flattened first.
    """

    rounding = exact

    levels = arg(integers, doc="the sizes n of the grids", min=1)
    is_global = True

    def infer(self, x: TensorType) -> TensorType:
        if len(x.shape) != 3:
            raise OpError("wrong-rank", f"`spp` needs C x H x W, but its input is {x}")
        if not self.levels:
            raise OpError(
                "bad-argument",
                "`spp` needs at least one level, found []",
                "levels",
                "write `spp([1, 2, 4])`",
            )
        return TensorType((x.channels * sum(n * n for n in self.levels),), x.dtype)

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        parts = ", ".join(f"F.adaptive_max_pool2d({{0}}, {n}).flatten(1)" for n in self.levels)
        return t.inline(f"torch.cat(({parts},), 1)")

    def onnx(self, g: Emitter, x: TypedName) -> str:
        parts = []
        for n in self.levels:
            pooled = AdaptiveMaxPool({"kind": self.kind, "size": n}).onnx(g, x)
            parts.append(g.op("Flatten", pooled, axis=1))
        return g.op("Concat", *parts, axis=1)
