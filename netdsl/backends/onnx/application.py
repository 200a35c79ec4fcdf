"""What is known of an operator before its node is added: its inputs and its attributes."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Numbers(NamedTuple):
    """A constant: its numbers in row-major order, and their type and shape."""

    values: tuple[float, ...]
    shape: tuple[int, ...]
    dtype: str = "float32"

    @classmethod
    def vector(cls, values: Sequence[int]) -> Numbers:
        """A vector of 64-bit integers."""
        return cls(tuple(values), (len(values),), "int64")

    @classmethod
    def matrix(cls, rows: Sequence[Sequence[float]], shape: tuple[int, ...] = ()) -> Numbers:
        """Rows of float32 with this shape, by default that of the rows."""
        values = tuple(number for row in rows for number in row)
        return cls(values, shape or (len(rows), len(rows[0])))

    def ints(self) -> list[int]:
        """The numbers as integers."""
        return [int(value) for value in self.values]


class UnknownShapeError(Exception):
    """The shape of a result is not known; the text is a predicate about the layer."""


class TensorKind(NamedTuple):
    """The element type of a value, as ONNX numbers them, and its sizes with the batch."""

    element: int
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """The number of elements."""
        return prod(self.shape)


class Application(NamedTuple):
    """An operator, the kinds of its inputs and their numbers if they are constants.

    Inputs that are left out are None.
    """

    operator: str
    kinds: list[TensorKind | None]
    numbers: list[Numbers | None]
    attributes: Mapping[str, Any]
    results: int  # their number

    def get(self, name: str, default: Any) -> Any:
        """An attribute, or its default."""
        return self.attributes.get(name, default)

    def x(self, number: int = 0) -> TensorKind:
        """The kind of an input that is given."""
        kind = self.kinds[number]
        assert kind is not None, f"{self.operator} needs input {number}"
        return kind

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the first input."""
        return self.x().shape

    def ints(self, number: int, otherwise: Sequence[int] = ()) -> list[int]:
        """The numbers of an input, or others if it is left out; raises as `constant`."""
        numbers = self.constant(number)
        if numbers is None:
            return [*otherwise]
        return numbers.ints()

    def constant(self, number: int) -> Numbers | None:
        """An input, None if it is left out; raises `UnknownShapeError` if it is no constant."""
        if number >= len(self.kinds) or self.kinds[number] is None:
            return None
        numbers = self.numbers[number]
        if numbers is None:
            raise UnknownShapeError(f"computes the shape of a result of ONNX's {self.operator}")
        return numbers
