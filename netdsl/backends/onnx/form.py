"""The options of an export to ONNX."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from netdsl.limits import MAX_DIM
from netdsl.ops.args import clipped

OPSET = 20
OPSETS = range(18, 24)
DTYPES = ("float32", "float16", "bfloat16")
BFLOAT16_OPSET = 22  # the first in which convolutions take bfloat16


class Pixels(NamedTuple):
    """How a model normalises pictures that it takes as bytes, N x H x W x C of any size.

    There is one number for each channel, or one for all of them. Without numbers, the mean is 0 and
    the standard deviation 1.
    """

    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Form:
    """How a graph is written as ONNX.

    - `fold` merges batch norms into the layers before them.
    - `dtype` is the type of weights, arithmetic, inputs and outputs; with `keep_io`, inputs and
      outputs stay float32.
    - `pixels` makes the preparation of pictures a part of the graph.
    - `functions` makes each block an ONNX function.
    - `batch` is the number of samples that the model takes, or None if it takes any number.

    Raises `ValueError` for an opset, a type or a batch that cannot be written.
    """

    opset: int = OPSET
    dtype: str = "float32"
    fold: bool = False
    keep_io: bool = False
    pixels: Pixels | None = None
    functions: bool = False
    batch: int | None = None

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            allowed = ", ".join(DTYPES)
            raise ValueError(f"dtype {self.dtype!r} is not supported; it can be {allowed}")
        if self.opset not in OPSETS:
            allowed = f"{OPSETS[0]} to {OPSETS[-1]}"
            raise ValueError(f"opset {clipped(self.opset)} is not supported; it can be {allowed}")
        if self.batch is not None and not 1 <= self.batch <= MAX_DIM:
            found = clipped(self.batch)
            raise ValueError(f"batch {found} is not supported; it can be 1 to {MAX_DIM:,}")
        if self.dtype == "bfloat16" and self.opset < BFLOAT16_OPSET:
            raise ValueError(
                f"bfloat16 needs opset {BFLOAT16_OPSET} or newer, found {self.opset}: "
                "older convolutions do not take bfloat16"
            )
