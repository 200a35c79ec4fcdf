"""Normalisation of each sample by itself: `layernorm`, `rmsnorm`, `groupnorm`, `instancenorm`."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from netdsl.errors import OpError
from netdsl.ir.op import Op, Param
from netdsl.ir.rounding import Bound, grown, subnormal, unless_beyond
from netdsl.ops.args import boolean, integer, number
from netdsl.ops.base import arg, fixed, layer
from netdsl.ops.division import check_groups
from netdsl.ops.norm import Affine
from netdsl.ops.norm_rounding import normalised, units_of_root

if TYPE_CHECKING:
    from netdsl.ir.lowering import Emitter, Evaluation, Lowered, Recorder, TypedName
    from netdsl.ir.rounding import Tensor
    from netdsl.ir.types import Sym, TensorType


class _OwnStatistics(Affine):
    """Base of the kinds that normalise by the mean and the variance of the sample itself."""

    eps: float

    def rows(self, x: Tensor) -> Tensor:
        """The input reshaped so that the mean and the variance are those of the last axis."""
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


def _last_axis(op: Op, x: TensorType) -> int:
    return fixed(op, x.shape[-1], "the size of the last axis")


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
    """Layer normalisation over the last axis (Ba et al. 2016).

    The result is weight (x - mean) / sqrt(var + eps) + bias.
    """

    eps: float = arg(number, 1e-5, doc="added to the variance", min=0)
    affine: bool = arg(boolean, True, doc="learn a scale and a shift for each element")

    def scale_size(self, x: TensorType) -> int:
        return _last_axis(self, x)

    def rows(self, x: Tensor) -> Tensor:
        return x

    def spread(self, e: Evaluation, weight: Tensor) -> Tensor:
        return weight

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        affine = (self.affine, True)
        return t.module("LayerNorm", x.shape[-1], eps=(self.eps, 1e-5), elementwise_affine=affine)

    def onnx(self, g: Emitter, x: TypedName) -> str:
        if self.affine:
            scale = [g.param("weight"), g.param("bias")]
        else:
            scale = [g.floats([1.0] * self.scale_size(x.type))]
        return g.op("LayerNormalization", x, *scale, axis=-1, epsilon=self.eps)


@layer(
    "rmsnorm", family="normalisation", examples=[("5x8", "rmsnorm"), ("8", "rmsnorm(eps = 0.001)")]
)
class RMSNorm(Affine):
    """Root mean square normalisation over the last axis (Zhang and Sennrich 2019).

    The result is weight x / sqrt(mean(x^2) + eps).
    """

    eps: float = arg(number, 1e-6, doc="added to the mean square", min=0)

    def scale_size(self, x: TensorType) -> int:
        return _last_axis(self, x)

    def params(self, x: TensorType) -> dict[str, Param]:
        return {"weight": Param((self.scale_size(x),), "ones")}

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
        scaled = x.abs() * scale
        rounding = unless_beyond((1 + grown(terms)) * e.y.abs(), square * terms, scaled)
        changed = scaled * units_of_root(v, v.new_full(v.shape, 3))
        underflow = (1 + changed) * scale.clamp(min=1) * weight
        return Bound(rounding, underflow + weight + subnormal(weight) * scaled + 1)

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        return t.module("RMSNorm", x.shape[-1], eps=(self.eps, None))

    def onnx(self, g: Emitter, x: TypedName) -> str:
        square = g.op("ReduceMean", g.op("Mul", x, x), g.ints([-1]), keepdims=1)
        root = g.op("Sqrt", g.op("Add", square, g.floats(self.eps)))
        return g.op("Mul", g.op("Div", x, root), g.param("weight"))


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
    """Group normalisation (Wu and He 2018).

    Each group of channels of each sample gets mean 0 and variance 1. Then each channel is scaled
    and shifted.
    """

    groups: int = arg(integer, doc="number of groups of channels", min=1)
    eps: float = arg(number, 1e-5, doc="added to the variance", min=0)
    affine: bool = arg(boolean, True, doc="learn a scale and a shift for each channel")

    def infer(self, x: TensorType) -> TensorType:
        super().infer(x)
        if len(x.shape) < 2:
            raise OpError(
                "wrong-rank",
                f"`{self.kind}` needs channels and at least one more axis, but its input is {x}",
            )
        check_groups(self, self.scale_size(x), self.groups)
        fewer = "use fewer groups; " if self.groups > 1 else ""
        _need_several(self, x.size // self.groups, f"{fewer}{_OVER_THE_BATCH}")
        return x

    def rows(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], self.groups, -1)

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        eps, affine = (self.eps, 1e-5), (self.affine, True)
        return t.module("GroupNorm", self.groups, x.channels, eps=eps, affine=affine)

    def onnx(self, g: Emitter, x: TypedName) -> str:
        rows = g.op("Reshape", x, g.ints([0, self.groups, -1]))
        constants = [g.floats([1.0] * self.groups), g.floats([0.0] * self.groups)]
        rows = g.op("InstanceNormalization", rows, *constants, epsilon=self.eps)
        y = g.op("Reshape", rows, g.op("Shape", x))
        if not self.affine:
            return y
        per_channel = g.ints([self.scale_size(x.type), *(1 for _ in x.type.spatial)])
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
    """Instance normalisation (Ulyanov et al. 2016).

    Each channel of each sample gets mean 0 and variance 1.
    """

    eps: float = arg(number, 1e-5, doc="added to the variance", min=0)
    affine: bool = arg(boolean, False, doc="learn a scale and a shift for each channel")

    def infer(self, x: TensorType) -> TensorType:
        if not 2 <= len(x.shape) <= 4:
            raise OpError(
                "wrong-rank",
                f"`instancenorm` needs channels and 1 to 3 spatial axes, but its input is {x}",
            )
        _need_several(self, prod(x.spatial), _OVER_THE_BATCH)
        return super().infer(x)

    def rows(self, x: Tensor) -> Tensor:
        return x.flatten(2)

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        name, affine = f"InstanceNorm{len(x.spatial)}d", (self.affine, False)
        return t.module(name, x.channels, eps=(self.eps, 1e-5), affine=affine)

    def onnx(self, g: Emitter, x: TypedName) -> str:
        scale_and_shift = self.onnx_scale_and_shift(g, x)
        return g.op("InstanceNormalization", x, *scale_and_shift, epsilon=self.eps)
