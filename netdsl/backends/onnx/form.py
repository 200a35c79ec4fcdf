"""How a graph is to be written as ONNX: the choices of an export."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from netdsl.ops.args import clipped

OPSET = 20
OPSETS = range(18, 24)
DTYPES = ("float32", "float16", "bfloat16")
BFLOAT16_OPSET = 22  # where convolution takes it


class Pixels(NamedTuple):
    """Pictures as bytes, N x H x W x C of any size, as the model's input: what normalises them, a
    number for each channel.
    """

    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Form:
    """`fold` takes batch norms into the layers before them; `dtype` is that of weights and
    arithmetic, and with `keep_io` not that of inputs and outputs; `pixels` puts what prepares a
    picture into the graph; `functions` makes each block an ONNX function.

    Raises `ValueError` for an opset or a type that cannot be written.
    """

    opset: int = OPSET
    dtype: str = "float32"
    fold: bool = False
    keep_io: bool = False
    pixels: Pixels | None = None
    functions: bool = False

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            allowed = ", ".join(DTYPES)
            raise ValueError(f"dtype {self.dtype!r} is not supported; it can be {allowed}")
        if self.opset not in OPSETS:
            allowed = f"{OPSETS[0]} to {OPSETS[-1]}"
            raise ValueError(f"opset {clipped(self.opset)} is not supported; it can be {allowed}")
        if self.dtype == "bfloat16" and self.opset < BFLOAT16_OPSET:
            raise ValueError(
                f"bfloat16 needs opset {BFLOAT16_OPSET} or newer, found {self.opset}: "
                "convolutions have no bfloat16 before"
            )
