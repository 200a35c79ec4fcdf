"""Transposed convolution: `deconv`."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from netdsl.errors import Correction, OpError
from netdsl.ir.op import Param, Window, ratio
from netdsl.ir.types import TensorType
from netdsl.ops.args import bias_values, dims, integer, padding, text, weight_values
from netdsl.ops.base import END, arg, brief, fixed, layer, spread
from netdsl.ops.conv import common_divisors
from netdsl.ops.init import INITS, bias_params, weight_param
from netdsl.ops.padding import pair_text
from netdsl.ops.rounding import sum_of_products
from netdsl.ops.window import Windowed
from netdsl.ops.window_text import number_text, pairs_text
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.ir.lowering import Emitter, Lowered, Recorder, TypedName
    from netdsl.ir.types import Sym
    from netdsl.ops.args import Pairs
    from netdsl.ops.window import Geometry


@layer(
    "deconv",
    family="convolution",
    examples=[
        ("4x5x5", "deconv(3, 4, stride = 2)"),
        ("4x6", "deconv(2, 3, stride = 2, pad = 1, output_pad = 1, bias = false)"),
        ("4x3x4", "deconv(6, 2x3, groups = 2, dilation = 2)"),
        ("3x4x4", "deconv(3, 4, stride = 2, init = bilinear, bias = false)"),
        ("2x4", "deconv(1, 2, bias = [0.5], weight = [[[1, 2]], [[3, 4]]])"),
        ("2x5x5", "deconv(3, 2, dilation = 3, pad = 1x3, output_pad = 2x1)"),
        ("2x6", "deconv(2, 2, dilation = 2, pad = 1, output_pad = 1, bias = false)"),
        ("2x3x3", "deconv(2, 3, pad = 2)"),
        ("2x4x4", "deconv(1, 2, stride = 2, dilation = 3, output_pad = 1x2)"),
        ("3x4x5", "deconv(2, 5x4, stride = 2, pad = same)"),
        ("3x5", "deconv(2, 2, stride = 3, pad = same, bias = false)"),
        ("2x4x3", "deconv(3, 4, stride = 2, pad = [(0, 2), (1, 0)], output_pad = 1x0)"),
    ],
)
class Deconv(Windowed):
    """Transposed convolution: each input adds `out` scaled windows to the output.

    Along each axis, out = (in - 1) stride - 2 pad + dilation (k - 1) + output_pad + 1; with
    `pad = same`, out = in stride, as in TensorFlow: an odd pixel is cut from the end.
    """

    multiplies = True
    rounding = sum_of_products(outputs=1)

    out = arg(integer, doc="output channels", min=1)
    k = arg(dims, doc="window size", min=1)
    stride = arg(dims, 1, doc="distance between the inputs in the output", min=1)
    pad = arg(padding, 0, doc="cut from each side of the output", min=0)
    output_pad = arg(dims, 0, doc="added to the end of the output", min=0)
    groups = arg(integer, 1, doc="groups of channels that are convolved separately", min=1)
    bias = arg(bias_values, True, doc="add a learned bias to each output channel, or its numbers")
    dilation = arg(dims, 1, doc="distance between the elements of the window", min=1)
    init = arg(text, "default", doc="how the weights are initialised", choices=(*INITS, "bilinear"))
    weight = arg(weight_values, None, doc="the kernel: numbers or an earlier weight")

    def same_pairs(self, x: TensorType, geometry: Geometry) -> Pairs:
        pairs = []
        for extent, stride in zip(geometry.extent, geometry.stride, strict=True):
            total = max(extent - stride, 0)
            pairs.append((total // 2, total - total // 2))
        return tuple(pairs)

    def _extra(self, x: TensorType) -> tuple[int, ...]:
        """What `output_pad` adds along each spatial axis."""
        if self.pad != "same":
            return spread(self.output_pad, len(x.spatial), self.kind, "output_pad")
        if self.output_pad != 0:
            raise OpError(
                "bad-argument",
                "`output_pad` cannot be combined with `pad = same`, which gives the size of the"
                " input times the stride",
                "output_pad",
                "leave it out",
                Correction({"output_pad": None}),
            )
        geometry = self.geometry(x)
        return tuple(max(s - e, 0) for e, s in zip(geometry.extent, geometry.stride, strict=True))

    def infer(self, x: TensorType) -> TensorType:
        geometry = self.geometry(x)
        channels = fixed(self, x.channels, "its input channels")
        if channels % self.groups or self.out % self.groups:
            raise OpError(
                "bad-groups",
                f"{channels} input and {counted(self.out, 'output channel')} cannot both be divided"
                f" into {counted(self.groups, 'equal group')}",
                "groups",
                common_divisors(channels, self.out),
            )
        axes = zip(x.spatial, *geometry, self._extra(x), strict=True)
        spatial = [_output_size(*axis) for axis in axes]
        return TensorType((self.out, *spatial), x.dtype)

    def params(self, x: TensorType) -> dict[str, Param]:
        k = self.geometry(x).k
        channels = fixed(self, x.channels, "its input channels")
        outputs = self.out // self.groups
        shape = (channels, outputs, *k)
        bias = Param((self.out,), f"uniform:{outputs * prod(k)}")
        return {"weight": weight_param(self, Param(shape, self.init))} | bias_params(self, bias)

    def macs(self, y: TensorType, x: TensorType) -> int | Sym:
        return x.size * (self.out // self.groups * prod(self.geometry(x).k))

    def windows(self, x: TensorType) -> tuple[Window, ...]:
        windows = []
        for k, stride, (pad, _), dilation in zip(*self.geometry(x), strict=True):
            reach = (k - 1) * dilation
            windows.append(Window(reach // stride + 1, 1, ratio(reach - pad, stride), stride))
        return tuple(windows)

    def padding_text(self, x: TensorType) -> str:
        """The padding, unless it makes the output as large as the input times the stride."""
        geometry, extra = self.geometry(x), self._extra(x)
        surplus = [
            extent - stride - sum(pair) + more
            for extent, stride, pair, more in zip(
                geometry.extent, geometry.stride, geometry.pad, extra, strict=True
            )
        ]
        if not any(surplus):
            return ""
        texts = (pairs_text(geometry.pad), number_text("op", extra, 0))
        return " ".join(filter(None, texts))

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        k, stride, pairs, dilation = self.geometry(x)
        both = tuple(map(min, pairs))  # modules of `nn` cut both ends equally
        module = t.module(
            f"ConvTranspose{len(k)}d",
            x.channels,
            self.out,
            brief(k),
            stride=(brief(stride), 1),
            padding=(brief(both), 0),
            output_padding=(brief(self._extra(x)), 0),
            groups=(self.groups, 1),
            bias=(bool(self.bias), True),
            dilation=(brief(dilation), 1),
        )
        rest = [(b - cut, e - cut) for (b, e), cut in zip(pairs, both, strict=True)]
        if not any(map(any, rest)):
            return module
        kept = ", ".join(f"{b or ''}:{-e or ''}" for b, e in rest)
        return module.with_call(f"{{m}}({{0}})[:, :, {kept}]")

    def onnx(self, g: Emitter, x: TypedName) -> str:
        k, stride, pairs, dilation = self.geometry(x.type)
        extra = self._extra(x.type)
        bias = [g.param("bias")] if self.bias else []
        begin, end = ([pair[i] for pair in pairs] for i in (0, 1))
        weight = g.param("weight")
        window = {"kernel_shape": k, "strides": stride, "dilations": dilation, "group": self.groups}
        if all(more < s for more, s in zip(extra, stride, strict=True)):
            return g.op(
                "ConvTranspose", x, weight, *bias, **window, pads=begin + end, output_padding=extra
            )
        # onnxruntime refuses to add the stride or more to the end. In that case, cut less from the
        # end, and append what is still missing as zeros, before adding the bias. If something is
        # missing, cut the start last: without these zeros, nothing may be left of a small input.
        missing = [max(0, more - cut) for more, cut in zip(extra, end, strict=True)]
        first = [0] * len(k) if any(missing) else begin
        last = [max(0, cut - more) for more, cut in zip(extra, end, strict=True)]
        y = g.op("ConvTranspose", x, weight, **window, pads=first + last)
        if any(missing):
            y = _pad_and_cut(g, y, missing, begin)
        if bias:
            y = g.op("Add", y, g.op("Reshape", bias[0], g.ints([self.out, *(1 for _ in k)])))
        return y


def _output_size(
    size: int | Sym, k: int, stride: int, pad: tuple[int, int], dilation: int, extra: int
) -> int | Sym:
    """The size of the output along an axis; raises `OpError` if the padding does not fit."""
    most = max(stride, dilation) - 1
    if extra > most:
        raise OpError(
            "bad-padding",
            f"`output_pad` is {extra}; it must be smaller than the stride ({stride}) or the"
            f" dilation ({dilation})",
            "output_pad",
            f"use at most {most}",
        )
    whole = (size - 1) * stride + dilation * (k - 1) + extra + 1
    out = whole - sum(pad)
    if isinstance(out, int) and out < 1:
        raise OpError(
            "bad-padding",
            f"a padding of {pair_text(pad)} cuts the output from {whole} to {out}",
            "pad",
            f"pad at most {(whole - 1) // 2} on each side",
        )
    return out


def _pad_and_cut(g: Emitter, y: str, after: Sequence[int], cut: Sequence[int]) -> str:
    """Append zeros to each spatial axis, and cut its start."""
    y = g.pad(y, [(0, 0), *((0, zeros) for zeros in after)], "")
    if not any(cut):
        return y
    axes = range(2, 2 + len(cut))
    return g.op("Slice", y, g.ints(cut), g.ints([END] * len(cut)), g.ints(axes))
