"""Converts PyTorch tensors and NumPy arrays to the numbers of a net: finite float32 arrays."""

from __future__ import annotations

from typing import Any, NoReturn

import ml_dtypes
import numpy as np

from netdsl.errors import NetdslError

LARGEST = float(np.finfo(np.float32).max)
VARIANCE = "running_var"
TRACKED = "num_batches_tracked"  # a buffer that PyTorch saves and nothing uses
_FLOATS = tuple(
    np.dtype(t) for t in (ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2)
)


def as_array(value: Any) -> Any:
    """A tensor as an array that shares its memory; NumPy has no bfloat16 of its own."""
    if not hasattr(value, "detach"):
        return value
    tensor = value.detach().cpu()
    if str(tensor.dtype) == "torch.bfloat16":
        import torch  # whoever has a tensor has loaded it already

        return tensor.view(dtype=torch.int16).numpy().view(ml_dtypes.bfloat16)
    return tensor.numpy()


def is_float(dtype: np.dtype[Any]) -> bool:
    """Whether an element type, of NumPy or of another library, is a float type."""
    return dtype.kind == "f" or dtype in _FLOATS


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
            help="these are not the statistics of a batch norm: the file is damaged, or was not "
            "trained to its end",
        )
    return made


def _fail_nonfinite(name: str, value: Any) -> NoReturn:
    number = float(value)
    beyond = f", beyond {LARGEST:g}, the largest float32" if np.isfinite(number) else ""
    raise NetdslError(
        "not-finite",
        f"`{name}` has the number {number:g}{beyond}",
        help="check the training that produced it; --allow-nonfinite accepts it as it is, in Python "
        "`allow_nonfinite=True`",
    )
