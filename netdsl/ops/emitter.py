"""What `Op.onnx` is handed: the ONNX back end, as far as a layer knows it. For types alone; nothing loads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


class Emitter(Protocol):
    """Makes nodes, constants and the names of weights; every value is known by its name."""

    def op(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """Add a node; returns the name of its result."""

    def pad(self, x: str, pairs: Sequence[tuple[int, int]], value: str, mode: str = "constant") -> str:
        """A border around every axis but the batch's, of the (begin, end) widths given."""

    def param(self, name: str) -> str:
        """The initialiser of a weight or buffer of this layer."""

    def ints(self, values: Sequence[int]) -> str:
        """A constant of 64-bit integers."""

    def floats(self, values: float | Sequence[float]) -> str:
        """A constant of floats: a scalar, or a vector."""

    def scales(self, values: Sequence[float]) -> str:
        """A constant vector that is float32 whatever the model's precision, as `Resize` wants its factors."""
