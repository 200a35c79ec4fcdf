"""Normalisation over the batch and over neighbouring channels: `bn` and `lrn`.

The kinds that normalise each sample by itself are in `sample_norm.py`.
"""

from __future__ import annotations

from math import inf, prod
from typing import TYPE_CHECKING

from netdsl.errors import Correction, OpError
from netdsl.ir.op import COUNTER, Op, Param
from netdsl.ir.rounding import LIMIT, TINY, UNIT, Bound, grown, unless_beyond
from netdsl.ops.args import bias_values, boolean, integer, number, weight_values
from netdsl.ops.base import arg, fixed, layer
from netdsl.ops.init import bias_params, weight_param
from netdsl.ops.norm_rounding import by_averages, units_of_root
from netdsl.ops.norm_training import add_gradients_of_batch, emit_of_batch

if TYPE_CHECKING:
    from netdsl.ir.lowering import (
        Emitter,
        Evaluation,
        GradientEmitter,
        Lowered,
        Recorder,
        TrainingEmitter,
        TypedName,
    )
    from netdsl.ir.rounding import Tensor
    from netdsl.ir.types import Sym, TensorType


class Affine(Op):
    """Base of the kinds with a learned scale (`weight`) and shift (`bias`) for each channel.

    Each kind declares the arguments `weight` and `bias` after its own, because older nets give
    those by position.
    """

    affine: bool
    weight = arg(weight_values, None, doc="the scales: numbers or an earlier weight")
    bias = arg(bias_values, True, doc="learn the shifts, or their numbers")
    each = "channel"  # what has a scale of its own

    def scale_shape(self, x: TensorType) -> tuple[int, ...]:
        """The shape of the scales: one for each channel; raises `OpError` if a size is open."""
        return (fixed(self, x.channels, "its input channels"),)

    def scale_size(self, x: TensorType) -> int:
        """The number of scales; raises `OpError` if it is open."""
        return prod(self.scale_shape(x))

    def infer(self, x: TensorType) -> TensorType:
        if not x.shape:
            raise OpError("wrong-rank", f"`{self.kind}` needs channels, but its input is a scalar")
        self.scale_size(x)
        return x

    def params(self, x: TensorType) -> dict[str, Param]:
        if not self.affine:
            self._check_has_none()
            return {}
        shape = self.scale_shape(x)
        scale = weight_param(self, Param(shape, "ones"), self.each)
        return {"weight": scale} | bias_params(self, Param(shape), self.each)

    def _check_has_none(self) -> None:
        """Refuse numbers for a scale or a shift that the layer does not have."""
        numbers = [n for n in ("weight", "bias") if not isinstance(self.given.get(n), bool | None)]
        if not numbers:
            return
        declared = next(a for a in self.args if a.name == "affine")
        help_, text = "leave `affine` out", None
        if not declared.default:
            help_, text = "write `affine = true`", "true"
        raise OpError(
            "bad-argument",
            f"`{numbers[0]}` of `{self.kind}` is given, but `affine` is false",
            numbers[0],
            help_,
            Correction({"affine": text}),
        )

    def onnx_scale_and_shift(self, g: Emitter, x: TypedName) -> tuple[str, str]:
        """The learned scale and shift; constant ones and zeros for what is not learned."""
        learned, channels = self.params(x.type), self.scale_size(x.type)
        scale = g.param("weight") if learned else g.floats([1.0] * channels)
        shift = g.param("bias") if "bias" in learned else g.floats([0.0] * channels)
        return scale, shift


def need_several(op: Op, size: int | Sym, advice: str) -> None:
    """Refuse to normalise a single value: the result would be the shift, and PyTorch refuses it."""
    if not op.needs_at_least(size, 2):
        message = f"`{op.kind}` would normalise a single value, which gives 0"
        raise OpError("bad-size", message, help=advice)


def running_statistics(channels: int) -> dict[str, Param]:
    """The buffers of a kind that keeps running averages, with PyTorch's names."""
    return {
        "running_mean": Param((channels,)),
        "running_var": Param((channels,), "ones"),
        COUNTER: Param((), "zeros"),
    }


def onnx_batch_norm(g: Emitter, x: str, scale_and_shift: tuple[str, str], eps: float) -> str:
    """Normalise by the running averages of the layer; returns the name of the result."""
    running = (g.param("running_mean"), g.param("running_var"))
    return g.op("BatchNormalization", x, *scale_and_shift, *running, epsilon=eps)


@layer(
    "bn",
    family="normalisation",
    examples=[
        ("3x5x5", "bn"),
        ("4x7", "bn(eps = 0.001, momentum = 0.01)"),
        ("6", "bn"),
        ("2x3x4x5", "bn"),
        ("3x4x4", "bn(affine = false)"),
        ("3x4x4", "bn(weight = [0, 1, -0.5], bias = [0.5, 0, 2])"),
        ("3x5", "bn(bias = false)"),
    ],
)
class BatchNorm(Affine):
    """Batch normalisation of each channel (Ioffe and Szegedy 2015).

    The result is weight (x - mean) / sqrt(var + eps) + bias. The mean and the variance are those of
    the batch in training, and running averages of them at inference.
    """

    eps: float = arg(number, 1e-5, doc="added to the variance", min=0)
    momentum: float = arg(
        number, 0.1, doc="share of the new batch in the running mean and variance", min=0, max=1
    )
    affine: bool = arg(boolean, True, doc="learn a scale and a shift for each channel")
    weight = Affine.weight
    bias = Affine.bias

    def infer(self, x: TensorType) -> TensorType:
        if len(x.shape) > 4:
            raise OpError("wrong-rank", f"`bn` takes at most 3 spatial axes, but its input is {x}")
        return super().infer(x)

    def buffers(self, x: TensorType) -> dict[str, Param]:
        return running_statistics(self.scale_size(x))

    def rounding(self, e: Evaluation) -> Bound:
        """`abs(w) (abs(x) + abs(mean)) / sqrt(var + eps) + abs(c)`.

        Underflow: the loss of each input, weight and product, times the factor that multiplies it,
        plus the effect of the change of `var + eps`. If that may change by more than a quarter,
        nothing is compared.
        """
        return by_averages(e, e.bound(e.x.abs(), 1))

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        return t.module(
            f"BatchNorm{max(1, len(x.spatial))}d",
            x.channels,
            eps=(self.eps, 1e-5),
            momentum=(self.momentum, 0.1),
            affine=(self.affine, True),
            bias=(bool(self.bias), True),
        )

    def onnx(self, g: Emitter, x: TypedName) -> str:
        return onnx_batch_norm(g, x, self.onnx_scale_and_shift(g, x), self.eps)

    def onnx_training(self, g: TrainingEmitter, x: TypedName) -> str:
        return emit_of_batch(self, g, x)

    def grad(self, g: GradientEmitter, dy: str, *xs: TypedName) -> None:
        if g.saved:
            add_gradients_of_batch(self, g, dy, *xs)
        else:
            g.derive()


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
    """Local response normalisation (Krizhevsky et al. 2012): x / (k + alpha s / n)^beta.

    s is the sum of x^2 over n neighbouring channels.
    """

    n: int = arg(integer, 5, doc="number of neighbouring channels", min=1)
    alpha: float = arg(
        number, 1e-4, doc="factor of the sum of squares, which is divided by n; above 0"
    )
    beta: float = arg(number, 0.75, doc="exponent; above 0")
    k: float = arg(number, 1.0, doc="constant that is added to the sum")

    def infer(self, x: TensorType) -> TensorType:
        if len(x.shape) < 2:
            message = f"`lrn` needs channels and spatial axes, but its input is {x}"
            raise OpError("wrong-rank", message)
        if self.n % 2 == 0:
            raise OpError(
                "bad-argument",
                f"`n` of `lrn` must be odd, found {self.n}",
                "n",
                "an even window has no middle channel",
            )
        for name, value in (("alpha", self.alpha), ("beta", self.beta)):
            if value < TINY:  # it is 0 in float32, which onnxruntime refuses
                message = f"`{name}` of `lrn` must be above 0, found {value:g}"
                raise OpError("bad-argument", message, name)
        return x

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

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        module = t.module(
            "LocalResponseNorm",
            self.n,
            alpha=(self.alpha, 1e-4),
            beta=(self.beta, 0.75),
            k=(self.k, 1.0),
        )
        if len(x.spatial) == 1:
            return module
        # PyTorch views the squares with one more axis, which a permuted input does not allow.
        return module.with_call("{m}({0}.contiguous())")

    def onnx(self, g: Emitter, x: TypedName) -> str:
        if len(x.type.spatial) == 2:
            return self._onnx_of_image(g, x)
        # onnxruntime normalises images only: inputs of other ranks are reshaped to images.
        image = g.op("Reshape", x, g.ints([0, 0, -1, 1]))
        return g.op("Reshape", self._onnx_of_image(g, image), g.op("Shape", x))

    def _onnx_of_image(self, g: Emitter, image: str) -> str:
        return g.op("LRN", image, size=self.n, alpha=self.alpha, beta=self.beta, bias=self.k)
