"""Converts PyTorch tensors and NumPy arrays to the numbers of a net: finite float32 arrays."""

from __future__ import annotations

import sys
from typing import Any, NoReturn

import ml_dtypes
import numpy as np

from netdsl.errors import NetdslError

LARGEST = float(np.finfo(np.float32).max)
VARIANCE = "running_var"
TRACKED = "num_batches_tracked"  # a buffer that PyTorch saves and nothing uses
_OWN = {  # types of PyTorch that NumPy does not have
    "torch.bfloat16": np.dtype(ml_dtypes.bfloat16),
    "torch.float8_e4m3fn": np.dtype(ml_dtypes.float8_e4m3fn),
    "torch.float8_e5m2": np.dtype(ml_dtypes.float8_e5m2),
}


def is_tensor(value: object) -> bool:
    """Whether a value is a tensor of PyTorch, which need not be loaded: a tensor has loaded it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def as_array(value: Any) -> Any:
    """A tensor as an array, which shares its memory if it can; an array as it is.

    Raises `TypeError` for a tensor that is no plain array of numbers; the text is what it is.
    """
    if not is_tensor(value):
        return value
    own = _OWN.get(str(value.dtype))
    try:
        if own is None:
            return value.numpy(force=True)
        return value.detach().cpu().view(dtype=_whole(own.itemsize)).numpy().view(own)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(_described(value)) from error


def _whole(itemsize: int) -> Any:
    """PyTorch's type of whole numbers of 1 or 2 bytes."""
    import torch  # whoever has a tensor has loaded it already

    return torch.uint8 if itemsize == 1 else torch.int16


def _described(tensor: Any) -> str:
    """What a tensor is that has no array."""
    if tensor.is_nested:
        return "a nested tensor"
    if "sparse" in str(tensor.layout):
        return "a sparse tensor"
    if tensor.is_quantized:
        return "a quantised tensor"
    if tensor.is_meta:
        return "a tensor without numbers, on the device `meta`"
    return f"a {type(tensor).__name__} of {tensor.dtype}, which cannot be converted to an array"


def is_float(dtype: np.dtype[Any]) -> bool:
    """Whether an element type, of NumPy or of another library, is a float type."""
    return dtype.kind == "f" or dtype in _OWN.values()


def as_float32(name: str, values: Any, *, allow_nonfinite: bool = False) -> Any:
    """The numbers of a tensor as float32.

    Raises `NetdslError` for variances below 0, and for numbers that are not finite as float32
    unless they are allowed.
    """
    with np.errstate(over="ignore"):
        made = np.asarray(values, np.float32)
    if not allow_nonfinite and not np.isfinite(made).all():
        _fail_nonfinite(name, np.asarray(values)[~np.isfinite(made)].ravel()[0])
    if name.endswith(VARIANCE) and (made < 0).any():
        raise NetdslError(
            "negative-variance",
            f"`{name}` has the variance {made[made < 0][0]:g}, below 0",
            help=(
                "these are not the statistics of a batch norm: the file is damaged, or was not "
                "trained to its end"
            ),
        )
    return made


def _fail_nonfinite(name: str, value: Any) -> NoReturn:
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
