"""Convolution: `conv` and `depthwise`, and what they share with `deconv`."""

from __future__ import annotations

from math import gcd, prod
from typing import TYPE_CHECKING, NamedTuple

from netdsl.errors import Correction, OpError
from netdsl.ir.op import Op, Param, Window
from netdsl.ir.types import TensorType
from netdsl.ops import connect
from netdsl.ops.args import bias_values, dims, integer, padding, text, weight_values
from netdsl.ops.base import GONE, arg, brief, divisor_list, fixed, layer, spatial_rank, spread
from netdsl.ops.init import INITS, bias_params, weight_param
from netdsl.ops.padding import for_all_pairs, is_even, sizes_text
from netdsl.ops.rounding import sum_of_products
from netdsl.ops.window_text import number_text, padding_text, window_text
from netdsl.words import counted, do

if TYPE_CHECKING:
    from netdsl.ir.lowering import Emitter, Lowered, Recorder, TypedName
    from netdsl.ir.types import Sym
    from netdsl.ops.args import Dims, Padding, Pairs


class Geometry(NamedTuple):
    """The window of a convolution along each spatial axis; `pad` has (begin, end) pairs."""

    k: tuple[int, ...]
    stride: tuple[int, ...]
    pad: Pairs
    dilation: tuple[int, ...]


class Windowed(Op):
    """What the convolutions share: window, stride, padding and dilation along 1 to 3 axes."""

    multiplies = True
    k: Dims
    stride: Dims
    pad: Padding
    dilation: Dims

    def geometry(self, x: TensorType) -> Geometry:
        """Each argument spread over the spatial axes; raises `OpError` if one does not fit."""
        k, stride, dilation = self.spread_window(x)
        return Geometry(k, stride, self._pairs(k, stride, dilation), dilation)

    def spread_window(self, x: TensorType) -> tuple[tuple[int, ...], ...]:
        """Window, stride and dilation along each spatial axis."""
        n = spatial_rank(self, x)
        arguments = {"k": self.k, "stride": self.stride, "dilation": self.dilation}
        return tuple(spread(value, n, self.kind, name) for name, value in arguments.items())

    def _pairs(
        self, k: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
    ) -> Pairs:
        """The (begin, end) padding of each spatial axis."""
        if is_even(self.pad):
            return tuple((p, p) for p in spread(self.pad, len(k), self.kind, "pad"))
        if self.pad == "same":
            return _same(k, stride, dilation)
        if len(self.pad) != len(k):
            raise OpError(
                "wrong-rank",
                f"`pad` has {counted(len(self.pad), 'pair')}, the input has"
                f" {counted(len(k), 'spatial axis')}",
                "pad",
                *for_all_pairs(self.pad),
            )
        return self.pad

    def windows(self, x: TensorType) -> tuple[Window, ...]:
        axes = zip(*self.geometry(x), strict=True)
        return tuple(Window((k - 1) * d + 1, s, begin) for k, s, (begin, _), d in axes)

    def window_text(self, x: TensorType) -> str:
        k, stride, _, dilation = self.geometry(x)
        return window_text(
            k,
            stride,
            number_text("d", dilation, 1),
            # For `depthwise`, whose number of groups is fixed, it is not an argument.
            number_text("g", [self.given.get("groups", 1)], 1),
            self.padding_text(x),
        )

    def padding_text(self, x: TensorType) -> str:
        """The padding, if it neither is 0 nor keeps the size."""
        k, _, pairs, dilation = self.geometry(x)
        return padding_text(pairs, k, dilation)


def _same(k: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]) -> Pairs:
    """The padding that keeps the size of the input, which needs a stride of 1."""
    totals = [d * (k_ - 1) for k_, d in zip(k, dilation, strict=True)]
    halves = [total // 2 for total in totals]
    if any(s != 1 for s in stride):
        text = sizes_text(halves)
        is_even = all(total % 2 == 0 for total in totals)
        raise OpError(
            "bad-padding",
            f"`pad = same` needs stride 1, the stride is {brief(stride)}",
            "pad",
            f"give the padding as numbers: `pad = {text}`",
            Correction({"pad": text}) if is_even else None,
        )
    return tuple((half, total - half) for half, total in zip(halves, totals, strict=True))


@layer(
    "conv",
    family="convolution",
    examples=[
        ("3x9x9", "conv(8, 3)"),
        ("4x9x8", "conv(6, 1x3, stride = 2, pad = 0x1, groups = 2, bias = false)"),
        ("2x11", "conv(3, 3, dilation = 2)"),
        ("2x5x5x5", "conv(3, 2)"),
        ("3x8x8", "conv(4, 4, pad = same)"),
        ("2x6x6", "conv(2, 3, pad = [(0, 1), (1, 2)])"),
        ("3x9", "conv(4, 5, pad = same, init = he_normal)"),
        ("1x6x6", "conv(1, 3, bias = false, weight = [[-1,-1,-1],[-1,8,-1],[-1,-1,-1]])"),
        ("3x6x6", "conv(4, 3, connections = [[0,1],[1,2],[0,2],[0,1,2]])"),
        (
            "2x6",
            (
                "conv(3, 2, pad = [(0, 1)], bias = false, init = normal,"
                " connections = [[0],[1],[1,0]])"
            ),
        ),
        ("2x3x4", "conv(3, 3x4, init = ones, connections = [[0], [1], [1, 0]])"),
        ("2x7", "conv(2, 3, bias = [0.5, -1])"),
    ],
)
class Conv(Windowed):
    """Slide `out` learned windows over the input.

    Along each axis, out = (in + 2 pad - dilation (k - 1) - 1) // stride + 1.
    """

    rounding = sum_of_products()

    out = arg(integer, doc="output channels", min=1)
    k = arg(dims, doc="window size", min=1)
    stride = arg(dims, 1, doc="step of the window", min=1)
    pad = arg(padding, 0, doc="zeros around the input; `same` keeps the size, with stride 1", min=0)
    dilation = arg(dims, 1, doc="distance between the elements of the window", min=1)
    groups = arg(integer, 1, doc="groups of channels that are convolved separately", min=1)
    bias = arg(bias_values, True, doc="add a learned bias to each output channel, or its numbers")
    weight = arg(weight_values, None, doc="the kernel: numbers or an earlier weight")
    init = arg(text, "default", doc="how the weights are initialised", choices=INITS)
    connections = arg(
        connect.table,
        None,
        doc="for each output map, the input maps that it is connected to; only these have weights",
    )

    def infer(self, x: TensorType) -> TensorType:
        geometry = self.geometry(x)
        channels = fixed(self, x.channels, "its input channels")
        self._check_groups(channels)
        if self.connections is not None:
            connect.check(self.connections, self.out, channels, self.groups, self.init)
        spatial = [_output_size(*axis) for axis in zip(x.spatial, *geometry, strict=True)]
        return TensorType((self.out, *spatial), x.dtype)

    def _check_groups(self, channels: int) -> None:
        for side, count in (("input", channels), ("output", self.out)):
            if count % self.groups:
                raise OpError(
                    "bad-groups",
                    f"{counted(count, f'{side} channel')} {do(count)} not divide into"
                    f" {counted(self.groups, 'group')}",
                    "groups",
                    common_divisors(channels, self.out),
                )

    def _weight_shape(self, x: TensorType) -> tuple[int, ...]:
        """Outputs x inputs of a group x window; with `connections`, connected pairs x window."""
        k = self.geometry(x).k
        if self.connections is not None:
            return (sum(map(len, self.connections)), *k)
        return (self.out, fixed(self, x.channels, "its input channels") // self.groups, *k)

    def params(self, x: TensorType) -> dict[str, Param]:
        shape = self._weight_shape(x)
        init, fan_in = self.init, prod(shape[1:])
        if self.connections is not None:
            fan_in = connect.fan_in(self.connections, fan_in)
            if init == "default":
                init = f"uniform:{fan_in}"
        kernel = weight_param(self, shape, Param(shape, init))
        return {"weight": kernel} | bias_params(self, self.out, f"uniform:{fan_in}")

    def macs(self, y: TensorType, x: TensorType) -> int | Sym:
        return prod(y.spatial) * prod(self._weight_shape(x))

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        k, stride, pairs, dilation = self.geometry(x)
        has_bias = bool(self.bias)
        uneven = any(begin != end for begin, end in pairs)
        # Modules of `nn` only pad both ends equally, so an uneven `pad` is applied before.
        pad = 0 if uneven else brief(tuple(begin for begin, _ in pairs))
        if self.connections is not None:
            module = t.custom(
                "PartialConv", self.connections, x.channels, k, stride, pad, dilation, has_bias
            )
        else:
            module = t.module(
                f"Conv{len(k)}d",
                x.channels,
                self.out,
                brief(k),
                stride=(brief(stride), 1),
                padding=(pad, 0),
                dilation=(brief(dilation), 1),
                groups=(self.groups, 1),
                bias=(has_bias, True),
            )
        return module.padded(pairs) if uneven else module

    def onnx(self, g: Emitter, x: TypedName) -> str:
        k, stride, pairs, dilation = self.geometry(x.type)
        bias = [g.param("bias")] if self.bias else []
        weight = g.param("weight")
        if self.connections is not None:
            channels = fixed(self, x.type.channels, "its input channels")
            weight = connect.onnx_kernel(g, self.connections, weight, (self.out, channels, *k))
        return g.op(
            "Conv",
            x,
            weight,
            *bias,
            kernel_shape=k,
            strides=stride,
            pads=[begin for begin, _ in pairs] + [end for _, end in pairs],
            dilations=dilation,
            group=self.groups,
        )


def _output_size(
    size: int | Sym, k: int, stride: int, pad: tuple[int, int], dilation: int
) -> int | Sym:
    """The number of positions of a window along an axis; raises `OpError` if it does not fit."""
    extent = dilation * (k - 1) + 1
    padded = size + sum(pad)
    if isinstance(padded, int) and extent > padded:
        kernel = f"{k}"
        if dilation != 1:
            kernel = f"{k} (spread over {extent} by dilation {dilation})"
        plus = f" with its padding of {pad[0]} and {pad[1]}" if any(pad) else ""
        raise OpError(
            "window-too-large",
            f"a kernel of {kernel} is larger than the input's {size}{plus}",
            "k",
            f"use a kernel of at most {(padded - 1) // dilation + 1}, or more padding",
        )
    return (padded - extent) // stride + 1


def common_divisors(a: int, b: int) -> str:
    """Advice for channels that do not divide into groups."""
    return f"groups that divide {a} and {b}: {divisor_list(gcd(a, b))}"


@layer(
    "depthwise",
    family="convolution",
    examples=[
        ("4x8x8", "depthwise(3, pad = 1)"),
        ("3x9x7", "depthwise(3, stride = 2, multiplier = 2, bias = false)"),
        ("4x10", "depthwise(5)"),
        ("2x9x9", "depthwise(3, dilation = 2, init = xavier_uniform)"),
        (
            "2x5x5",
            "depthwise(2, bias = false, weight = [[[[1, 0], [0, -1]]], [[[0, 1], [-1, 0]]]])",
        ),
    ],
)
class Depthwise(Conv):
    """Convolve each channel with `multiplier` windows of its own.

    It is `conv` with as many groups as channels.
    """

    out = GONE
    groups = GONE
    connections = None
    multiplier = arg(integer, 1, doc="output channels for each input channel", min=1)

    def _conv(self, x: TensorType) -> Conv:
        channels = fixed(self, x.channels, "its input channels")
        values = {
            **self.given,
            "kind": self.kind,
            "out": channels * self.multiplier,
            "groups": channels,
            "connections": None,
        }
        return Conv(values)

    def infer(self, x: TensorType) -> TensorType:
        spatial_rank(self, x)
        return self._conv(x).infer(x)

    def params(self, x: TensorType) -> dict[str, Param]:
        return self._conv(x).params(x)

    def macs(self, y: TensorType, x: TensorType) -> int | Sym:
        return self._conv(x).macs(y, x)

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        return self._conv(x).torch(t, x)

    def onnx(self, g: Emitter, x: TypedName) -> str:
        return self._conv(x.type).onnx(g, x)
