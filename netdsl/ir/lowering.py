"""What the back ends and `verify` pass to an op, and a layer as PyTorch source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.ir.rounding import Bound, Known, Tensor
    from netdsl.ir.types import Sym, TensorType


class Lowered(NamedTuple):
    """A layer in PyTorch: the constructor of its module, if it has one, and the call.

    In the call, {m} is the module and {0}, {1} are the inputs. A layer that only stores a tensor
    has that tensor in place of a module; `store` is then "parameter" or "buffer".
    """

    module: str | None
    call: str
    uses: tuple[str, ...] = ()  # the names in `modules` that the text refers to
    store: str = "module"

    @property
    def plain(self) -> bool:
        """Whether it only calls its module on one input, so that `nn.Sequential` can contain it."""
        return self.module is not None and self.call == "{m}({0})"

    def with_input(self, text: str, uses: tuple[str, ...] = ()) -> Lowered:
        """The same applied to another input, which is written in terms of {0}."""
        return self._replace(call=self.call.replace("{0}", text), uses=self.uses + uses)

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
    """Adds nodes and constants to an ONNX graph; every value is referred to by its name."""

    def op(self, op_type: str, *inputs: str, **attributes: object) -> str:
        """Add a node; returns the name of its result."""

    def pad(
        self, x: str, pairs: Sequence[tuple[int, int]], value: str, mode: str = "constant"
    ) -> str:
        """Add a border of these (begin, end) widths along every axis except the batch."""

    def param(self, name: str) -> str:
        """The initialiser of a weight or buffer of this layer."""

    def ints(self, values: int | Sequence[int]) -> str:
        """A constant of 64-bit integers: a scalar, or a vector."""

    def sizes(self, values: Sequence[int | Sym]) -> str:
        """A vector of 64-bit integers; open sizes must be required with `needs_computed`."""

    def floats(self, values: float | Sequence[float]) -> str:
        """A constant of floats: a scalar, or a vector."""

    def scales(self, values: Sequence[float]) -> str:
        """A constant vector for the factors of `Resize`: float32 in models of any precision."""

    @property
    def results(self) -> tuple[str, ...]:
        """The names of the layer's further results that the net uses."""

    def several(self, op_type: str, count: int, *inputs: str, **attributes: object) -> list[str]:
        """Add a node with several results; returns their names."""

    def result(self, name: str, value: str) -> None:
        """Give a further result of the layer; its nodes must come before those of the result."""


class TrainingEmitter(Emitter, Protocol):
    """Adds the nodes of a layer in training; the batch and all sizes are known."""

    def shape(self, name: str) -> tuple[int, ...]:
        """The sizes of a value, with the batch."""

    def update(self, name: str, value: str) -> None:
        """Give the new value of a buffer of this layer."""

    def save(self, **values: str) -> None:
        """Keep values for the gradient of this layer."""

    def mask(self, shape: Sequence[int], p: float) -> str:
        """Random factors of that shape: 0 with probability p, and 1 / (1 - p) otherwise."""


class GradientEmitter(Emitter, Protocol):
    """Adds the nodes of a layer's gradients."""

    saved: dict[str, str]  # what the layer has kept

    def shape(self, name: str) -> tuple[int, ...]:
        """The sizes of a value, with the batch."""

    def wants(self, name: str) -> bool:
        """Whether the gradient of an input or a weight is needed."""

    def add(self, name: str, gradient: str) -> None:
        """Add to the gradient of an input or a weight; what was broadcast is summed up."""

    def derive(self) -> None:
        """Derive the gradients from those of the operators that the layer has emitted."""


class Recorder(Protocol):
    """Writes PyTorch source.

    Keywords are pairs (value, default); a value that is equal to its default is not written.
    """

    @property
    def results(self) -> tuple[str, ...]:
        """The names of the layer's further results that the net uses.

        If there are any, the call gives a tuple: the result, and then these.
        """

    def module(self, name: str, *args: object, **pairs: tuple[object, object]) -> Lowered:
        """A module of `torch.nn`."""

    def custom(self, name: str, *args: object) -> Lowered:
        """A module of `netdsl.backends.torch.modules`."""

    def parameter(self, shape: tuple[int, ...], call: str) -> Lowered:
        """A learned tensor, which {m} is in the call."""

    def buffer(
        self, values: Sequence[float], shape: tuple[int, ...], dtype: str, call: str
    ) -> Lowered:
        """A stored tensor with these numbers, which {m} is in the call."""

    def inline(self, text: str) -> Lowered:
        """An expression over the inputs, which are {0}, {1}, ..."""

    def size(self, value: int | Sym) -> str:
        """The expression of a size; an open one must be required with `needs_computed`."""

    def sizes(self, values: Sequence[int | Sym]) -> str:
        """The expression of a tuple of sizes."""

    def helper(self, name: str, *arguments: object) -> Lowered:
        """A call of a function of `netdsl.backends.torch.modules`."""


class Evaluation(Protocol):
    """A layer in double precision. Each value is computed when it is first used."""

    types: tuple[TensorType, ...]  # of the inputs
    results: tuple[str, ...]  # the names of the layer's further results that the net uses

    @property
    def xs(self) -> list[Tensor]:
        """The inputs, with a batch dimension."""

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
        """The weights and buffers with more than one axis, in single precision."""

    def bound(self, rounding: Tensor, underflow: Tensor | float) -> Bound:
        """A bound, in units, for each element; a number applies to all elements."""

    def again(self, x: Tensor) -> Tensor:
        """The layer applied to another input."""

    def of_absolute_values(self) -> Tensor:
        """The layer with the absolute values of its input and weights, in single precision."""

    def mean(self, x: Tensor, window: tuple[int, ...]) -> Tensor:
        """The mean of each window; windows do not overlap."""

    def per_channel(self, tensor: Tensor) -> Tensor:
        """A vector with one number for each channel, in a shape that broadcasts to the input."""

    def joined(self, parts: Sequence[Known], axis: int) -> Known:
        """Tensors with their bounds, concatenated along an axis."""
