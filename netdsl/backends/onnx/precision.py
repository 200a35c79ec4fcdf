"""The element types of a model, and numbers in the type that a model computes in."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import numpy as np
from onnx import helper

from netdsl.errors import NetdslError
from netdsl.ir.types import ITEM_BYTES
from netdsl.weights.dtypes import DTYPES, largest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netdsl.weights.dtypes import DType

# ONNX's numbers for the types of inputs, and for those that a model can compute in.
ELEMENT: dict[str, int] = {
    name: helper.np_dtype_to_tensor_dtype(DTYPES[name]) for name in (*ITEM_BYTES, "bfloat16")
}


def narrowed(
    name: str, chunk: np.ndarray, dtype: str, rest: Iterable[np.ndarray] = ()
) -> np.ndarray:
    """Numbers of a tensor in the model's type.

    Raises `NetdslError` if one of them is too large for the type. The message has the largest
    number of the tensor, so `rest` must be the chunks that follow.
    """
    target = DTYPES[dtype]
    with np.errstate(over="ignore"):
        numbers = np.asarray(chunk, target)
    is_narrower = target.itemsize < chunk.dtype.itemsize
    if is_narrower and (~np.isfinite(numbers) & np.isfinite(chunk)).any():
        _fail_overflow(name, max(_largest_of(c) for c in (chunk, *rest)), target)
    return numbers


def _largest_of(chunk: np.ndarray) -> float:
    finite = np.abs(chunk[np.isfinite(chunk)])
    return float(finite.max(initial=0))


def _fail_overflow(name: str, number: float, dtype: DType) -> NoReturn:
    advice = "export as float32"
    if dtype == np.float16:
        advice += (
            ", or as bfloat16, whose largest number is close to that of float32 (`--bf16`, in "
            'Python `dtype="bfloat16"`)'
        )
    raise NetdslError(
        "weights-overflow",
        f"`{name}` has numbers up to {number:g}, the largest {dtype.name} is {largest(dtype):g}",
        help=advice,
    )
