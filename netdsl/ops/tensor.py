"""A learned tensor that is a value of its own: `param`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.ir.op import Op, Param
from netdsl.ir.types import TensorType
from netdsl.ops.args import sizes, text
from netdsl.ops.base import arg, fixed, layer
from netdsl.ops.init import INITS, check_fans
from netdsl.ops.rounding import exact

if TYPE_CHECKING:
    from netdsl.ir.lowering import Emitter, Lowered, Recorder, TypedName


@layer("param", family="shape", examples=[("3x4", "param(5x4)"), ("6", "param(6, init = ones)")])
class LearnedTensor(Op):
    """A learned tensor, the same for every sample; the input gives only the batch size."""

    any_dtype = True
    rounding = exact

    shape: tuple[int, ...] = arg(sizes, doc="its sizes without the batch", min=1)
    init: str = arg(text, "zeros", doc="its values before training", choices=INITS)
    is_global = True

    def infer(self, x: TensorType) -> TensorType:
        shape = tuple(fixed(self, size, "its sizes") for size in self.shape)
        check_fans(self.kind, self.init, shape)
        return TensorType(shape)

    def params(self, x: TensorType) -> dict[str, Param]:
        return {"weight": Param(self.shape, self.init, role="value")}

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        return t.custom("Learned", self.shape)

    def onnx(self, g: Emitter, x: TypedName) -> str:
        batch = g.op("Shape", x, start=0, end=1)
        weight = g.op("Unsqueeze", g.param("weight"), g.ints([0]))
        return g.op("Expand", weight, g.op("Concat", batch, g.ints(list(self.shape)), axis=0))
