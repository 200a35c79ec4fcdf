"""Layers that act in training only: `dropout`, `dropout2d` and `droppath`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.errors import Correction, OpError
from netdsl.ir.op import Op
from netdsl.ops.args import number
from netdsl.ops.base import arg, layer
from netdsl.ops.rounding import exact

if TYPE_CHECKING:
    from netdsl.ir.lowering import Emitter, Lowered, Recorder, TrainingEmitter, TypedName
    from netdsl.ir.types import TensorType


class TrainingOnly(Op):
    """Passes its input on at inference, so that the exported graph has no node for it."""

    rounding = exact

    p: float = arg(number, 0.5, doc="probability of dropping", min=0, max=1)

    def onnx(self, g: Emitter, x: TypedName) -> str:
        return x

    def onnx_training(self, g: TrainingEmitter, x: TypedName) -> str:
        if not self.p:
            return g.op("Identity", x)
        return g.op("Mul", x, g.mask(self.mask_shape(g.shape(x)), self.p))

    def mask_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the random factors of a batch of that shape."""
        return shape


@layer("dropout", family="regularisation", examples=[("10", "dropout"), ("3x4x4", "dropout(0.2)")])
class Dropout(TrainingOnly):
    """In training, zero each value with probability p and scale the rest by 1 / (1 - p).

    Source: Srivastava et al. 2014.
    """

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        return t.module("Dropout", p=(self.p, 0.5))


@layer(
    "dropout2d",
    family="regularisation",
    examples=[("3x4x4", "dropout2d"), ("4x6", "dropout2d(0.2)"), ("2x3x3x3", "dropout2d(0.1)")],
)
class Dropout2d(TrainingOnly):
    """In training, zero whole maps with probability p and scale the rest by 1 / (1 - p).

    Source: Tompson et al. 2015.
    """

    def infer(self, x: TensorType) -> TensorType:
        if not 2 <= len(x.shape) <= 4:
            raise OpError(
                "wrong-rank",
                f"`dropout2d` needs channels and 1 to 3 spatial axes, but its input is {x}",
                help=None if x.spatial else "use `dropout` for vectors",
                correction=None if x.spatial else Correction(kind="dropout"),
            )
        return x

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        return t.module(f"Dropout{len(x.spatial)}d", p=(self.p, 0.5))

    def mask_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (*shape[:2], *(1 for _ in shape[2:]))


@layer(
    "droppath", family="regularisation", examples=[("3x4x4", "droppath(0.2)"), ("5", "droppath")]
)
class StochasticDepth(TrainingOnly):
    """Stochastic depth (Huang et al. 2016).

    In training, zero whole samples with probability p and scale the rest by 1 / (1 - p). It belongs
    at the end of an arm of a `residual`, whose input goes around it: `residual { conv(8, 3, pad =
    1) -> droppath(0.1) }`.
    """

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        return t.custom("DropPath", self.p)

    def mask_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (shape[0], *(1 for _ in shape[1:]))
