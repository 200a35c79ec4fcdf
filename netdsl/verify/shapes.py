"""Compares the shape that a witness finds for a result of a node with its type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.verify.numbers import shape_of
from netdsl.verify.report import Difference

if TYPE_CHECKING:
    from netdsl.analysis.sizes import Sizes
    from netdsl.ir.graph import Value

INFERENCE = "ONNX's inference"


def compare_shape(
    value: Value, batch: int, sizes: Sizes, witness: str, shape: tuple[int, ...]
) -> Difference | None:
    """The difference between the shape that a witness finds for a layer's result and its type.

    ONNX's inference may leave sizes open.
    """
    wanted = shape_of(value, batch, sizes)
    if shape == wanted or (witness == INFERENCE and _leaves_open(shape, wanted)):
        return None
    setting = "".join(f", {symbol} = {size}" for symbol, size in sizes.items())
    return Difference(
        "shapes-differ",
        f"the shape differs in {witness} at a batch of {batch}{setting}",
        {"the type has": shape_words(wanted), f"{witness} has": shape_words(shape)},
        value.producer,
    )


def _leaves_open(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether an inferred shape agrees except for open sizes: it is empty, or has zeros."""
    if not shape:
        return True
    if len(shape) != len(wanted):
        return False
    return all(size in (0, right) for size, right in zip(shape, wanted, strict=True))


def shape_words(shape: tuple[int, ...]) -> str:
    """A shape in a message: `2x3x8`."""
    return "x".join(map(str, shape)) or "a scalar"
