"""Convolution: `conv` and `depthwise`."""

from __future__ import annotations

from math import gcd, prod
from typing import TYPE_CHECKING, Any

from netdsl.errors import OpError
from netdsl.ir.op import Op, Param, Window
from netdsl.ir.types import TensorType
from netdsl.ops import connect
from netdsl.ops.args import boolean, dims, integer, literal, padding, text
from netdsl.ops.base import GONE, arg, brief, divisor_list, fixed, layer, spatial_rank, spread
from netdsl.ops.init import INITS, shaped
from netdsl.ops.rounding import sum_of_products
from netdsl.words import counted, do

if TYPE_CHECKING:
    from netdsl.ir.lowering import Emitter, Lowered, Recorder, TypedName
    from netdsl.ir.types import Sym

Geometry = tuple[tuple[int, ...], tuple[int, ...], tuple[tuple[int, int], ...], tuple[int, ...]]


class Windowed(Op):
    """What the convolutions share: window, stride, padding, dilation along 1 to 3 axes."""

    multiplies = True
    k: Any
    stride: Any
    pad: Any
    dilation: Any

    def geometry(self, x: TensorType) -> Geometry:
        """Kernel, stride, (begin, end) padding and dilation along each spatial axis."""
        n = spatial_rank(self, x)
        k, s, d = (spread(getattr(self, a), n, self.kind, a) for a in ("k", "stride", "dilation"))
        if self.pad == "same":
            if any(v != 1 for v in s):
                halves = tuple(d_ * (k_ - 1) // 2 for k_, d_ in zip(k, d, strict=True))
                advice = f"give the padding as numbers: `pad = {'x'.join(map(str, halves))}`"
                message = f"`pad = same` needs stride 1, the stride is {brief(s)}"
                raise OpError("bad-padding", message, "pad", advice)
            total = tuple(d_ * (k_ - 1) for k_, d_ in zip(k, d, strict=True))
            return k, s, tuple((t // 2, t - t // 2) for t in total), d
        if isinstance(self.pad, tuple) and isinstance(self.pad[0], tuple):
            if len(self.pad) != n:
                raise OpError(
                    "wrong-rank",
                    f"`pad` has {counted(len(self.pad), 'pair')}, the input has"
                    f" {counted(n, 'spatial axis')}",
                    "pad",
                    "give a (begin, end) pair for each axis",
                )
            return k, s, self.pad, d
        return k, s, tuple((p, p) for p in spread(self.pad, n, self.kind, "pad")), d

    def windows(self, *xs: TensorType) -> tuple[Window, ...]:
        k, s, p, d = self.geometry(xs[0])
        return tuple(
            Window((k_ - 1) * d_ + 1, s_, p_[0]) for k_, s_, p_, d_ in zip(k, s, p, d, strict=True)
        )


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
                "conv(3, 2, pad = [(0, 1)], bias = false, init = normal, connections ="
                " [[0],[1],[1,0]])"
            ),
        ),
        ("2x3x4", "conv(3, 3x4, init = ones, connections = [[0], [1], [1, 0]])"),
    ],
)
class Conv(Windowed):
    """Slide `out` learned windows over the input: out = (in + 2 pad - dilation (k - 1) - 1) //
    stride + 1 along each axis.
    """

    rounding = sum_of_products()

    out: int = arg(integer, doc="output channels", min=1)
    k = arg(dims, doc="window size", min=1)
    stride = arg(dims, 1, doc="step of the window", min=1)
    pad = arg(padding, 0, doc="zeros around the input; `same` keeps the size, with stride 1", min=0)
    dilation = arg(dims, 1, doc="distance of the window's elements", min=1)
    groups: int = arg(integer, 1, doc="groups of channels convolved apart", min=1)
    bias: bool = arg(boolean, True, doc="add a learned bias to each output channel")
    weight = arg(literal, None, doc="the kernel as literal numbers")
    init = arg(text, "default", doc="how the weights start", choices=INITS)
    connections = arg(
        connect.table,
        None,
        doc="for each output map the input maps it looks at, with weights for these alone",
    )

    def infer(self, *xs: TensorType) -> TensorType:
        (x,) = xs
        k, s, p, d = self.geometry(x)
        channels = fixed(self, x.channels, "its input channels")
        for name, value, arg_ in (("input", channels, "groups"), ("output", self.out, "groups")):
            if value % self.groups:
                raise OpError(
                    "bad-groups",
                    f"{counted(value, f'{name} channel')} {do(value)} not divide into"
                    f" {counted(self.groups, 'group')}",
                    arg_,
                    common_divisors(channels, self.out),
                )
        if self.connections is not None:
            connect.check(self.connections, self.out, channels, self.groups, self.init)
        spatial = tuple(self._axis(*v) for v in zip(x.spatial, k, s, p, d, strict=True))
        if self.weight is not None:
            shaped(self.kind, "weight", self.weight, self._weight_shape(x, k))
        return TensorType((self.out, *spatial), x.dtype)

    def _axis(self, size: int | Sym, k: int, s: int, p: tuple[int, int], d: int) -> int | Sym:
        extent = d * (k - 1) + 1
        padded = size + sum(p)
        if isinstance(padded, int) and extent > padded:
            shown = f"{k}" if d == 1 else f"{k} (spread over {extent} by dilation {d})"
            plus = f" with its padding of {p[0]} and {p[1]}" if any(p) else ""
            raise OpError(
                "window-too-large",
                f"a kernel of {shown} is larger than the input's {size}{plus}",
                "k",
                f"use a kernel of at most {(padded - 1) // d + 1}, or more padding",
            )
        return (padded - extent) // s + 1

    def _weight_shape(self, x: TensorType, k: tuple[int, ...]) -> tuple[int, ...]:
        if self.connections is not None:
            return (sum(map(len, self.connections)), *k)
        return (self.out, fixed(self, x.channels, "its input channels") // self.groups, *k)

    def params(self, *xs: TensorType) -> dict[str, Param]:
        k = self.geometry(xs[0])[0]
        shape = self._weight_shape(xs[0], k)
        fan_in = (
            prod(shape[1:])
            if self.connections is None
            else connect.fan_in(self.connections, prod(k))
        )
        if self.weight is not None:
            weight = Param(shape, "literal", shaped(self.kind, "weight", self.weight, shape))
        else:
            weight = Param(
                shape,
                (
                    self.init
                    if self.connections is None or self.init != "default"
                    else f"uniform:{fan_in}"
                ),
            )
        return (
            {"weight": weight, "bias": Param((self.out,), f"uniform:{fan_in}")}
            if self.bias
            else {"weight": weight}
        )

    def macs(self, y: TensorType, *xs: TensorType) -> int | Sym:
        k = self.geometry(xs[0])[0]
        return prod(y.spatial) * prod(self._weight_shape(xs[0], k))

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        k, s, p, d = self.geometry(xs[0])
        even = all(a == b for a, b in p)
        pad = brief(tuple(a for a, _ in p)) if even else 0
        if self.connections is not None:
            module = t.custom(
                "PartialConv", self.connections, xs[0].channels, k, s, pad, d, self.bias
            )
            return module if even else module.padded(p)
        module = t.module(
            f"Conv{len(k)}d",
            xs[0].channels,
            self.out,
            brief(k),
            stride=(brief(s), 1),
            padding=(pad, 0),
            dilation=(brief(d), 1),
            groups=(self.groups, 1),
            bias=(self.bias, True),
        )
        return module if even else module.padded(p)

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        k, s, p, d = self.geometry(xs[0].type)
        bias = [g.param("bias")] if self.bias else []
        pads = [a for a, _ in p] + [b for _, b in p]
        weight = g.param("weight")
        if self.connections is not None:
            channels = fixed(self, xs[0].type.channels, "its input channels")
            weight = connect.onnx_kernel(g, self.connections, weight, (self.out, channels, *k))
        return g.op(
            "Conv",
            xs[0],
            weight,
            *bias,
            kernel_shape=k,
            strides=s,
            pads=pads,
            dilations=d,
            group=self.groups,
        )


def common_divisors(a: int, b: int) -> str:
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
    """Convolve each channel with `multiplier` windows of its own:

    `conv` with as many groups as channels.
    """

    out = GONE
    groups = GONE
    connections = None
    multiplier: int = arg(integer, 1, doc="output channels for each input channel", min=1)

    def _conv(self, x: TensorType) -> Conv:
        channels = fixed(self, x.channels, "its input channels")
        given = {a.name: getattr(self, a.name) for a in self.args if a.name != "multiplier"}
        return Conv(
            {
                **given,
                "kind": self.kind,
                "out": channels * self.multiplier,
                "groups": channels,
                "connections": None,
            }
        )

    def infer(self, *xs: TensorType) -> TensorType:
        spatial_rank(self, xs[0])
        return self._conv(xs[0]).infer(*xs)

    def params(self, *xs: TensorType) -> dict[str, Param]:
        return self._conv(xs[0]).params(*xs)

    def macs(self, y: TensorType, *xs: TensorType) -> int | Sym:
        return self._conv(xs[0]).macs(y, *xs)

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return self._conv(xs[0]).torch(t, *xs)

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        return self._conv(xs[0].type).onnx(g, *xs)
