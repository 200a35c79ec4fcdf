"""Pooling with windows of a given size: `maxpool`, `avgpool`, `sumpool`, `l2pool`."""

from __future__ import annotations

from math import inf, prod
from typing import TYPE_CHECKING

from netdsl.errors import OpError
from netdsl.ir.rounding import TINY, grown, unless_beyond
from netdsl.ops.args import boolean, dims
from netdsl.ops.base import arg, brief, layer
from netdsl.ops.padding import Border, is_even
from netdsl.ops.pool_window import SPREAD, Pooling
from netdsl.ops.rounding import exact, mean_of_windows, sum_of_windows

if TYPE_CHECKING:
    from netdsl.ir.lowering import Emitter, Evaluation, Lowered, Recorder, TypedName
    from netdsl.ir.rounding import Bound
    from netdsl.ir.types import TensorType
    from netdsl.ops.args import Pairs


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
        ("3x7x8", "maxpool(3, stride = 2, pad = same)"),
        ("2x6x6", "maxpool(2, stride = 1, pad = [(0, 1), (0, 1)])"),
        ("2x9x8", "maxpool(3, stride = 2, pad = 2, dilation = 2, ceil = true)"),
        ("2x8", "maxpool(2, stride = 3, pad = [(1, 0)], ceil = true)"),
    ],
)
class MaxPool(Pooling):
    """The largest value in each window; padding is smaller than every number."""

    rounding = exact

    dilation = arg(dims, 1, doc=SPREAD, min=1)

    def infer(self, x: TensorType) -> TensorType:
        y = super().infer(x)
        self.check_gaps(x)
        return y

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        module = self.torch_module(t, "MaxPool", x)
        if not self.pads_first(x):
            return module
        border = self.border(x, self.whole_pairs(x), value=-inf)
        return module.with_input(border.torch(), border.uses)

    def onnx(self, g: Emitter, x: TypedName) -> str:
        return self.onnx_pool(g, "MaxPool", x, -inf)


class _Mean(Pooling):
    """Pooling that PyTorch computes as a mean.

    Along 3 axes, it refuses a window larger than the input, even if the padding would make room.
    """

    def infer(self, x: TensorType) -> TensorType:
        y = super().infer(x)
        if len(x.spatial) < 3 or self.pads_first(x):
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

    def pads_first(self, x: TensorType) -> bool:
        is_of_volume = len(x.spatial) == 3 and not is_even(self.pad)
        return is_of_volume or self.is_dilated(x) or super().pads_first(x)


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
        ("3x8x7", "avgpool(3, stride = 2, pad = same)"),
        ("3x8x7", "avgpool(4, stride = 2, pad = same, count_pad = false)"),
        ("2x2x2x2", "avgpool(3, stride = 1, pad = same)"),
        ("2x10x9", "avgpool(3, stride = 2, pad = 1, ceil = true, count_pad = false)"),
        ("2x8x9", "avgpool(3, stride = 2, pad = [(0, 2), (1, 0)], ceil = true)"),
        ("2x8", "avgpool(4, stride = 3, pad = [(2, 1)], ceil = true, count_pad = false)"),
        ("3x9x8", "avgpool(3, stride = 1, pad = 2, dilation = 2)"),
        ("2x9x8", "avgpool(3x2, stride = 2, pad = 1, dilation = 2x3, ceil = true)"),
        ("2x9x8", "avgpool(3, stride = 2, pad = same, dilation = 2, count_pad = false)"),
        ("2x6x5x4", "avgpool(2, stride = 1, dilation = 3x2x1)"),
    ],
)
class AvgPool(_Mean):
    """The mean of each window; padding counts as zeros unless `count_pad` is false.

    PyTorch has no module for a mean with a dilation, which is lowered to views of the windows.
    """

    rounding = mean_of_windows

    count_pad = arg(boolean, True, doc="count the padding in the mean")
    dilation = arg(dims, 1, doc=SPREAD, min=1)

    def infer(self, x: TensorType) -> TensorType:
        y = super().infer(x)
        if not self.count_pad:
            self.check_gaps(x)
        return y

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        if self.is_dilated(x):
            module = self.torch_gathered(t, x, "{0}.mean({axes})")
        else:
            module = self.torch_module(t, "AvgPool", x)
        if not self.pads_first(x):
            return (
                module if self.count_pad else module.with_keyword("count_include_pad", value=False)
            )
        border = self.border(x, self.whole_pairs(x))
        mean = module.with_input(border.torch(), border.uses)
        counts = self._counts(x, border)
        if counts is None:
            return mean
        return mean.with_call(f"{mean.call} / {module.call.replace('{0}', counts)}")

    def _counts(self, x: TensorType, border: Border) -> str | None:
        """Source with 1 for what the mean counts and 0 for the rest; None if it counts it all."""
        ones = "torch.ones_like({0})"
        if not self.count_pad:
            return border.torch().replace("{0}", ones)
        beyond = self._beyond(x)
        if not any(map(any, beyond)):
            return None
        padded = Border(self.geometry(x).pad, value=1.0).torch()
        return Border(beyond).torch().replace("{0}", padded.replace("{0}", ones))

    def _beyond(self, x: TensorType) -> Pairs:
        """What `ceil` adds to the padding. PyTorch's mean counts the padding but nothing beyond."""
        pairs = zip(self.whole_pairs(x), self.geometry(x).pad, strict=True)
        return tuple((0, end - given) for (_, end), (_, given) in pairs)

    def onnx(self, g: Emitter, x: TypedName) -> str:
        if self.is_dilated(x.type):
            return self._onnx_dilated(g, x)
        pairs = self.geometry(x.type).pad
        if self.ceil and self.count_pad and self.pad != "same":
            padded = Border(pairs).onnx(g, x) if any(map(any, pairs)) else x
            window = self.onnx_window(x.type, self._beyond(x.type))
            return g.op("AveragePool", padded, **window, count_include_pad=0)
        y = self.onnx_pool(g, "AveragePool", x, count_include_pad=int(self.count_pad))
        if self.count_pad or self.auto_pads(x.type) or not self.pads_at_run_time(x.type):
            return y
        ones = self._onnx_ones(g, x)
        return g.op("Div", y, self.onnx_pool(g, "AveragePool", ones, count_include_pad=0))

    def _onnx_dilated(self, g: Emitter, x: TypedName) -> str:
        """The sum of each window by the number of elements that count: opset 18 has no dilation."""
        border = self.border(x.type, self.whole_pairs(x.type))
        total = self.onnx_sum(g, x, border)
        beyond = self._beyond(x.type)
        if self.count_pad and not any(map(any, beyond)):
            return g.op("Div", total, g.floats(prod(self.geometry(x.type).k)))
        counted = self._onnx_ones(g, x)
        if self.count_pad:
            inside = Border(self.geometry(x.type).pad, value=1.0)
            counted, border = x.of(inside.onnx(g, counted), x.type), Border(beyond)
        return g.op("Div", total, self.onnx_sum(g, counted, border))

    def _onnx_ones(self, g: Emitter, x: TypedName) -> TypedName:
        """A sample of ones with the spatial sizes of the input."""
        shape = g.op("Concat", g.ints([1, 1]), g.op("Shape", x, start=2), axis=0)
        return x.of(g.op("Expand", g.floats(1.0), shape), x.type)


@layer(
    "sumpool",
    family="pooling",
    examples=[
        ("3x8x8", "sumpool(2)"),
        ("2x9x7", "sumpool(3x2, stride = 2, pad = 1)"),
        ("2x11", "sumpool(3)"),
        ("2x11", "sumpool(3, stride = 2, pad = [(0, 2)])"),
        ("2x8x9", "sumpool(3, stride = 2, pad = same)"),
        ("2x8x9", "sumpool(3, pad = 1, ceil = true)"),
        ("2x9x8", "sumpool(3x2, stride = 2, pad = 1, dilation = 2, ceil = true)"),
    ],
)
class SumPool(_Mean):
    """The sum of each window: k times the mean that counts the padding."""

    rounding = sum_of_windows

    dilation = arg(dims, 1, doc=SPREAD, min=1)

    def pads_first(self, x: TensorType) -> bool:
        return self.ceil or super().pads_first(x)

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        k, stride, pairs, _ = self.geometry(x)
        is_first = self.pads_first(x)
        pad = (0,) * len(k) if is_first else tuple(begin for begin, _ in pairs)
        if self.is_dilated(x):
            lowered = self.torch_gathered(t, x, "{0}.sum({axes})")
        elif len(k) == 1:
            call = f"F.avg_pool1d({{0}}, {k[0]}, {stride[0]}, {pad[0]}) * {k[0]}"
            lowered = t.inline(call)
        else:
            lowered = t.module(
                f"AvgPool{len(k)}d",
                brief(k),
                stride=(brief(stride), brief(k)),
                padding=(brief(pad), 0),
                divisor_override=(1, None),
            )
        if not is_first:
            return lowered
        border = self.border(x, self.whole_pairs(x))
        return lowered.with_input(border.torch(), border.uses)

    def onnx(self, g: Emitter, x: TypedName) -> str:
        if self.is_dilated(x.type):
            return self.onnx_sum(g, x, self.border(x.type, self.whole_pairs(x.type)))
        mean = self.onnx_pool(g, "AveragePool", x, count_include_pad=1)
        return g.op("Mul", mean, g.floats(prod(self.geometry(x.type).k)))


@layer(
    "l2pool",
    family="pooling",
    examples=[
        ("3x8x8", "l2pool(2)"),
        ("2x9x7", "l2pool(3, stride = 2)"),
        ("2x11", "l2pool(3)"),
        ("2x8x7", "l2pool(3, stride = 2, pad = same)"),
        ("2x11", "l2pool(3, stride = 2, pad = 1)"),
        ("2x9x8", "l2pool(3x2, stride = 2, pad = 1, dilation = 2)"),
    ],
)
class L2Pool(Pooling):
    """The Euclidean norm of each window: sqrt(sum x^2).

    `LPPool` of PyTorch can also round its output size up, but then it multiplies the norm of an
    incomplete window.
    """

    ceil = False
    dilation = arg(dims, 1, doc=SPREAD, min=1)

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
        k, stride, pairs, _ = self.geometry(x)
        if self.is_dilated(x):
            module = self.torch_gathered(t, x, "torch.linalg.vector_norm({0}, dim={axes})")
        else:
            name = f"LPPool{len(k)}d"
            module = t.module(name, 2, brief(k), stride=(brief(stride), brief(k)))
        if not any(map(any, pairs)) and not self.pads_at_run_time(x):
            return module
        border = self.border(x, pairs)  # the module has no padding of its own
        return module.with_input(border.torch(), border.uses)

    def onnx(self, g: Emitter, x: TypedName) -> str:
        return self.onnx_pool(g, "LpPool", x, p=2)
