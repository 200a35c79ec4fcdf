"""Pooling with windows of a given size: `maxpool`, `avgpool`, `sumpool`, `l2pool`."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, NamedTuple

from netdsl.errors import OpError
from netdsl.ir.op import Op, Window
from netdsl.ir.rounding import TINY, grown, unless_beyond
from netdsl.ir.types import TensorType
from netdsl.ops.args import boolean, dims, even_padding
from netdsl.ops.base import arg, brief, layer, spatial_rank, spread
from netdsl.ops.padding import for_pooling, is_even, pooled, refuse
from netdsl.ops.rounding import exact, mean_of_windows, sum_of_windows
from netdsl.ops.window_text import padding_text, window_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.ir.lowering import Emitter, Evaluation, Lowered, Recorder, TypedName
    from netdsl.ir.rounding import Bound
    from netdsl.ir.types import Sym


class PoolGeometry(NamedTuple):
    """The window of a pooling along each spatial axis; both sides have the same padding."""

    k: tuple[int, ...]
    stride: tuple[int, ...]
    pad: tuple[int, ...]


class _Pool(Op):
    """What the pooling kinds share: a window along 1 to 3 axes.

    out = (in + 2 pad - k) / stride + 1, rounded down or up.
    """

    k = arg(dims, doc="window size", min=1)
    stride = arg(dims, None, doc="step of the window; `k` by default", min=1)
    pad = arg(even_padding, 0, doc="padding on each side, at most half the window", min=0)
    ceil = arg(
        boolean, False, doc="round the output size up: the last window may extend past the end"
    )

    def geometry(self, x: TensorType) -> PoolGeometry:
        """Each argument spread over the spatial axes; raises `OpError` if one does not fit."""
        n = spatial_rank(self, x)
        k = stride = spread(self.k, n, self.kind, "k")
        if self.stride is not None:
            stride = spread(self.stride, n, self.kind, "stride")
        if not is_even(self.pad):
            ceil = self._may_round_up(k)
            refuse(self.kind, self.pad, for_pooling(self.pad, x.spatial, k, stride, ceil=ceil))
        pad = spread(self.pad, n, self.kind, "pad")
        for window, border in zip(k, pad, strict=True):
            if 2 * border > window:
                raise OpError(
                    "bad-padding",
                    f"a padding of {border} is more than half the window of {window}",
                    "pad",
                    f"pad at most {window // 2}",
                )
        return PoolGeometry(k, stride, pad)

    def _may_round_up(self, k: tuple[int, ...]) -> bool:
        """Whether `ceil` is an argument that can be combined with the padding of such a window."""
        return any(declared.name == "ceil" for declared in self.args) and (
            self.given.get("count_pad", True) or max(k) < 3
        )

    def infer(self, x: TensorType) -> TensorType:
        spatial = [
            self._output_size(*axis) for axis in zip(x.spatial, *self.geometry(x), strict=True)
        ]
        return TensorType((x.channels, *spatial), x.dtype)

    def _output_size(self, size: int | Sym, k: int, stride: int, pad: int) -> int | Sym:
        """The number of positions of the window on an axis; raises `OpError` if it does not fit."""
        out = pooled(size, k, stride, pad, ceil=self.ceil)
        if isinstance(out, int) and isinstance(size, int) and out < 1:
            plus = f" with its padding of {pad}" if pad else ""
            raise OpError(
                "window-too-large",
                f"a window of {k} is larger than the input's {size}{plus}",
                "k",
                f"use a window of at most {size + 2 * pad}, or `gap`",
            )
        return out

    def windows(self, x: TensorType) -> tuple[Window, ...]:
        return tuple(Window(*axis) for axis in zip(*self.geometry(x), strict=True))

    def window_text(self, x: TensorType) -> str:
        k, stride, pad = self.geometry(x)
        padding = padding_text([(p, p) for p in pad], k, [1] * len(k))
        return window_text(k, stride, padding)

    def torch_module(self, t: Recorder, name: str, x: TensorType) -> Lowered:
        """The `nn` pooling module of the input's rank."""
        k, stride, pad = self.geometry(x)
        return t.module(
            f"{name}{len(k)}d",
            brief(k),
            stride=(brief(stride), brief(k)),
            padding=(brief(pad), 0),
            ceil_mode=(self.ceil, False),
        )

    def onnx_window(self, x: TensorType) -> dict[str, Sequence[int]]:
        """The attributes of ONNX's pooling operators.

        With `ceil`, extra padding at the end gives the size that rounding up would give, for every
        size of the input. ONNX's own `ceil_mode` would keep a last window that starts in the
        padding, but PyTorch drops that window.
        """
        k, stride, pad = self.geometry(x)
        return {"kernel_shape": k, "strides": stride, "pads": [*pad, *self.padding_at_end(x)]}

    def padding_at_end(self, x: TensorType) -> tuple[int, ...]:
        """The padding after each spatial axis that gives the right size without `ceil_mode`."""
        k, stride, pad = self.geometry(x)
        if not self.ceil:
            return pad
        return tuple(min(p + s, k_) - 1 for k_, s, p in zip(k, stride, pad, strict=True))


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

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        return self.torch_module(t, "MaxPool", x)

    def onnx(self, g: Emitter, x: TypedName) -> str:
        return g.op("MaxPool", x, **self.onnx_window(x.type))


class _Mean(_Pool):
    """Pooling that PyTorch computes as a mean.

    Along 3 axes, it refuses a window larger than the input, even if the padding would make room.
    """

    def infer(self, x: TensorType) -> TensorType:
        y = super().infer(x)
        if len(x.spatial) < 3:
            return y
        for size, k in zip(x.spatial, self.geometry(x).k, strict=True):
            if not self.needs_at_least(size, k):
                raise OpError(
                    "window-too-large",
                    f"a window of {k} is larger than the volume's {size}, where padding does not"
                    " count",
                    "k",
                    f"use a window of at most {size}, or `gap`",
                )
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

    count_pad = arg(boolean, True, doc="count the padding in the mean")

    def infer(self, x: TensorType) -> TensorType:
        y = super().infer(x)
        pad = self.geometry(x).pad
        if not self.count_pad and self.ceil and any(pad):
            raise OpError(
                "bad-padding",
                f"PyTorch and ONNX disagree about `count_pad = false` with `ceil` and a padding of"
                f" {max(pad)}",
                "count_pad",
                "leave out one of the three",
            )
        return y

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        module = self.torch_module(t, "AvgPool", x)
        return module if self.count_pad else module.with_keyword("count_include_pad", value=False)

    def onnx(self, g: Emitter, x: TypedName) -> str:
        window = self.onnx_window(x.type)
        if not self.ceil:
            return g.op("AveragePool", x, count_include_pad=int(self.count_pad), **window)
        # PyTorch's mean counts the padding but nothing beyond it. So pad first, and exclude any
        # further padding from the mean.
        padded: str = x
        pad = self.geometry(x.type).pad
        if any(pad):
            padded = g.pad(x, [(0, 0), *((p, p) for p in pad)], g.floats(0.0))
            end = self.padding_at_end(x.type)
            beyond = [max(0, e - p) for e, p in zip(end, pad, strict=True)]
            window["pads"] = [0] * len(pad) + beyond
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

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        k, stride, pad = self.geometry(x)
        if len(k) == 1:
            return t.inline(f"F.avg_pool1d({{0}}, {k[0]}, {stride[0]}, {pad[0]}) * {k[0]}")
        return t.module(
            f"AvgPool{len(k)}d",
            brief(k),
            stride=(brief(stride), brief(k)),
            padding=(brief(pad), 0),
            divisor_override=(1, None),
        )

    def onnx(self, g: Emitter, x: TypedName) -> str:
        mean = g.op("AveragePool", x, count_include_pad=1, **self.onnx_window(x.type))
        return g.op("Mul", mean, g.floats(prod(self.geometry(x.type).k)))


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
        terms = prod(self.geometry(e.types[0]).k)
        square = e.y.square()
        lost = 3.0 * terms + 1
        underflow = lost / square.clamp(min=lost * TINY).sqrt()
        return e.bound(unless_beyond((1 + grown(terms)) * e.y.abs(), square), underflow + 1)

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        k, stride, _ = self.geometry(x)
        return t.module(f"LPPool{len(k)}d", 2, brief(k), stride=(brief(stride), brief(k)))

    def onnx(self, g: Emitter, x: TypedName) -> str:
        return g.op("LpPool", x, p=2, **self.onnx_window(x.type))
