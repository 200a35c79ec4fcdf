"""Converts PyTorch tensors and NumPy arrays to the numbers of a net: finite float32 arrays."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from netdsl.errors import NetdslError
from netdsl.weights.dtypes import DTYPES, EXTENSIONS, largest

if TYPE_CHECKING:
    import torch
    from typing_extensions import TypeIs

    from netdsl.arrays import StoredArray

    Array = np.ndarray | StoredArray

LARGEST = largest(DTYPES["float32"])
VARIANCE = "running_var"


def is_tensor(value: object) -> TypeIs[torch.Tensor]:
    """Whether a value is a tensor of PyTorch.

    This does not import PyTorch: before the program imports it, there are no tensors.
    """
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def as_array(value: torch.Tensor | Array) -> Array:
    """A tensor as `array_of` gives it; an array as it is."""
    return array_of(value) if is_tensor(value) else value


def array_of(tensor: torch.Tensor) -> np.ndarray:
    """A tensor as an array, which shares its memory where possible.

    Raises `TypeError` for a tensor that cannot be an array; its text describes the tensor.
    """
    extension = EXTENSIONS.get(str(tensor.dtype).removeprefix("torch."))
    array: np.ndarray
    try:
        if extension is None:
            array = tensor.numpy(force=True)
        else:
            bits = tensor.detach().cpu().view(dtype=_bits_type(extension.itemsize))
            array = bits.numpy().view(extension)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(_description(tensor)) from error
    return array


def _bits_type(itemsize: int) -> torch.dtype:
    """PyTorch's type of integers that have 1 or 2 bytes."""
    import torch  # already imported, because there is a tensor

    return torch.uint8 if itemsize == 1 else torch.int16


def _description(tensor: torch.Tensor) -> str:
    """What kind of tensor this is, for one that cannot be an array."""
    if tensor.is_nested:
        return "a nested tensor"
    if "sparse" in str(tensor.layout):
        return "a sparse tensor"
    if tensor.is_quantized:
        return "a quantised tensor"
    if tensor.is_meta:
        return "a tensor without numbers, on the device `meta`"
    return f"a {type(tensor).__name__} of {tensor.dtype}, which cannot be converted to an array"


def as_float32(name: str, values: Array, *, allow_nonfinite: bool = False) -> np.ndarray:
    """The numbers of a tensor as float32.

    Raises `NetdslError` for variances below 0, and for numbers that are not finite as float32
    unless they are allowed.
    """
    with np.errstate(over="ignore"):
        numbers = np.asarray(values, np.float32)
    if not allow_nonfinite and not np.isfinite(numbers).all():
        _fail_nonfinite(name, np.asarray(values)[~np.isfinite(numbers)].ravel()[0])
    if name.endswith(VARIANCE) and (numbers < 0).any():
        raise NetdslError(
            "negative-variance",
            f"`{name}` has the variance {numbers[numbers < 0][0]:g}, below 0",
            help="these cannot be the statistics of a batch norm: the file may be damaged",
        )
    return numbers


def _fail_nonfinite(name: str, value: float) -> NoReturn:
    number = float(value)
    beyond = f", beyond {LARGEST:g}, the largest float32" if np.isfinite(number) else ""
    raise NetdslError(
        "not-finite",
        f"`{name}` has the number {number:g}{beyond}",
        help=(
            "check the training that produced it; --allow-nonfinite accepts it as it is, in Python "
            "`allow_nonfinite=True`"
        ),
    )
