"""The names that the layers in `docs/diagnostics.md` use without importing them."""

from netdsl.ir.lowering import Emitter, Evaluation, Lowered, Recorder, TypedName
from netdsl.ir.op import Op, Param
from netdsl.ir.rounding import Bound
from netdsl.ir.types import Sym, TensorType
from netdsl.ops.base import layer
from netdsl.ops.rounding import exact, scaled

__all__ = [
    "Bound",
    "Emitter",
    "Evaluation",
    "Lowered",
    "Op",
    "Param",
    "Recorder",
    "Sym",
    "TensorType",
    "TypedName",
    "exact",
    "layer",
    "scaled",
]
