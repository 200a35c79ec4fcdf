"""Pooling over the whole input to a size that is given: global, adaptive, pyramid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.errors import OpError
from netdsl.ir.op import Op
from netdsl.ir.types import TensorType
from netdsl.ops.args import dims, integers
from netdsl.ops.base import arg, brief, fixed, layer, spatial_rank, spread
from netdsl.ops.rounding import exact, mean_of_windows

if TYPE_CHECKING:
    from netdsl.ir.lowering import Emitter, Lowered, Recorder, TypedName
    from netdsl.ir.types import Sym


class _Global(Op):
    is_global = True

    def infer(self, *xs: TensorType) -> TensorType:
        spatial_rank(self, xs[0])
        return TensorType((xs[0].channels, *(1 for _ in xs[0].spatial)), xs[0].dtype)


@layer("gap", family="pooling", examples=[("3x7x5", "gap"), ("3x7", "gap"), ("2x3x4x5", "gap")])
class GlobalAvgPool(_Global):
    """The mean of each channel (global average pooling); the spatial axes stay, with size 1."""

    rounding = mean_of_windows

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.module(f"AdaptiveAvgPool{len(xs[0].spatial)}d", 1)

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        return g.op("GlobalAveragePool", xs[0])


@layer("gmp", family="pooling", examples=[("3x7x5", "gmp"), ("3x7", "gmp"), ("2x3x4x5", "gmp")])
class GlobalMaxPool(_Global):
    """The largest value of each channel (global max pooling); the spatial axes get size 1."""

    rounding = exact

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.module(f"AdaptiveMaxPool{len(xs[0].spatial)}d", 1)

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        return g.op("GlobalMaxPool", xs[0])


class _Adaptive(Op):
    """Output i takes the inputs from floor(i in / out) to ceil((i + 1) in / out)."""

    size = arg(dims, doc="output size", min=1)
    is_global = True
    reduce = ""

    def infer(self, *xs: TensorType) -> TensorType:
        n = spatial_rank(self, xs[0])
        return TensorType((xs[0].channels, *spread(self.size, n, self.kind, "size")), xs[0].dtype)

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        n = len(xs[0].spatial)
        return t.module(
            f"Adaptive{self.reduce}Pool{n}d", brief(spread(self.size, n, self.kind, "size"))
        )

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        x = xs[0]
        sizes = x.type.spatial
        out = spread(self.size, len(sizes), self.kind, "size")
        if all(o == 1 for o in out):
            return g.op("GlobalAveragePool" if self.reduce == "Avg" else "GlobalMaxPool", x)
        if all(isinstance(i, int) and i % o == 0 for i, o in zip(sizes, out, strict=True)):
            k = [i // o for i, o in zip(sizes, out, strict=True)]
            return g.op(
                "AveragePool" if self.reduce == "Avg" else "MaxPool", x, kernel_shape=k, strides=k
            )
        y: str = x
        for axis, (i, o) in enumerate(zip(sizes, out, strict=True), start=2):
            if i != o:
                y = self._reduce_axis(g, y, axis, i, o)
        return y

    def _reduce_axis(self, g: Emitter, x: str, axis: int, size: int | Sym, out: int) -> str:
        """Pool one axis with windows of unequal width: slices, each reduced, joined again."""
        reduce = "ReduceMean" if self.reduce == "Avg" else "ReduceMax"
        if isinstance(size, int):
            bounds = [
                (g.ints([i * size // out]), g.ints([-(-(i + 1) * size // out)])) for i in range(out)
            ]
        else:
            bounds = _open_bounds(g, x, axis, out)
        parts = []
        for begin, end in bounds:
            piece = g.op("Slice", x, begin, end, g.ints([axis]))
            parts.append(g.op(reduce, piece, g.ints([axis]), keepdims=1))
        return g.op("Concat", *parts, axis=axis)


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
    """The mean over as many windows as the output has places."""

    rounding = mean_of_windows

    reduce = "Avg"


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
    """The largest value over as many windows as the output has places."""

    rounding = exact

    reduce = "Max"


@layer("spp", family="pooling", examples=[("3x8x6", "spp([1, 2])"), ("2x9x9", "spp([4, 2, 1])")])
class SpatialPyramid(Op):
    """Spatial pyramid pooling (He et al. 2014): max pooling to n x n for each level, flattened and
    joined.
    """

    rounding = exact

    levels = arg(integers, doc="the sizes n of the grids", min=1)
    is_global = True

    def infer(self, *xs: TensorType) -> TensorType:
        if len(xs[0].shape) != 3:
            raise OpError("wrong-rank", f"`spp` needs C x H x W, its input is {xs[0]}")
        if not self.levels:
            raise OpError(
                "bad-argument",
                "`spp` needs at least one level, found []",
                "levels",
                "write `spp([1, 2, 4])`",
            )
        return TensorType(
            (fixed(self, xs[0].channels, "its input channels") * sum(n * n for n in self.levels),),
            xs[0].dtype,
        )

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        parts = ", ".join(f"F.adaptive_max_pool2d({{0}}, {n}).flatten(1)" for n in self.levels)
        return t.inline(f"torch.cat(({parts},), 1)")

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        parts = [
            g.op("Flatten", AdaptiveMaxPool({"kind": self.kind, "size": n}).onnx(g, xs[0]), axis=1)
            for n in self.levels
        ]
        return g.op("Concat", *parts, axis=1)
