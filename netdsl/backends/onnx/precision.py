"""Weights in the type that a model computes in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from netdsl.backends.onnx.elements import fail_overflow
from netdsl.weights.dtypes import DTYPES

if TYPE_CHECKING:
    from collections.abc import Iterable


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
        fail_overflow(name, max(_largest_of(c) for c in (chunk, *rest)), dtype)
    return numbers


def _largest_of(chunk: np.ndarray) -> float:
    finite = np.abs(chunk[np.isfinite(chunk)])
    return float(finite.max(initial=0))
