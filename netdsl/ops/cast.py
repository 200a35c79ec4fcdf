"""Numbers of another type: `float`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.errors import OpError
from netdsl.ir.op import Op
from netdsl.ir.types import TensorType
from netdsl.ops.base import FLOAT, layer
from netdsl.ops.rounding import exact

if TYPE_CHECKING:
    from netdsl.ir.lowering import Emitter, Lowered, Recorder, TypedName

NUMBERS = ("int64", "int32", "uint8", "bool")


@layer(
    "float",
    family="arithmetic",
    examples=[("3x4 int64", "float"), ("6 bool", "float"), ("2x3 int32", "float")],
)
class Float(Op):
    """Integers or booleans as float32; true is 1 and false is 0.

    Integers beyond 2^24 are rounded to the nearest float32. The gradient ends here.
    """

    is_function = True
    any_dtype = True
    rounding = exact

    def infer(self, x: TensorType) -> TensorType:
        if x.dtype not in NUMBERS:
            raise OpError(
                "wrong-dtype",
                f"`float` takes integers or booleans, but its input is {x.dtype}",
                help="leave `float` out",
            )
        return TensorType(x.shape)

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        return t.custom("ToFloat")

    def onnx(self, g: Emitter, x: TypedName) -> str:
        return g.op("Cast", x, to=FLOAT)
