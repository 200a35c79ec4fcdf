"""Normalisation, and the layers that act in training only."""

from __future__ import annotations

from math import inf, prod
from typing import TYPE_CHECKING

from netdsl.errors import OpError
from netdsl.ir.op import Op, Param
from netdsl.ir.rounding import LIMIT, TINY, UNIT, Bound, grown, subnormal, unless_beyond
from netdsl.ops.args import boolean, integer, number
from netdsl.ops.base import arg, divisors, fixed, layer
from netdsl.ops.norm_rounding import normalised, units_of_root
from netdsl.ops.rounding import exact
from netdsl.words import counted, do

if TYPE_CHECKING:
    from netdsl.ir.lowering import Emitter, Evaluation, Lowered, Recorder, TypedName
    from netdsl.ir.rounding import Tensor
    from netdsl.ir.types import Sym, TensorType


class _Affine(Op):
    """A scale (weight) and a shift (bias) for each channel."""

    affine: bool

    def scale_size(self, x: TensorType) -> int:
        """How many pairs: the channels."""
        return fixed(self, x.channels, "its input channels")

    def infer(self, *xs: TensorType) -> TensorType:
        if not xs[0].shape:
            raise OpError("wrong-rank", f"`{self.kind}` needs channels, its input is a scalar")
        self.scale_size(xs[0])
        return xs[0]

    def params(self, *xs: TensorType) -> dict[str, Param]:
        if not self.affine:
            return {}
        shape = (self.scale_size(xs[0]),)
        return {"weight": Param(shape, "ones"), "bias": Param(shape, "zeros")}


class _OwnStatistics(_Affine):
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
    "bn",
    family="normalisation",
    examples=[
        ("3x5x5", "bn"),
        ("4x7", "bn(eps = 0.001, momentum = 0.01)"),
        ("6", "bn"),
        ("2x3x4x5", "bn"),
        ("3x4x4", "bn(affine = false)"),
    ],
)
class BatchNorm(_Affine):
    """Batch normalisation (Ioffe and Szegedy 2015): weight (x - mean) / sqrt(var + eps) + bias, for
    each channel over the batch.
    """

    eps: float = arg(number, 1e-5, doc="added to the variance", min=0)
    momentum: float = arg(
        number, 0.1, doc="share of the new batch in the running mean and variance", min=0, max=1
    )
    affine: bool = arg(boolean, True, doc="learn a scale and a shift for each channel")

    def infer(self, *xs: TensorType) -> TensorType:
        if len(xs[0].shape) > 4:
            raise OpError("wrong-rank", f"`bn` takes up to 3 spatial axes, its input is {xs[0]}")
        return super().infer(*xs)

    def buffers(self, *xs: TensorType) -> dict[str, Param]:
        shape = (self.scale_size(xs[0]),)
        return {
            "running_mean": Param(shape),
            "running_var": Param(shape, "ones"),
            "num_batches_tracked": Param((), "zeros"),
        }

    def rounding(self, e: Evaluation) -> Bound:
        """`abs(w) (abs(x) + abs(mean)) / sqrt(var + eps) + abs(c)`.

        Underflow: the loss of each input, weight and product, times the factor that multiplies it,
        plus the effect of the change of `var + eps`. If that may change by more than a quarter,
        nothing is compared.
        """
        return self.carried(e, e.bound(e.x.abs(), 1))

    @staticmethod
    def carried(e: Evaluation, bound: Bound) -> Bound:
        """The bound of the layer for an input with that bound.

        Executors compute (x - mean) w / sqrt(var + eps) + b, or x s + (b - mean s) with
        s = w / sqrt(var + eps).
        """
        v = (e.module.running_var + e.module.eps).clamp(min=0)
        scale = e.per_channel(v.rsqrt())
        changed = e.per_channel(units_of_root(v, v.new_ones(v.shape)))
        reach = bound.rounding + e.per_channel(e.module.running_mean.abs())
        weight, shift = scale.new_ones(scale.shape), scale.new_zeros(scale.shape)
        if e.module.weight is not None:
            weight, shift = (e.per_channel(t.abs()) for t in (e.module.weight, e.module.bias))
        moved = reach * scale
        rounding = moved * weight + shift
        rounding = unless_beyond(rounding, reach, moved, moved * weight, weight * scale)
        underflow = (bound.underflow + 2) * weight * scale + moved * weight * changed
        return Bound(rounding, underflow + reach * (1 + scale * subnormal(weight)) + weight + 3)

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        n = max(1, len(xs[0].spatial))
        return t.module(
            f"BatchNorm{n}d",
            xs[0].channels,
            eps=(self.eps, 1e-5),
            momentum=(self.momentum, 0.1),
            affine=(self.affine, True),
        )

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        channels = self.scale_size(xs[0].type)
        pair = (
            [g.param("weight"), g.param("bias")]
            if self.affine
            else [g.floats([1.0] * channels), g.floats([0.0] * channels)]
        )
        return g.op(
            "BatchNormalization",
            xs[0],
            *pair,
            g.param("running_mean"),
            g.param("running_var"),
            epsilon=self.eps,
        )


@layer(
    "lrn",
    family="normalisation",
    examples=[
        ("8x4x4", "lrn(5)"),
        ("6x5x5", "lrn(n = 3, alpha = 0.001, beta = 0.5, k = 2)"),
        ("6x9", "lrn(3)"),
    ],
)
class LocalResponseNorm(Op):
    """Local response normalisation (Krizhevsky et al. 2012): x / (k + alpha / n x sum of x^2 over n
    neighbouring channels)^beta.
    """

    n: int = arg(integer, 5, doc="how many neighbouring channels", min=1)
    alpha: float = arg(number, 1e-4, doc="weight of the sum, divided by n; above 0")
    beta: float = arg(number, 0.75, doc="exponent; above 0")
    k: float = arg(number, 1.0, doc="constant in the denominator")

    def infer(self, *xs: TensorType) -> TensorType:
        if len(xs[0].shape) < 2:
            raise OpError(
                "wrong-rank", f"`lrn` needs channels and spatial axes, its input is {xs[0]}"
            )
        if self.n % 2 == 0:
            raise OpError(
                "bad-argument",
                f"`n` of `lrn` must be odd, found {self.n}",
                "n",
                "an even window has no middle channel",
            )
        for name, value in (("alpha", self.alpha), ("beta", self.beta)):
            if value < TINY:  # onnxruntime refuses what float32 makes 0 of
                message = f"`{name}` of `lrn` must be above 0, found {value:g}"
                raise OpError("bad-argument", message, name)
        return xs[0]

    def rounding(self, e: Evaluation) -> Bound:
        """`abs(y) (1 + abs(beta) (s (abs(k) + max abs(d - k)) / abs(d) + abs(log abs(d))))`.

        Here `d = k + alpha / n sum x^2`. onnxruntime slides its window over the channels, and `max`
        is taken over all channels.

        Underflow: the change of `d`, at most `alpha (2 channels + 2) + 2`, times
        `2 beta abs(y) / d`, plus `abs(x) + d^-beta + 1`. If `d` may change by more than a quarter,
        nothing is compared.
        """
        alpha, beta = abs(self.alpha), abs(self.beta)
        around = self._squares_around(e.x)
        terms = self.alpha / self.n * around
        total = (self.k + terms).abs()
        # onnxruntime slides its window: it subtracts the squares that it added for earlier
        # channels, but their rounding remains.
        channels = e.x.shape[1]
        most = around.amax(1, keepdim=True) * max(1.0, alpha / self.n)
        slid = (abs(self.k) + terms.abs().amax(1, keepdim=True)) * grown(2 * channels)
        share = 1 + beta * (slid / total + total.log().abs())
        power = total.pow(self.beta)
        rounding = unless_beyond(e.y.abs() * share, most, power, 1 / power)
        rounding = rounding.where(slid * (LIMIT * UNIT) < total, inf)
        unsure = total.new_full(total.shape, alpha * (2 * channels + 2) + 2)
        changed = 2 * beta * units_of_root(total, unsure)
        return Bound(rounding, e.y.abs() * changed + e.x.abs() + 1 / power + 1)

    def _squares_around(self, x: Tensor) -> Tensor:
        """The sum of the squares of the neighbouring channels."""
        rows = x.square().flatten(2).transpose(1, 2)
        half = self.n // 2
        padded = rows.new_zeros((*rows.shape[:2], rows.shape[2] + 2 * half))
        padded[:, :, half : half + rows.shape[2]] = rows
        return padded.unfold(2, self.n, 1).sum(-1).transpose(1, 2).reshape(x.shape)

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        module = t.module(
            "LocalResponseNorm",
            self.n,
            alpha=(self.alpha, 1e-4),
            beta=(self.beta, 0.75),
            k=(self.k, 1.0),
        )
        # PyTorch views the squares as one more axis, which a permuted input does not allow.
        return module if len(xs[0].spatial) == 1 else module.with_call("{m}({0}.contiguous())")

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        # onnxruntime normalises images alone: other ranks are reshaped to one.
        image = len(xs[0].type.spatial) == 2
        x = xs[0] if image else g.op("Reshape", xs[0], g.ints([0, 0, -1, 1]))
        y = g.op("LRN", x, size=self.n, alpha=self.alpha, beta=self.beta, bias=self.k)
        return y if image else g.op("Reshape", y, g.op("Shape", xs[0]))


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
class RMSNorm(_Affine):
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


class _TrainingOnly(Op):
    """Acts in training; passes its input on at inference, and is gone from the exported graph."""

    rounding = exact

    p: float = arg(number, 0.5, doc="probability of dropping", min=0, max=1)

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        same: str = xs[0]
        return same


@layer("dropout", family="regularisation", examples=[("10", "dropout"), ("3x4x4", "dropout(0.2)")])
class Dropout(_TrainingOnly):
    """In training, zero each value with probability p and scale the rest by 1 / (1 - p) (Srivastava
    et al. 2014).
    """

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.module("Dropout", p=(self.p, 0.5))


@layer(
    "dropout2d",
    family="regularisation",
    examples=[("3x4x4", "dropout2d"), ("4x6", "dropout2d(0.2)"), ("2x3x3x3", "dropout2d(0.1)")],
)
class Dropout2d(_TrainingOnly):
    """In training, zero whole maps with probability p and scale the rest by 1 / (1 - p) (Tompson et
    al. 2015).
    """

    def infer(self, *xs: TensorType) -> TensorType:
        if not 2 <= len(xs[0].shape) <= 4:
            raise OpError(
                "wrong-rank",
                f"`dropout2d` drops maps, its input is {xs[0]}",
                help=None if xs[0].spatial else "use `dropout` for vectors",
            )
        return xs[0]

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.module(f"Dropout{len(xs[0].spatial)}d", p=(self.p, 0.5))


@layer(
    "droppath", family="regularisation", examples=[("3x4x4", "droppath(0.2)"), ("5", "droppath")]
)
class StochasticDepth(_TrainingOnly):
    """Stochastic depth (Huang et al. 2016): in training, zero the whole sample with probability p,
    scale the rest by 1 / (1 - p).
    """

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.custom("DropPath", self.p)
