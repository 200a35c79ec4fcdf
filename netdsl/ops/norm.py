"""Normalisation, and the layers that act in training only."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from netdsl.errors import OpError
from netdsl.ir.op import Op, Param
from netdsl.ops.args import boolean, integer, number
from netdsl.ops.base import arg, divisors, fixed, layer
from netdsl.words import counted, do

if TYPE_CHECKING:
    from netdsl.ir.lowering import Emitter, Lowered, Recorder
    from netdsl.ir.types import Sym, TensorType

SMALLEST = 2.0**-126  # the smallest normal float32


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


@layer("bn", family="normalisation", examples=[
    ("3x5x5", "bn"), ("4x7", "bn(eps = 0.001, momentum = 0.01)"), ("6", "bn"), ("2x3x4x5", "bn"), ("3x4x4", "bn(affine = false)"),
])  # fmt: skip
class BatchNorm(_Affine):
    """Batch normalisation (Ioffe and Szegedy 2015): weight (x - mean) / sqrt(var + eps) + bias, for each channel over the batch."""

    eps: float = arg(number, 1e-5, doc="added to the variance", min=0)
    momentum: float = arg(number, 0.1, doc="share of the new batch in the running mean and variance", min=0, max=1)
    affine: bool = arg(boolean, True, doc="learn a scale and a shift for each channel")

    def infer(self, *xs: TensorType) -> TensorType:
        if len(xs[0].shape) > 4:
            raise OpError("wrong-rank", f"`bn` takes up to 3 spatial axes, its input is {xs[0]}")
        return super().infer(*xs)

    def buffers(self, *xs: TensorType) -> dict[str, Param]:
        shape = (self.scale_size(xs[0]),)
        return {"running_mean": Param(shape), "running_var": Param(shape, "ones"), "num_batches_tracked": Param((), "zeros")}

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        n = max(1, len(xs[0].spatial))
        return t.module(f"BatchNorm{n}d", xs[0].channels, eps=(self.eps, 1e-5), momentum=(self.momentum, 0.1), affine=(self.affine, True))

    def onnx(self, g: Emitter, *xs: Any) -> str:
        channels = xs[0].type.channels
        pair = [g.param("weight"), g.param("bias")] if self.affine else [g.floats([1.0] * channels), g.floats([0.0] * channels)]
        return g.op("BatchNormalization", xs[0], *pair, g.param("running_mean"), g.param("running_var"), epsilon=self.eps)


@layer("lrn", family="normalisation", examples=[("8x4x4", "lrn(5)"), ("6x5x5", "lrn(n = 3, alpha = 0.001, beta = 0.5, k = 2)"), ("6x9", "lrn(3)")])
class LocalResponseNorm(Op):
    """Local response normalisation (Krizhevsky et al. 2012): x / (k + alpha / n x sum of x^2 over n neighbouring channels)^beta."""

    n: int = arg(integer, 5, doc="how many neighbouring channels", min=1)
    alpha: float = arg(number, 1e-4, doc="weight of the sum, divided by n; above 0")
    beta: float = arg(number, 0.75, doc="exponent; above 0")
    k: float = arg(number, 1.0, doc="constant in the denominator")

    def infer(self, *xs: TensorType) -> TensorType:
        if len(xs[0].shape) < 2:
            raise OpError("wrong-rank", f"`lrn` needs channels and spatial axes, its input is {xs[0]}")
        if self.n % 2 == 0:
            raise OpError("bad-argument", f"`n` of `lrn` must be odd, found {self.n}", "n", "an even window has no middle channel")
        for name, value in (("alpha", self.alpha), ("beta", self.beta)):
            if value < SMALLEST:  # onnxruntime refuses what float32 makes 0 of
                message = f"`{name}` of `lrn` must be above 0, found {value:g}"
                raise OpError("bad-argument", message, name)
        return xs[0]

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        module = t.module("LocalResponseNorm", self.n, alpha=(self.alpha, 1e-4), beta=(self.beta, 0.75), k=(self.k, 1.0))
        # PyTorch views the squares as one more axis, which a permuted input does not allow.
        return module if len(xs[0].spatial) == 1 else module.with_call("{m}({0}.contiguous())")

    def onnx(self, g: Emitter, *xs: Any) -> str:
        # onnxruntime normalises images alone: other ranks are reshaped to one.
        image = len(xs[0].type.spatial) == 2
        x = xs[0] if image else g.op("Reshape", xs[0], g.ints([0, 0, -1, 1]))
        y = g.op("LRN", x, size=self.n, alpha=self.alpha, beta=self.beta, bias=self.k)
        return y if image else g.op("Reshape", y, g.op("Shape", xs[0]))


@layer("layernorm", family="normalisation", examples=[("5x8", "layernorm"), ("8", "layernorm(eps = 0.001)"), ("3x4x6", "layernorm(affine = false)")])
class LayerNorm(_Affine):
    """Layer normalisation (Ba et al. 2016) over the last axis: weight (x - mean) / sqrt(var + eps) + bias."""

    eps: float = arg(number, 1e-5, doc="added to the variance", min=0)
    affine: bool = arg(boolean, True, doc="learn a scale and a shift for each element")

    def scale_size(self, x: TensorType) -> int:
        return fixed(self, x.shape[-1], "the size of the last axis")

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.module("LayerNorm", xs[0].shape[-1], eps=(self.eps, 1e-5), elementwise_affine=(self.affine, True))

    def onnx(self, g: Emitter, *xs: Any) -> str:
        pair = [g.param("weight"), g.param("bias")] if self.affine else [g.floats([1.0] * xs[0].type.shape[-1])]
        return g.op("LayerNormalization", xs[0], *pair, axis=-1, epsilon=self.eps)


@layer("rmsnorm", family="normalisation", examples=[("5x8", "rmsnorm"), ("8", "rmsnorm(eps = 0.001)")])
class RMSNorm(_Affine):
    """Root mean square normalisation (Zhang and Sennrich 2019) over the last axis: weight x / sqrt(mean(x^2) + eps)."""

    eps: float = arg(number, 1e-6, doc="added to the mean square", min=0)

    def scale_size(self, x: TensorType) -> int:
        return fixed(self, x.shape[-1], "the size of the last axis")

    def params(self, *xs: TensorType) -> dict[str, Param]:
        return {"weight": Param((self.scale_size(xs[0]),), "ones")}

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.module("RMSNorm", xs[0].shape[-1], eps=(self.eps, None))

    def onnx(self, g: Emitter, *xs: Any) -> str:
        square = g.op("ReduceMean", g.op("Mul", xs[0], xs[0]), g.ints([-1]), keepdims=1)
        root = g.op("Sqrt", g.op("Add", square, g.floats(self.eps)))
        return g.op("Mul", g.op("Div", xs[0], root), g.param("weight"))


_OVER_THE_BATCH = "`bn` normalises each channel over the batch"


def _several(op: Op, size: int | Sym, advice: str) -> None:
    """Refuse statistics of a single value: the result would be the shift alone, and PyTorch refuses it too."""
    if size == 1:
        raise OpError("bad-size", f"`{op.kind}` would normalise a single value, which gives 0", help=advice)


@layer("groupnorm", family="normalisation", examples=[("6x4x4", "groupnorm(2)"), ("4x7", "groupnorm(4, affine = false)"), ("8x3x3", "groupnorm(groups = 1, eps = 0.01)")])
class GroupNorm(_Affine):
    """Group normalisation (Wu and He 2018): each group of channels of a sample to mean 0 and variance 1, then scale and shift."""

    groups: int = arg(integer, doc="groups of channels", min=1)
    eps: float = arg(number, 1e-5, doc="added to the variance", min=0)
    affine: bool = arg(boolean, True, doc="learn a scale and a shift for each channel")

    def infer(self, *xs: TensorType) -> TensorType:
        super().infer(*xs)
        if len(xs[0].shape) < 2:
            raise OpError("wrong-rank", f"`{self.kind}` needs channels and at least one more axis, its input is {xs[0]}")
        channels = self.scale_size(xs[0])
        if channels % self.groups:
            raise OpError("bad-groups", f"{counted(channels, 'channel')} {do(channels)} not divide into {counted(self.groups, 'group')}", "groups", divisors(channels))
        fewer = "use fewer groups; " if self.groups > 1 else ""
        _several(self, self._group_size(xs[0]), f"{fewer}{_OVER_THE_BATCH}")
        return xs[0]

    def _group_size(self, x: TensorType) -> int | Sym:
        return x.size // self.groups

    def nonnegative(self, *xs: TensorType) -> list[int | Sym]:
        return [self._group_size(xs[0]) - 2]

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.module("GroupNorm", self.groups, xs[0].channels, eps=(self.eps, 1e-5), affine=(self.affine, True))

    def onnx(self, g: Emitter, *xs: Any) -> str:
        shape = xs[0].type
        rows = g.op("Reshape", xs[0], g.ints([0, self.groups, -1]))
        pair = [g.floats([1.0] * self.groups), g.floats([0.0] * self.groups)]
        y = g.op("Reshape", g.op("InstanceNormalization", rows, *pair, epsilon=self.eps), g.op("Shape", xs[0]))
        if not self.affine:
            return y
        per_channel = g.ints([shape.channels, *(1 for _ in shape.spatial)])
        weight, bias = (g.op("Reshape", g.param(n), per_channel) for n in ("weight", "bias"))
        return g.op("Add", g.op("Mul", y, weight), bias)


@layer("instancenorm", family="normalisation", examples=[("3x4x4", "instancenorm"), ("4x7", "instancenorm(affine = true, eps = 0.01)"), ("2x3x4x5", "instancenorm")])
class InstanceNorm(_Affine):
    """Instance normalisation (Ulyanov et al. 2016): each channel of each sample to mean 0 and variance 1."""

    eps: float = arg(number, 1e-5, doc="added to the variance", min=0)
    affine: bool = arg(boolean, False, doc="learn a scale and a shift for each channel")

    def infer(self, *xs: TensorType) -> TensorType:
        if not 2 <= len(xs[0].shape) <= 4:
            raise OpError("wrong-rank", f"`instancenorm` needs channels and 1 to 3 spatial axes, its input is {xs[0]}")
        _several(self, prod(xs[0].spatial), _OVER_THE_BATCH)
        return super().infer(*xs)

    def nonnegative(self, *xs: TensorType) -> list[int | Sym]:
        return [prod(xs[0].spatial) - 2]

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.module(f"InstanceNorm{len(xs[0].spatial)}d", xs[0].channels, eps=(self.eps, 1e-5), affine=(self.affine, False))

    def onnx(self, g: Emitter, *xs: Any) -> str:
        channels = xs[0].type.channels
        pair = [g.param("weight"), g.param("bias")] if self.affine else [g.floats([1.0] * channels), g.floats([0.0] * channels)]
        return g.op("InstanceNormalization", xs[0], *pair, epsilon=self.eps)


class _TrainingOnly(Op):
    """Acts in training; passes its input on at inference, and is gone from the exported graph."""

    p: float = arg(number, 0.5, doc="probability of dropping", min=0, max=1)

    def onnx(self, g: Emitter, *xs: Any) -> str:
        same: str = xs[0]
        return same


@layer("dropout", family="regularisation", examples=[("10", "dropout"), ("3x4x4", "dropout(0.2)")])
class Dropout(_TrainingOnly):
    """In training, zero each value with probability p and scale the rest by 1 / (1 - p) (Srivastava et al. 2014)."""

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.module("Dropout", p=(self.p, 0.5))


@layer("dropout2d", family="regularisation", examples=[("3x4x4", "dropout2d"), ("4x6", "dropout2d(0.2)"), ("2x3x3x3", "dropout2d(0.1)")])
class Dropout2d(_TrainingOnly):
    """In training, zero whole maps with probability p and scale the rest by 1 / (1 - p) (Tompson et al. 2015)."""

    def infer(self, *xs: TensorType) -> TensorType:
        if not 2 <= len(xs[0].shape) <= 4:
            raise OpError("wrong-rank", f"`dropout2d` drops maps, its input is {xs[0]}", help=None if xs[0].spatial else "use `dropout` for vectors")
        return xs[0]

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.module(f"Dropout{len(xs[0].spatial)}d", p=(self.p, 0.5))


@layer("droppath", family="regularisation", examples=[("3x4x4", "droppath(0.2)"), ("5", "droppath")])
class DropPath(_TrainingOnly):
    """Stochastic depth (Huang et al. 2016): in training, zero the whole sample with probability p, scale the rest by 1 / (1 - p)."""

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.custom("DropPath", self.p)
