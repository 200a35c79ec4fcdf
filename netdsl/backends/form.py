"""How a graph is to be written as ONNX: the choices of an export."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

OPSET = 20
OPSETS = range(18, 24)
BFLOAT16_OPSET = 22  # where convolution takes it


class Pixels(NamedTuple):
    """Pictures as bytes, N x H x W x C of any size, as the model's input: what normalises them, a number for each channel."""

    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Form:
    """`fold` takes batch norms into the layers before them; `dtype` is that of weights and arithmetic, and with `keep_io` not that
    of inputs and outputs; `pixels` puts what prepares a picture into the graph; `functions` makes each block an ONNX function.
    """

    opset: int = OPSET
    dtype: str = "float32"
    fold: bool = False
    keep_io: bool = False
    pixels: Pixels | None = None
    functions: bool = False
