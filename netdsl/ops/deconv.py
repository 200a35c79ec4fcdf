"""Transposed convolution: `deconv`."""

from __future__ import annotations

from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING, Any

from netdsl.errors import OpError
from netdsl.ir.op import Param, Window
from netdsl.ir.types import TensorType
from netdsl.ops.args import boolean, dims, even_padding, integer, text
from netdsl.ops.base import END, arg, brief, fixed, layer, spatial_rank, spread
from netdsl.ops.conv import Geometry, Windowed, common_divisors
from netdsl.ops.init import INITS
from netdsl.ops.padding import for_deconv, is_even, refuse
from netdsl.ops.rounding import sum_of_products
from netdsl.words import counted

if TYPE_CHECKING:
    from netdsl.ir.lowering import Emitter, Lowered, Recorder, TypedName
    from netdsl.ir.types import Sym


@layer(
    "deconv",
    family="convolution",
    examples=[
        ("4x5x5", "deconv(3, 4, stride = 2)"),
        ("4x6", "deconv(2, 3, stride = 2, pad = 1, output_pad = 1, bias = false)"),
        ("4x3x4", "deconv(6, 2x3, groups = 2, dilation = 2)"),
        ("3x4x4", "deconv(3, 4, stride = 2, init = bilinear, bias = false)"),
        ("2x5x5", "deconv(3, 2, dilation = 3, pad = 1x3, output_pad = 2x1)"),
        ("2x6", "deconv(2, 2, dilation = 2, pad = 1, output_pad = 1, bias = false)"),
        ("2x3x3", "deconv(2, 3, pad = 2)"),
        ("2x4x4", "deconv(1, 2, stride = 2, dilation = 3, output_pad = 1x2)"),
    ],
)
class Deconv(Windowed):
    """Transposed convolution: out = (in - 1) stride - 2 pad + dilation (k - 1) + output_pad + 1
    along each axis.
    """

    rounding = sum_of_products(outputs=1)

    out: int = arg(integer, doc="output channels", min=1)
    k = arg(dims, doc="window size", min=1)
    stride = arg(dims, 1, doc="distance of the inputs in the output", min=1)
    pad = arg(even_padding, 0, doc="cut from each side of the output", min=0)
    output_pad = arg(dims, 0, doc="added to the end of the output", min=0)
    groups: int = arg(integer, 1, doc="groups of channels convolved apart", min=1)
    bias: bool = arg(boolean, True, doc="add a learned bias to each output channel")
    dilation = arg(dims, 1, doc="distance of the window's elements", min=1)
    init = arg(text, "default", doc="how the weights start", choices=(*INITS, "bilinear"))

    def geometry(self, x: TensorType) -> Geometry:
        if not is_even(self.pad):
            n = spatial_rank(self, x)
            k, s, d = (
                spread(getattr(self, a), n, self.kind, a) for a in ("k", "stride", "dilation")
            )
            refuse(self.kind, self.pad, for_deconv(self.pad, x.spatial, k, s, d))
        return super().geometry(x)

    def infer(self, *xs: TensorType) -> TensorType:
        (x,) = xs
        k, s, p, d = self.geometry(x)
        channels = fixed(self, x.channels, "its input channels")
        if channels % self.groups or self.out % self.groups:
            raise OpError(
                "bad-groups",
                f"{channels} input and {counted(self.out, 'output channel')} do not divide into"
                f" {counted(self.groups, 'group')}",
                "groups",
                common_divisors(channels, self.out),
            )
        extra = spread(self.output_pad, len(k), self.kind, "output_pad")
        spatial = []
        for size, k_, s_, (p_, _), d_, e in zip(x.spatial, k, s, p, d, extra, strict=True):
            if e >= max(s_, d_):
                raise OpError(
                    "bad-padding",
                    f"`output_pad` is {e}; it must be smaller than the stride ({s_}) or the"
                    f" dilation ({d_})",
                    "output_pad",
                    f"at most {max(s_, d_) - 1}",
                )
            out = (size - 1) * s_ - 2 * p_ + d_ * (k_ - 1) + e + 1
            if isinstance(out, int) and out < 1:
                raise OpError(
                    "bad-padding",
                    f"a padding of {p_} cuts the output from {out + 2 * p_} to {out}",
                    "pad",
                    f"pad at most {(out + 2 * p_ - 1) // 2}",
                )
            spatial.append(out)
        return TensorType((self.out, *spatial), x.dtype)

    def params(self, *xs: TensorType) -> dict[str, Param]:
        k = self.geometry(xs[0])[0]
        per_group = self.out // self.groups
        weight = Param(
            (fixed(self, xs[0].channels, "its input channels"), per_group, *k), self.init
        )
        return (
            {"weight": weight, "bias": Param((self.out,), f"uniform:{per_group * prod(k)}")}
            if self.bias
            else {"weight": weight}
        )

    def macs(self, y: TensorType, *xs: TensorType) -> int | Sym:
        return xs[0].size * (self.out // self.groups * prod(self.geometry(xs[0])[0]))

    def windows(self, *xs: TensorType) -> tuple[Window, ...]:
        reach = [
            ((k_ - 1) * d_, s_, p_)
            for k_, s_, (p_, _), d_ in zip(*self.geometry(xs[0]), strict=True)
        ]
        return tuple(Window(r // s_ + 1, 1, Fraction(r - p_, s_), s_) for r, s_, p_ in reach)

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        k, s, p, d = self.geometry(xs[0])
        extra = spread(self.output_pad, len(k), self.kind, "output_pad")
        return t.module(
            f"ConvTranspose{len(k)}d",
            xs[0].channels,
            self.out,
            brief(k),
            stride=(brief(s), 1),
            padding=(brief(tuple(a for a, _ in p)), 0),
            output_padding=(brief(extra), 0),
            groups=(self.groups, 1),
            bias=(self.bias, True),
            dilation=(brief(d), 1),
        )

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        k, s, p, d = self.geometry(xs[0].type)
        extra = spread(self.output_pad, len(k), self.kind, "output_pad")
        bias = [g.param("bias")] if self.bias else []
        begin = [a for a, _ in p]
        given: dict[str, Any] = {
            "kernel_shape": k,
            "strides": s,
            "dilations": d,
            "group": self.groups,
        }
        if all(e < s_ for e, s_ in zip(extra, s, strict=True)):
            return g.op(
                "ConvTranspose",
                xs[0],
                g.param("weight"),
                *bias,
                **given,
                pads=begin * 2,
                output_padding=extra,
            )
        # onnxruntime adds to the end less than the stride: cut less from it, and put the rest on as
        # zeros, before the bias. The start is cut after that, for without those zeros nothing may
        # be left of a small input.
        rest = [max(0, e - a) for e, a in zip(extra, begin, strict=True)]
        cut = [0 if any(rest) else a for a in begin]
        y = g.op(
            "ConvTranspose",
            xs[0],
            g.param("weight"),
            **given,
            pads=cut + [max(0, a - e) for e, a in zip(extra, begin, strict=True)],
        )
        if any(rest):
            y = g.pad(y, [(0, 0), *((0, e) for e in rest)], "")
            y = (
                g.op(
                    "Slice",
                    y,
                    g.ints(begin),
                    g.ints([END] * len(k)),
                    g.ints([2 + i for i in range(len(k))]),
                )
                if any(begin)
                else y
            )
        return (
            g.op("Add", y, g.op("Reshape", bias[0], g.ints([self.out, *(1 for _ in k)])))
            if bias
            else y
        )
