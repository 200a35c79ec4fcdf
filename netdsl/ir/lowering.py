"""What the back ends and `verify` hand to an op, and what a lowering to PyTorch is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.ir.rounding import Bound, Known, Tensor
    from netdsl.ir.types import TensorType


class Lowered(NamedTuple):
    """A layer in PyTorch: the constructor of its module, if it has one, and the call, with {m} for
    the module and {0}, {1} for inputs.
    """

    module: str | None
    call: str
    uses: str | None = None  # the name in `modules` that the text refers to

    @property
    def plain(self) -> bool:
        """Whether the layer is just its module called on one input: it can stand in an
        `nn.Sequential`.
        """
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


class TypedName(str):
    """The name of a value in an ONNX graph, with its type (without the batch dimension)."""

    __slots__ = ("type",)

    type: TensorType

    @classmethod
    def of(cls, name: str, type: TensorType) -> TypedName:
        """The name with that type."""
        typed = cls(name)
        typed.type = type
        return typed


class Emitter(Protocol):
    """Makes nodes, constants and the names of weights; every value is known by its name."""

    def op(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """Add a node; returns the name of its result."""

    def pad(
        self, x: str, pairs: Sequence[tuple[int, int]], value: str, mode: str = "constant"
    ) -> str:
        """A border around every axis but the batch's, of the (begin, end) widths given."""

    def param(self, name: str) -> str:
        """The initialiser of a weight or buffer of this layer."""

    def ints(self, values: Sequence[int]) -> str:
        """A constant of 64-bit integers."""

    def floats(self, values: float | Sequence[float]) -> str:
        """A constant of floats: a scalar, or a vector."""

    def scales(self, values: Sequence[float]) -> str:
        """A constant vector that is float32 whatever the model's precision, as `Resize` wants its
        factors.
        """


class Recorder(Protocol):
    """Writes PyTorch source.

    Keywords are (value, default) pairs: those at their default are left out.
    """

    def module(self, name: str, *args: object, **pairs: tuple[object, object]) -> Lowered:
        """A module of `torch.nn`."""

    def custom(self, name: str, *args: object) -> Lowered:
        """A module of `netdsl.backends.torch.modules`."""

    def inline(self, text: str) -> Lowered:
        """An expression over the inputs, which are {0}, {1}, ..."""

    def helper(self, name: str, *arguments: object) -> Lowered:
        """A function of `netdsl.backends.torch.modules`, with texts as its arguments."""


class Evaluation(Protocol):
    """A layer in double precision. Nothing is computed before it is asked for."""

    types: tuple[TensorType, ...]  # of the inputs

    @property
    def xs(self) -> list[Tensor]:
        """The inputs."""

    @property
    def x(self) -> Tensor:
        """The first input."""

    @property
    def y(self) -> Tensor:
        """The value that the module computes."""

    @property
    def module(self) -> Any:
        """The module, with its weights."""

    @property
    def weights(self) -> list[Tensor]:
        """The weights and buffers of more than one axis, in single precision."""

    def bound(self, rounding: Tensor, underflow: Tensor | float) -> Bound:
        """A bound, from units for each element or one number of units for all of them."""

    def again(self, x: Tensor) -> Tensor:
        """The layer applied to another input."""

    def of_absolute_values(self) -> Tensor:
        """The layer with the absolute values of its input and weights, in single precision."""

    def mean(self, x: Tensor, window: tuple[int, ...]) -> Tensor:
        """The mean of each window, which moves by its own size."""

    def per_channel(self, tensor: Tensor) -> Tensor:
        """A vector with a number for each channel, shaped to meet the input."""

    def joined(self, parts: Sequence[Known], axis: int) -> Known:
        """Several numbers joined into one along an axis."""
