"""Normalisation of each sample by itself: `layernorm`, `rmsnorm`, `groupnorm`, `instancenorm`."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from netdsl.errors import OpError
from netdsl.ir.op import Op, Param
from netdsl.ir.rounding import Bound, grown, subnormal, unless_beyond
from netdsl.ops.args import boolean, integer, number
from netdsl.ops.base import arg, divisors, fixed, layer
from netdsl.ops.norm import Affine
from netdsl.ops.norm_rounding import normalised, units_of_root
from netdsl.words import counted, do

if TYPE_CHECKING:
    from netdsl.ir.lowering import Emitter, Evaluation, Lowered, Recorder, TypedName
    from netdsl.ir.rounding import Tensor
    from netdsl.ir.types import Sym, TensorType


class _OwnStatistics(Affine):
    """Normalises by the mean and the variance of the sample itself."""

    eps: float

    def rows(self, x: Tensor) -> Tensor:
        """The values, of which the last axis is normalised."""
        raise NotImplementedError(self.kind)

    def spread(self, e: Evaluation, weight: Tensor) -> Tensor:
        """A weight, shaped to meet the input."""
        return e.per_channel(weight)

    def rounding(self, e: Evaluation) -> Bound:
        """`s abs(w) (abs(x) + mean abs(x) + abs(x - m) (1 + mean x^2 / v)) / sqrt(v) + abs(c)`.

        Here `m` is the mean and `v` the variance plus eps, which may be the mean of squares less
        the square of the mean.

        Underflow: `(3 + abs(x - m) d) abs(w) / sqrt(v) + abs(w) + abs(x) + mean abs(x) + 3`, with
        `d = 3 / v`. If `v` may change by more than a quarter, nothing is compared.
        """
        rows = self.rows(e.x)
        weight, shift = rows.new_ones(()), rows.new_zeros(())
        if self.affine:
            weight, shift = (
                self.spread(e, t.abs()).expand(e.x.shape).reshape(rows.shape)
                for t in (e.module.weight, e.module.bias)
            )
        bound = normalised(rows, weight, shift, self.eps)
        return Bound(bound.rounding.view(e.x.shape), bound.underflow.view(e.x.shape))


@layer(
    "layernorm",
    family="normalisation",
    examples=[
        ("5x8", "layernorm"),
        ("8", "layernorm(eps = 0.001)"),
        ("3x4x6", "layernorm(affine = false)"),
    ],
)
class LayerNorm(_OwnStatistics):
    """Layer normalisation (Ba et al. 2016) over the last axis: weight (x - mean) / sqrt(var + eps)
    + bias.
    """

    eps: float = arg(number, 1e-5, doc="added to the variance", min=0)
    affine: bool = arg(boolean, True, doc="learn a scale and a shift for each element")

    def scale_size(self, x: TensorType) -> int:
        return fixed(self, x.shape[-1], "the size of the last axis")

    def rows(self, x: Tensor) -> Tensor:
        return x

    def spread(self, e: Evaluation, weight: Tensor) -> Tensor:
        return weight

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.module(
            "LayerNorm",
            xs[0].shape[-1],
            eps=(self.eps, 1e-5),
            elementwise_affine=(self.affine, True),
        )

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        pair = (
            [g.param("weight"), g.param("bias")]
            if self.affine
            else [g.floats([1.0] * self.scale_size(xs[0].type))]
        )
        return g.op("LayerNormalization", xs[0], *pair, axis=-1, epsilon=self.eps)


@layer(
    "rmsnorm", family="normalisation", examples=[("5x8", "rmsnorm"), ("8", "rmsnorm(eps = 0.001)")]
)
class RMSNorm(Affine):
    """Root mean square normalisation (Zhang and Sennrich 2019) over the last axis: weight x /
    sqrt(mean(x^2) + eps).
    """

    eps: float = arg(number, 1e-6, doc="added to the mean square", min=0)

    def scale_size(self, x: TensorType) -> int:
        return fixed(self, x.shape[-1], "the size of the last axis")

    def params(self, *xs: TensorType) -> dict[str, Param]:
        return {"weight": Param((self.scale_size(xs[0]),), "ones")}

    def rounding(self, e: Evaluation) -> Bound:
        """`(1 + s) abs(y)`.

        Underflow: `(1 + abs(x) d) abs(w) max(1, 1 / sqrt(v)) + abs(w) + 1`, with `v` the mean
        square plus eps and `d = 3 / v^1.5`. If `v` may change by more than a quarter, nothing is
        compared.
        """
        x, terms, weight = e.x, e.x.shape[-1], e.module.weight.abs()
        square = x.square().mean(-1, keepdim=True)
        v = square + (e.module.eps or 0.0)
        scale = v.rsqrt()
        made = x.abs() * scale
        rounding = unless_beyond((1 + grown(terms)) * e.y.abs(), square * terms, made)
        changed = made * units_of_root(v, v.new_full(v.shape, 3))
        underflow = (1 + changed) * scale.clamp(min=1) * weight
        return Bound(rounding, underflow + weight + subnormal(weight) * made + 1)

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.module("RMSNorm", xs[0].shape[-1], eps=(self.eps, None))

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        square = g.op("ReduceMean", g.op("Mul", xs[0], xs[0]), g.ints([-1]), keepdims=1)
        root = g.op("Sqrt", g.op("Add", square, g.floats(self.eps)))
        return g.op("Mul", g.op("Div", xs[0], root), g.param("weight"))


_OVER_THE_BATCH = "`bn` normalises each channel over the batch"


def _need_several(op: Op, size: int | Sym, advice: str) -> None:
    """Refuse to normalise a single value: the result would be the shift, and PyTorch refuses it."""
    if not op.needs_at_least(size, 2):
        message = f"`{op.kind}` would normalise a single value, which gives 0"
        raise OpError("bad-size", message, help=advice)


@layer(
    "groupnorm",
    family="normalisation",
    examples=[
        ("6x4x4", "groupnorm(2)"),
        ("4x7", "groupnorm(4, affine = false)"),
        ("8x3x3", "groupnorm(groups = 1, eps = 0.01)"),
    ],
)
class GroupNorm(_OwnStatistics):
    """Group normalisation (Wu and He 2018): each group of channels of a sample to mean 0 and
    variance 1, then scale and shift.
    """

    groups: int = arg(integer, doc="groups of channels", min=1)
    eps: float = arg(number, 1e-5, doc="added to the variance", min=0)
    affine: bool = arg(boolean, True, doc="learn a scale and a shift for each channel")

    def infer(self, *xs: TensorType) -> TensorType:
        super().infer(*xs)
        if len(xs[0].shape) < 2:
            raise OpError(
                "wrong-rank",
                f"`{self.kind}` needs channels and at least one more axis, its input is {xs[0]}",
            )
        channels = self.scale_size(xs[0])
        if channels % self.groups:
            raise OpError(
                "bad-groups",
                f"{counted(channels, 'channel')} {do(channels)} not divide into"
                f" {counted(self.groups, 'group')}",
                "groups",
                divisors(channels),
            )
        fewer = "use fewer groups; " if self.groups > 1 else ""
        _need_several(self, xs[0].size // self.groups, f"{fewer}{_OVER_THE_BATCH}")
        return xs[0]

    def rows(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], self.groups, -1)

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.module(
            "GroupNorm",
            self.groups,
            xs[0].channels,
            eps=(self.eps, 1e-5),
            affine=(self.affine, True),
        )

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        shape = xs[0].type
        rows = g.op("Reshape", xs[0], g.ints([0, self.groups, -1]))
        pair = [g.floats([1.0] * self.groups), g.floats([0.0] * self.groups)]
        y = g.op(
            "Reshape",
            g.op("InstanceNormalization", rows, *pair, epsilon=self.eps),
            g.op("Shape", xs[0]),
        )
        if not self.affine:
            return y
        per_channel = g.ints([self.scale_size(shape), *(1 for _ in shape.spatial)])
        weight, bias = (g.op("Reshape", g.param(n), per_channel) for n in ("weight", "bias"))
        return g.op("Add", g.op("Mul", y, weight), bias)


@layer(
    "instancenorm",
    family="normalisation",
    examples=[
        ("3x4x4", "instancenorm"),
        ("4x7", "instancenorm(affine = true, eps = 0.01)"),
        ("2x3x4x5", "instancenorm"),
    ],
)
class InstanceNorm(_OwnStatistics):
    """Instance normalisation (Ulyanov et al. 2016): each channel of each sample to mean 0 and
    variance 1.
    """

    eps: float = arg(number, 1e-5, doc="added to the variance", min=0)
    affine: bool = arg(boolean, False, doc="learn a scale and a shift for each channel")

    def infer(self, *xs: TensorType) -> TensorType:
        if not 2 <= len(xs[0].shape) <= 4:
            raise OpError(
                "wrong-rank",
                f"`instancenorm` needs channels and 1 to 3 spatial axes, its input is {xs[0]}",
            )
        _need_several(self, prod(xs[0].spatial), _OVER_THE_BATCH)
        return super().infer(*xs)

    def rows(self, x: Tensor) -> Tensor:
        return x.flatten(2)

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.module(
            f"InstanceNorm{len(xs[0].spatial)}d",
            xs[0].channels,
            eps=(self.eps, 1e-5),
            affine=(self.affine, False),
        )

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        channels = self.scale_size(xs[0].type)
        pair = (
            [g.param("weight"), g.param("bias")]
            if self.affine
            else [g.floats([1.0] * channels), g.floats([0.0] * channels)]
        )
        return g.op("InstanceNormalization", xs[0], *pair, epsilon=self.eps)
