"""LeNet-5's trainable pooling: `subsample`."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from netdsl.ir.op import Op, Param, Window
from netdsl.ir.rounding import Known, grown, lifted, unless_beyond
from netdsl.ops.args import bias_values, dims, weight_values
from netdsl.ops.base import arg, fixed, layer, spatial_rank
from netdsl.ops.init import bias_params, weight_param
from netdsl.ops.pool import SumPool

if TYPE_CHECKING:
    from netdsl.ir.lowering import Emitter, Evaluation, Lowered, Recorder, TypedName
    from netdsl.ir.rounding import Bound
    from netdsl.ir.types import TensorType


@layer(
    "subsample",
    family="pooling",
    examples=[
        ("6x8x8", "subsample(2)"),
        ("3x9x6", "subsample(3x2)"),
        ("3x6", "subsample(2, weight = [1, 0.5, 2], bias = false)"),
        ("2x4x4", "subsample(2, bias = [1, -1])"),
    ],
)
class Subsampling(Op):
    """LeNet-5's trainable pooling (LeCun et al. 1998): coefficient x sum of the window + bias.

    Each map has one coefficient and one bias.
    """

    k = arg(dims, doc="window size and stride", min=1)
    weight = arg(weight_values, None, doc="the coefficients: numbers or an earlier weight")
    bias = arg(bias_values, True, doc="learn a bias for each map, or their numbers")

    def _pool(self) -> SumPool:
        return SumPool(
            {"kind": self.kind, "k": self.k, "stride": None, "pad": 0, "ceil": False, "dilation": 1}
        )

    def infer(self, x: TensorType) -> TensorType:
        spatial_rank(self, x)
        fixed(self, x.channels, "its input channels")
        return self._pool().infer(x)

    def params(self, x: TensorType) -> dict[str, Param]:
        window = prod(self._pool().geometry(x).k)
        shape = (fixed(self, x.channels, "its input channels"),)
        coefficients = weight_param(self, Param(shape, f"constant:{1 / window}"), "channel")
        return {"weight": coefficients} | bias_params(self, Param(shape), "channel")

    def windows(self, x: TensorType) -> tuple[Window, ...]:
        return self._pool().windows(x)

    def window_text(self, x: TensorType) -> str:
        return self._pool().window_text(x)

    def rounding(self, e: Evaluation) -> Bound:
        """`s abs(w) sum of abs(x)`, plus the value, plus `abs(c)`.

        Underflow: carried from step to step.
        """
        window = self._pool().geometry(e.types[0]).k
        count = prod(window)
        sizes = e.mean(lifted(e.x), window) * count
        summed = Known(
            e.mean(e.x, window) * count,
            unless_beyond(sizes * grown(count), sizes),
            e.y.new_full(e.y.shape, 2 * count + 2),
        )
        scaled = summed * Known.exactly(e.per_channel(e.module.weight))
        if e.module.bias is not None:
            scaled = scaled.shifted(e.per_channel(e.module.bias))
        return scaled.bound

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        bias = [] if self.bias else [False]
        return t.custom("Subsample", x.channels, self._pool().geometry(x).k, *bias)

    def onnx(self, g: Emitter, x: TypedName) -> str:
        channels = fixed(self, x.type.channels, "its input channels")
        shape = [1, channels, *(1 for _ in x.type.spatial)]
        weight = g.op("Reshape", g.param("weight"), g.ints(shape))
        y = g.op("Mul", self._pool().onnx(g, x), weight)
        if not self.bias:
            return y
        return g.op("Add", y, g.op("Reshape", g.param("bias"), g.ints(shape)))
