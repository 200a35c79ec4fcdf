"""Advice for arrays of integers that are pictures, in another shape or another type."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from netdsl.ir.types import shape_text

if TYPE_CHECKING:
    from netdsl.data.dataset import Dataset
    from netdsl.ir.graph import Value
    from netdsl.ir.types import Sym

_LARGEST = 255  # of a byte
_AXES = 3  # channels, height and width


def is_picture(shape: tuple[int | Sym, ...]) -> bool:
    """Whether an input takes grey or colour pictures of a fixed size."""
    return len(shape) == _AXES and shape[0] in (1, 3) and all(isinstance(n, int) for n in shape)


def as_picture(dataset: Dataset, name: str, value: Value) -> tuple[str, str]:
    """The message and the help for an array of integers whose samples are to be such pictures."""
    column, takes = dataset.train.inputs[name], value.type.shape
    own = f"`{name}` of {dataset.name}"
    numbers = column.read(next(iter(column.pieces())))
    stored = f"store bytes, which are scaled and normalised: `{name}.astype('uint8')`"
    if numbers.min() < 0 or numbers.max() > _LARGEST:
        stored = f"store the array as float32: `{name}.astype('float32')`"
    if column.shape == takes:
        return f"{own} has {column.dtype}, but the input `{value.name}` is float32", stored
    message = f"the samples of {own} are {shape_text(column.shape)}, but the net takes {value.type}"
    help_ = "store pictures of this shape"
    if prod(column.shape) == prod(int(str(n)) for n in takes):
        help_ = f"store them in this shape: `{name}.reshape(-1, {', '.join(map(str, takes))})`"
    return message, help_
