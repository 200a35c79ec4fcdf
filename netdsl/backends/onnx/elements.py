"""The element types of a model, and whether numbers fit into them."""

from __future__ import annotations

import struct
from math import isfinite
from typing import TYPE_CHECKING, NoReturn

from netdsl.errors import NetdslError

if TYPE_CHECKING:
    from collections.abc import Iterable

FLOAT, INT32, INT64, BOOL, FLOAT16, DOUBLE, BFLOAT16 = 1, 6, 7, 9, 10, 11, 16
# ONNX's numbers for the element types (`TensorProto.DataType`).
ELEMENT = {
    "float32": FLOAT,
    "uint8": 2,
    "int8": 3,
    "uint16": 4,
    "int16": 5,
    "int32": INT32,
    "int64": INT64,
    "bool": BOOL,
    "float16": FLOAT16,
    "float64": DOUBLE,
    "uint32": 12,
    "uint64": 13,
    "bfloat16": BFLOAT16,
}
LARGEST = {"float16": 65504.0, "bfloat16": 3.3895313892515355e38}  # of the types below float32


def half_bits(value: float) -> int:
    """The 16 bits of a number in half precision."""
    return int.from_bytes(struct.pack("<e", value), "little")


def bfloat16_bits(value: float) -> int:
    """The 16 bits of a number as bfloat16: the upper half of float32, rounded to nearest even."""
    bits = int.from_bytes(struct.pack("<f", value), "little")
    return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16


def check_fits(name: str, values: Iterable[float], dtype: str) -> None:
    """Raise `NetdslError` if a number of a constant is too large for the model's type."""
    if dtype not in LARGEST:
        return
    finite = [abs(value) for value in values if isfinite(value)]
    if any(_is_too_large(value, dtype) for value in finite):
        fail_overflow(name, max(finite), dtype)


def _is_too_large(value: float, dtype: str) -> bool:
    """Whether a positive number becomes infinite when it is rounded."""
    if dtype == "bfloat16":
        return bfloat16_bits(value) == 0x7F80
    return value >= 65520  # halfway between the largest number and the next one


def fail_overflow(name: str, number: float, dtype: str) -> NoReturn:
    """Raise the error about a number of a tensor that is too large for the model's type."""
    advice = "export as float32"
    if dtype == "float16":
        advice += (
            ", or as bfloat16, whose largest number is close to that of float32 (`--bf16`, in "
            'Python `dtype="bfloat16"`)'
        )
    raise NetdslError(
        "weights-overflow",
        f"`{name}` has numbers up to {number:g}, but the largest {dtype} is {LARGEST[dtype]:g}",
        help=advice,
    )
