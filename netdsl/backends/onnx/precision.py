"""The element types of a model, and numbers in the model's type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import ml_dtypes
import numpy as np
from onnx import TensorProto

from netdsl.errors import NetdslError

if TYPE_CHECKING:
    from collections.abc import Iterable

ELEMENT = {
    "float32": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT16,
    "float64": TensorProto.DOUBLE,
    "int64": TensorProto.INT64,
    "bfloat16": TensorProto.BFLOAT16,
    "int32": TensorProto.INT32,
    "bool": TensorProto.BOOL,
    "uint8": TensorProto.UINT8,
}

NUMPY_DTYPES: dict[str, Any] = {
    "float32": np.dtype("<f4"),
    "float16": np.dtype("<f2"),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
}
MOST = {"float16": 65504.0, "bfloat16": 2.0**128 - 2.0**120}


def narrowed(name: str, chunk: Any, dtype: str, rest: Iterable[Any] = ()) -> Any:
    """Numbers of a tensor in the model's type; raises `NetdslError` where one is too large for it,
    with the largest of `rest` too.
    """
    wanted = NUMPY_DTYPES[dtype]
    with np.errstate(over="ignore"):
        made = np.asarray(chunk, wanted)
    if wanted.itemsize < chunk.dtype.itemsize and (~np.isfinite(made) & np.isfinite(chunk)).any():
        _fail_overflow(name, max(_largest(c) for c in (chunk, *rest)), wanted)
    return made


def _largest(chunk: Any) -> float:
    finite = np.abs(chunk[np.isfinite(chunk)])
    return float(finite.max(initial=0))


def _fail_overflow(name: str, largest: float, dtype: Any) -> NoReturn:
    help_ = "export as float32"
    if dtype == np.float16:
        help_ += (
            "; or as bfloat16, whose numbers are as large as those of float32 (`--bf16`, in Python "
            '`dtype="bfloat16"`)'
        )
    raise NetdslError(
        "weights-overflow",
        f"`{name}` has numbers up to {largest:g}, {dtype.name} ends at {MOST[dtype.name]:g}",
        help=help_,
    )
