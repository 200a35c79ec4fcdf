"""What the back ends hand to an op, and what a lowering to PyTorch is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


class Lowered(NamedTuple):
    """A layer in PyTorch: the constructor of its module, if it has one, and the call, with {m} for the module and {0}, {1} for inputs."""

    module: str | None
    call: str
    uses: str | None = None  # the name in `modules` that the text refers to

    @property
    def plain(self) -> bool:
        """Whether the layer is just its module called on one input: it can stand in an `nn.Sequential`."""
        return self.module is not None and self.call == "{m}({0})"

    def padded(self, pairs: tuple[tuple[int, int], ...]) -> Lowered:
        """The same with zeros put around its input, which `nn` cannot do unevenly."""
        flat = tuple(v for pair in reversed(pairs) for v in pair)
        return self._replace(call=f"{{m}}(F.pad({{0}}, {flat}))")

    def with_keyword(self, name: str, *, value: object) -> Lowered:
        """The same with one more constructor argument."""
        assert self.module is not None
        return self._replace(module=f"{self.module[:-1]}, {name}={value!r})")

    def with_call(self, call: str) -> Lowered:
        """The same with another call."""
        return self._replace(call=call)


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


class Recorder(Protocol):
    """Writes PyTorch source. Keywords are (value, default) pairs: those at their default are left out."""

    def module(self, name: str, *args: object, **pairs: tuple[object, object]) -> Lowered:
        """A module of `torch.nn`."""

    def custom(self, name: str, *args: object) -> Lowered:
        """A module of `netdsl.backends.torch.modules`."""

    def inline(self, text: str) -> Lowered:
        """An expression over the inputs, which are {0}, {1}, ..."""

    def helper(self, name: str, *arguments: object) -> Lowered:
        """A function of `netdsl.backends.torch.modules`, with texts as its arguments."""
