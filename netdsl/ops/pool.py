"""Pooling: windows, global, adaptive, LeNet-5's trainable subsampling."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from netdsl.errors import OpError
from netdsl.ir.op import Op, Param, Window
from netdsl.ir.rounding import TINY, Known, grown, lifted, unless_beyond
from netdsl.ir.types import TensorType
from netdsl.ops.args import boolean, dims, even_padding, integers
from netdsl.ops.base import arg, brief, fixed, layer, spatial_rank, spread
from netdsl.ops.padding import for_pooling, is_even, pooled, refuse
from netdsl.ops.rounding import exact, mean_of_windows, sum_of_windows

if TYPE_CHECKING:
    from netdsl.ir.lowering import Emitter, Evaluation, Lowered, Recorder, TypedName
    from netdsl.ir.rounding import Bound
    from netdsl.ir.types import Sym


class _Pool(Op):
    """What the pooling kinds share: a window along 1 to 3 axes; out = (in + 2 pad - k) / stride +
    1, rounded down or up.
    """

    k = arg(dims, doc="window size", min=1)
    stride = arg(dims, None, doc="step of the window; k where not given", min=1)
    pad = arg(even_padding, 0, doc="padding on each side, at most half the window", min=0)
    ceil: bool = arg(
        boolean, False, doc="round the output size up: the last window may reach over the end"
    )

    def geometry(self, x: TensorType) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """Window, stride and padding along each spatial axis."""
        n = spatial_rank(self, x)
        k = spread(self.k, n, self.kind, "k")
        s = k if self.stride is None else spread(self.stride, n, self.kind, "stride")
        if not is_even(self.pad):
            refuse(
                self.kind,
                self.pad,
                for_pooling(self.pad, x.spatial, k, s, ceil=self._may_round_up(k)),
            )
        p = spread(self.pad, n, self.kind, "pad")
        for k_, p_ in zip(k, p, strict=True):
            if 2 * p_ > k_:
                raise OpError(
                    "bad-padding",
                    f"a padding of {p_} is more than half the window of {k_}",
                    "pad",
                    f"pad at most {k_ // 2}",
                )
        return k, s, p

    def _may_round_up(self, k: tuple[int, ...]) -> bool:
        """Whether `ceil` is an argument that goes with the padding of such a window."""
        return any(a.name == "ceil" for a in self.args) and (
            self.given.get("count_pad", True) or max(k) < 3
        )

    def infer(self, *xs: TensorType) -> TensorType:
        (x,) = xs
        spatial = [self._axis(*v) for v in zip(x.spatial, *self.geometry(x), strict=True)]
        return TensorType((x.channels, *spatial), x.dtype)

    def _axis(self, size: int | Sym, k: int, s: int, p: int) -> int | Sym:
        out = pooled(size, k, s, p, ceil=self.ceil)
        if isinstance(out, int) and isinstance(size, int) and out < 1:
            plus = f" with its padding of {p}" if p else ""
            raise OpError(
                "window-too-large",
                f"a window of {k} is larger than the input's {size}{plus}",
                "k",
                f"use a window of at most {size + 2 * p}, or `gap`",
            )
        return out

    def onnx_window(self, x: TensorType) -> dict[str, Any]:
        """The attributes of ONNX's pooling operators.

        With `ceil`, extra padding at the end gives the size that rounding up would give, for every
        size of the input. ONNX's own `ceil_mode` would keep a last window that starts in the
        padding, but PyTorch drops that window.
        """
        k, s, p = self.geometry(x)
        end = p
        if self.ceil:
            end = tuple(min(p_ + s_, k_) - 1 for k_, s_, p_ in zip(k, s, p, strict=True))
        return {"kernel_shape": k, "strides": s, "pads": [*p, *end]}

    def windows(self, *xs: TensorType) -> tuple[Window, ...]:
        return tuple(Window(*v) for v in zip(*self.geometry(xs[0]), strict=True))

    def torch_module(self, t: Recorder, name: str, x: TensorType) -> Lowered:
        """The `nn` pooling module of the input's rank."""
        k, s, p = self.geometry(x)
        stride = brief(s) if s != k else brief(k)
        return t.module(
            f"{name}{len(k)}d",
            brief(k),
            stride=(stride, brief(k)),
            padding=(brief(p), 0),
            ceil_mode=(self.ceil, False),
        )


@layer(
    "maxpool",
    family="pooling",
    examples=[
        ("3x8x8", "maxpool(2)"),
        ("3x9x7", "maxpool(3, stride = 2, pad = 1)"),
        ("2x10x10", "maxpool(3, stride = 2, ceil = true)"),
        ("2x11", "maxpool(2, ceil = true)"),
        ("2x4x6x8", "maxpool(2)"),
        ("2x5x5", "maxpool(2, stride = 3, pad = 1, ceil = true)"),
    ],
)
class MaxPool(_Pool):
    """The largest value in each window."""

    rounding = exact

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return self.torch_module(t, "MaxPool", xs[0])

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        return g.op("MaxPool", xs[0], **self.onnx_window(xs[0].type))


class _Mean(_Pool):
    """PyTorch takes means over no volume that is smaller than the window, whatever the padding."""

    def infer(self, *xs: TensorType) -> TensorType:
        y = super().infer(*xs)
        for size, k in zip(xs[0].spatial, self.geometry(xs[0])[0], strict=True):
            if len(xs[0].spatial) == 3 and not self.needs_at_least(size, k):
                fact = f"a window of {k} is larger than the volume's {size}"
                message = f"{fact}, and padding does not count there"
                advice = f"use a window of at most {size}, or `gap`"
                raise OpError("window-too-large", message, "k", advice)
        return y


@layer(
    "avgpool",
    family="pooling",
    examples=[
        ("3x8x8", "avgpool(2)"),
        ("3x9x7", "avgpool(3, stride = 2, pad = 1)"),
        ("2x10x9", "avgpool(3, stride = 2, pad = 1, ceil = true)"),
        ("2x11", "avgpool(2, ceil = true)"),
        ("2x4x6x8", "avgpool(2)"),
        ("2x9x9", "avgpool(3, stride = 2, pad = 1, count_pad = false)"),
        ("2x3x4x3", "avgpool(3, stride = 1, pad = 1)"),
        ("2x3x2", "avgpool(4, stride = 1, pad = 1x2)"),
    ],
)
class AvgPool(_Mean):
    """The mean of each window; padding counts as zeros unless `count_pad` is false."""

    rounding = mean_of_windows

    count_pad: bool = arg(boolean, True, doc="count the padding in the mean")

    def infer(self, *xs: TensorType) -> TensorType:
        y = super().infer(*xs)
        if not self.count_pad and self.ceil and any(self.geometry(xs[0])[2]):
            raise OpError(
                "bad-padding",
                f"`count_pad = false` with `ceil` and a padding of {max(self.geometry(xs[0])[2])}"
                " is not defined alike by PyTorch and ONNX",
                "count_pad",
                "leave out one of the three",
            )
        return y

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        module = self.torch_module(t, "AvgPool", xs[0])
        return module if self.count_pad else module.with_keyword("count_include_pad", value=False)

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        padded: str = xs[0]
        window = self.onnx_window(xs[0].type)
        if not self.ceil:
            return g.op("AveragePool", padded, count_include_pad=int(self.count_pad), **window)
        # PyTorch's mean counts the padding but not what lies beyond it: pad first, then let nothing
        # else count.
        p = self.geometry(xs[0].type)[2]
        if any(p):
            padded = g.pad(padded, [(0, 0), *((a, a) for a in p)], g.floats(0.0))
            pads = window["pads"]
            window["pads"] = [0] * len(p) + [
                max(0, e - b) for e, b in zip(pads[len(p) :], p, strict=True)
            ]
        return g.op("AveragePool", padded, count_include_pad=0, **window)


@layer(
    "sumpool",
    family="pooling",
    examples=[
        ("3x8x8", "sumpool(2)"),
        ("2x9x7", "sumpool(3x2, stride = 2, pad = 1)"),
        ("2x11", "sumpool(3)"),
    ],
)
class SumPool(_Mean):
    """The sum of each window: k times the mean that counts the padding."""

    rounding = sum_of_windows

    ceil = False

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        k, s, p = self.geometry(xs[0])
        n = len(k)
        if n == 1:
            return t.inline(f"F.avg_pool1d({{0}}, {k[0]}, {s[0]}, {p[0]}) * {k[0]}")
        return t.module(
            f"AvgPool{n}d",
            brief(k),
            stride=(brief(s), brief(k)),
            padding=(brief(p), 0),
            divisor_override=(1, None),
        )

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        mean = g.op("AveragePool", xs[0], count_include_pad=1, **self.onnx_window(xs[0].type))
        return g.op("Mul", mean, g.floats(prod(self.geometry(xs[0].type)[0])))


@layer(
    "l2pool",
    family="pooling",
    examples=[("3x8x8", "l2pool(2)"), ("2x9x7", "l2pool(3, stride = 2)"), ("2x11", "l2pool(3)")],
)
class L2Pool(_Pool):
    """The Euclidean norm of each window: sqrt(sum x^2)."""

    pad = 0
    ceil = False

    def rounding(self, e: Evaluation) -> Bound:
        """`(1 + s) abs(y)`.

        Underflow: `q / sqrt(max(sum x^2, 2^-126 q)) + 1`, with `q = 3 n + 1`: squares below 2^-126
        are lost, and the root of a small number is much larger than the number.
        """
        terms = prod(self.geometry(e.types[0])[0])
        square = e.y.square()
        lost = 3.0 * terms + 1
        underflow = lost / square.clamp(min=lost * TINY).sqrt()
        return e.bound(unless_beyond((1 + grown(terms)) * e.y.abs(), square), underflow + 1)

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        k, s, _ = self.geometry(xs[0])
        return t.module(f"LPPool{len(k)}d", 2, brief(k), stride=(brief(s), brief(k)))

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        return g.op("LpPool", xs[0], p=2, **self.onnx_window(xs[0].type))


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


@layer(
    "subsample", family="pooling", examples=[("6x8x8", "subsample(2)"), ("3x9x6", "subsample(3x2)")]
)
class Subsampling(Op):
    """LeNet-5's trainable pooling (LeCun et al. 1998): coefficient x sum of the window + bias, one
    pair for each map.
    """

    k = arg(dims, doc="window size and stride", min=1)

    def _pool(self) -> SumPool:
        return SumPool({"kind": self.kind, "k": self.k, "stride": None, "pad": 0})

    def infer(self, *xs: TensorType) -> TensorType:
        spatial_rank(self, xs[0])
        fixed(self, xs[0].channels, "its input channels")
        return self._pool().infer(*xs)

    def params(self, *xs: TensorType) -> dict[str, Param]:
        k, *_ = self._pool().geometry(xs[0])
        shape = (fixed(self, xs[0].channels, "its input channels"),)
        return {"weight": Param(shape, f"constant:{1 / prod(k)}"), "bias": Param(shape)}

    def windows(self, *xs: TensorType) -> tuple[Window, ...]:
        return self._pool().windows(*xs)

    def rounding(self, e: Evaluation) -> Bound:
        """`s abs(w) sum of abs(x)`, plus the value, plus `abs(c)`.

        Underflow: carried from step to step.
        """
        window, *_ = self._pool().geometry(e.types[0])
        count = prod(window)
        sizes = e.mean(lifted(e.x), window) * count
        summed = Known(
            e.mean(e.x, window) * count,
            unless_beyond(sizes * grown(count), sizes),
            e.y.new_full(e.y.shape, 2 * count + 2),
        )
        scaled = summed * Known.exactly(e.per_channel(e.module.weight))
        return scaled.shifted(e.per_channel(e.module.bias)).bound

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        k, *_ = self._pool().geometry(xs[0])
        return t.custom("Subsample", xs[0].channels, k)

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        channels = fixed(self, xs[0].type.channels, "its input channels")
        shape = [1, channels, *(1 for _ in xs[0].type.spatial)]
        weight, bias = (g.op("Reshape", g.param(n), g.ints(shape)) for n in ("weight", "bias"))
        return g.op("Add", g.op("Mul", self._pool().onnx(g, xs[0]), weight), bias)
