"""Pooling: windows, global, adaptive, LeNet-5's trainable subsampling."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from netdsl.errors import OpError
from netdsl.ir.op import Op, Window
from netdsl.ir.rounding import TINY, grown, unless_beyond
from netdsl.ir.types import TensorType
from netdsl.ops.args import boolean, dims, even_padding
from netdsl.ops.base import arg, brief, layer, spatial_rank, spread
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
