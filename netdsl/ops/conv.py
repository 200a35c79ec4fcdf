"""Convolution: `conv` and `depthwise`."""

from __future__ import annotations

from math import gcd, prod
from typing import TYPE_CHECKING

from netdsl.errors import OpError
from netdsl.ir.op import Param
from netdsl.ir.types import TensorType
from netdsl.ops import connect
from netdsl.ops.args import bias_values, dims, integer, padding, text, weight_values
from netdsl.ops.base import GONE, arg, brief, divisor_list, fixed, layer, spatial_rank
from netdsl.ops.init import INITS, bias_params, weight_param
from netdsl.ops.padding import TORCH_MODES, check_border, onnx_pads, same_width
from netdsl.ops.rounding import sum_of_products
from netdsl.ops.window import Windowed, too_large
from netdsl.words import counted, either

if TYPE_CHECKING:
    from netdsl.ir.lowering import Emitter, Lowered, Recorder, TypedName
    from netdsl.ir.types import Sym
    from netdsl.ops.padding import Border
    from netdsl.ops.window import Geometry


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
        ("3x7x8", "conv(4, 3, stride = 2, pad = same)"),
        ("2x9", "conv(3, 2, stride = 3, dilation = 3, pad = same)"),
        ("3x5x6", "conv(4, 3, pad = 1, pad_mode = circular)"),
        ("2x7", "conv(3, 4, pad = [(1, 2)], pad_mode = reflect)"),
        ("2x3x4x4", "conv(3, 3, pad = 1x0x2, pad_mode = edge)"),
        ("2x7", "conv(2, 4, stride = 2, pad = same, pad_mode = circular)"),
        ("2x5", "conv(2, 3, pad = 1, connections = [[0], [1]], pad_mode = circular)"),
    ],
)
class Conv(Windowed):
    """Slide `out` learned windows over the input.

    Along each axis, out = (in + 2 pad - dilation (k - 1) - 1) // stride + 1; with `pad = same`,
    out = ceil(in / stride).
    """

    multiplies = True
    rounding = sum_of_products()

    out = arg(integer, doc="output channels", min=1)
    k = arg(dims, doc="window size", min=1)
    stride = arg(dims, 1, doc="step of the window", min=1)
    pad = arg(
        padding,
        0,
        doc="border around the input; `same` gives ceil(in / stride) outputs, as in TensorFlow",
        min=0,
    )
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
    pad_mode = arg(
        text,
        "zeros",
        doc="what the border is filled with",
        choices=("zeros", "reflect", "edge", "circular"),
    )

    def infer(self, x: TensorType) -> TensorType:
        geometry = self.geometry(x)
        channels = fixed(self, x.channels, "its input channels")
        self._check_groups(channels)
        if self.connections is not None:
            connect.check(self.connections, self.out, channels, self.groups, self.init)
        spatial = self._output_sizes(x, geometry)
        return TensorType((self.out, *spatial), x.dtype)

    def _output_sizes(self, x: TensorType, geometry: Geometry) -> list[int | Sym]:
        """The number of positions of the window along each axis; raises `OpError`."""
        sizes: list[int | Sym] = []
        for size, extent, k, stride, pad, dilation in zip(
            x.spatial, geometry.extent, *geometry, strict=True
        ):
            padded, width = size + sum(pad), max(pad)
            if self.pad == "same":
                sizes.append((size + stride - 1) // stride)
                width = same_width(size, extent, stride)
            elif isinstance(size, int) and isinstance(padded, int) and extent > padded:
                raise too_large("kernel", size, k, pad, dilation, "more padding")
            else:
                sizes.append((padded - extent) // stride + 1)
            check_border(self, self.pad_mode, size, width, "pad_mode")
        return sizes

    def _check_groups(self, channels: int) -> None:
        for side, count in (("input", channels), ("output", self.out)):
            if count % self.groups:
                raise OpError(
                    "bad-groups",
                    f"{counted(count, f'{side} channel')} cannot be divided into"
                    f" {counted(self.groups, 'equal group')}",
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
        bias = Param((self.out,), f"uniform:{fan_in}")
        return {"weight": weight_param(self, Param(shape, init))} | bias_params(self, bias)

    def macs(self, y: TensorType, x: TensorType) -> int | Sym:
        return prod(y.spatial) * prod(self._weight_shape(x))

    def padding_text(self, x: TensorType) -> str:
        """The padding, if it neither is 0 nor keeps the size, and its mode if that is not zeros."""
        text = super().padding_text(x)
        border = self._border(x)
        if not border.mode or not (border.same or any(map(any, border.pairs))):
            return text
        return f"{text} {border.mode}".strip()

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        k, stride, pairs, dilation = self.geometry(x)
        has_bias = bool(self.bias)
        border = self._border(x)
        # Modules of `nn` pad both ends equally, and `PartialConv` only with zeros.
        is_first = border.same is not None or any(begin != end for begin, end in pairs)
        is_first |= self.connections is not None and self.pad_mode != "zeros"
        pad = 0 if is_first else brief(tuple(begin for begin, _ in pairs))
        if self.connections is not None:
            module = t.custom(
                "PartialConv", self.connections, x.channels, k, stride, pad, dilation, has_bias
            )
        else:
            mode = "zeros" if is_first else TORCH_MODES.get(self.pad_mode, "zeros")
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
                padding_mode=(mode, "zeros"),
            )
        return module.with_input(border.torch(), border.uses) if is_first else module

    def _border(self, x: TensorType) -> Border:
        """The border for a lowering that pads the input first."""
        mode = "" if self.pad_mode == "zeros" else self.pad_mode
        return self.border(x, self.geometry(x).pad, mode)

    def onnx(self, g: Emitter, x: TypedName) -> str:
        k, stride, pairs, dilation = self.geometry(x.type)
        bias = [g.param("bias")] if self.bias else []
        weight = g.param("weight")
        if self.connections is not None:
            channels = fixed(self, x.type.channels, "its input channels")
            weight = connect.onnx_kernel(g, self.connections, weight, (self.out, channels, *k))
        border = self._border(x.type)
        padded: str = x
        if not border.mode and self.auto_pads(x.type):
            padding: dict[str, object] = {"auto_pad": "SAME_UPPER"}
        else:
            if border.same is not None or (border.mode and any(map(any, pairs))):
                padded, pairs = border.onnx(g, x), ((0, 0),) * len(k)
            padding = {"pads": onnx_pads(pairs)}
        return g.op(
            "Conv",
            padded,
            weight,
            *bias,
            kernel_shape=k,
            strides=stride,
            **padding,
            dilations=dilation,
            group=self.groups,
        )


def common_divisors(a: int, b: int) -> str:
    """Advice for channels that do not divide into groups."""
    fitting = either(divisor_list(gcd(a, b)).split(", "))
    return f"`groups` must divide {a} and {b}: use {fitting}"


@layer(
    "depthwise",
    family="convolution",
    examples=[
        ("4x8x8", "depthwise(3, pad = 1)"),
        ("3x9x7", "depthwise(3, stride = 2, multiplier = 2, bias = false)"),
        ("4x10", "depthwise(5)"),
        ("2x9x9", "depthwise(3, dilation = 2, init = xavier_uniform)"),
        ("4x6x5", "depthwise(3, stride = 2, pad = same, pad_mode = edge)"),
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
