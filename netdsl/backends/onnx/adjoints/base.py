"""What a rule for the gradient of an operator takes and gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from netdsl.backends.onnx.application import Numbers

Thunk = Callable[[], str]


class Made(NamedTuple):
    """A node of the forward pass: the names of its inputs and results, and its attributes."""

    operator: str
    x: list[str]
    y: list[str]
    attributes: dict[str, Any]

    def get(self, name: str, default: Any) -> Any:
        """An attribute, or its default."""
        return self.attributes.get(name, default)


class Adjoint(Protocol):
    """The emitter of a backward pass, as the rules use it."""

    has_poles: bool  # whether a gradient can be infinite, as that of a root of 0

    def op(self, op_type: str, *inputs: str, **attributes: object) -> str:
        """Add a node; returns the name of its result."""

    def several(self, op_type: str, count: int, *inputs: str, **attributes: object) -> list[str]:
        """Add a node with several results; returns their names."""

    def ints(self, values: int | Sequence[int]) -> str:
        """A constant of 64-bit integers: a scalar, or a vector."""

    def floats(self, values: float | Sequence[float]) -> str:
        """A constant of floats: a scalar, or a vector."""

    def array(self, numbers: Numbers) -> str:
        """A constant of any shape."""

    def shape(self, name: str) -> tuple[int, ...]:
        """The sizes of a value, with the batch."""

    def known(self, name: str) -> Numbers | None:
        """The numbers of a value that is a constant."""

    def reduced(self, value: str, shape: Sequence[int]) -> str:
        """The sum of a value over the axes along which `shape` was broadcast to it."""

    def zeros(self, shape: Sequence[int]) -> str:
        """A value of zeros."""

    def loop(
        self, inputs: Sequence[str], shapes: Sequence[tuple[int, ...]], **attributes: object
    ) -> list[str]:
        """Add a `Scan` whose results are floats of these shapes; returns their names."""


Rule = Callable[[Adjoint, Made, Sequence[str | None]], Sequence[Thunk | None]]
Simple = Callable[[Adjoint, Made, str], Sequence[Thunk | None]]


def of_one(rule: Simple) -> Rule:
    """A rule for an operator with one result."""

    def whole(g: Adjoint, node: Made, gradients: Sequence[str | None]) -> Sequence[Thunk | None]:
        [dy] = gradients
        assert dy is not None
        return rule(g, node, dy)

    return whole
