"""What an op is: the questions that every layer kind answers.

The graph and the back ends know layers only by this class; the kinds are in `netdsl.ops`. Shapes
have no batch dimension: C x H x W for images, T x D for sequences, D for vectors.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from fractions import Fraction

    from netdsl.ir.lowering import Emitter, Recorder
    from netdsl.ir.types import Sym, TensorType

REQUIRED = object()


class Param(NamedTuple):
    """A tensor that a layer owns: its shape and how it starts (see `netdsl/ops/init.py` for the names)."""

    shape: tuple[int, ...]
    init: str = "zeros"
    values: tuple[float, ...] = ()

    @property
    def size(self) -> int:
        """The number of elements."""
        return prod(self.shape)


class Arg:
    """One argument of a layer kind."""

    __slots__ = ("choices", "convert", "default", "doc", "max", "min", "name")

    def __init__(self, convert: Callable[[object], Any], default: object, doc: str, min: float | None, max: float | None, choices: tuple[str, ...] | None) -> None:
        self.convert = convert
        self.default = default
        self.doc = doc
        self.min = min
        self.max = max
        self.choices = choices
        self.name = ""

    @property
    def required(self) -> bool:
        """Whether a call must give it."""
        return self.default is REQUIRED


class Window(NamedTuple):
    """How a layer looks at its input along one axis: `extent` inputs for one output, `stride` apart, from `-pad` on.

    `stride` below 1 is written as a fraction of two integers: `stride / up`; `pad` may be a fraction there, and the inputs are
    those from the next integer on.
    """

    extent: int = 1
    stride: int = 1
    pad: int | Fraction = 0
    up: int = 1


class Op:
    """Base of all layer kinds."""

    kind: ClassVar[str]
    family: ClassVar[str]
    args: ClassVar[tuple[Arg, ...]] = ()
    examples: ClassVar[tuple[tuple[str, str], ...]] = ()
    inputs: ClassVar[tuple[int, int]] = (1, 1)  # how few and how many tensors it takes
    multiplies: ClassVar[bool] = False  # whether it counts MACs: a layer that has weights in the papers' sense
    any_dtype: ClassVar[bool] = False  # whether it moves elements only, of whatever type
    is_global: ClassVar[bool] = False  # whether every output depends on the whole input

    def __init__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)

    @property
    def given(self) -> dict[str, Any]:
        """The arguments by name."""
        return {a.name: getattr(self, a.name) for a in self.args}

    # ---- the questions that a kind answers

    def infer(self, *xs: TensorType) -> TensorType:
        """The type of the result; raises `OpError`. Elementwise unless overridden."""
        return xs[0]

    def params(self, *xs: TensorType) -> dict[str, Param]:
        """The learned tensors by their PyTorch names."""
        return {}

    def buffers(self, *xs: TensorType) -> dict[str, Param]:
        """The stored tensors that are not learned."""
        return {}

    def macs(self, y: TensorType, *xs: TensorType) -> int | Sym:
        """Multiply-accumulates for one sample."""
        return 0

    def torch(self, t: Recorder, *xs: TensorType) -> Any:
        """The PyTorch lowering: `t.module(...)` or `t.inline(...)`."""
        raise NotImplementedError(self.kind)

    def onnx(self, g: Emitter, *xs: Any) -> str:
        """The ONNX lowering: emits nodes through `g` and returns the name of the result."""
        raise NotImplementedError(self.kind)

    # ---- what most kinds leave as it is

    def equalities(self, *xs: TensorType) -> list[tuple[int | Sym, int | Sym]]:
        """Pairs of sizes that must be equal, where they are open."""
        return []

    def nonnegative(self, *xs: TensorType) -> list[int | Sym]:
        """Sizes that must not be below 0, where they are open; every size of a result is at least 1 in any case."""
        return []

    def windows(self, *xs: TensorType) -> tuple[Window, ...]:
        """The windows along the spatial axes, for receptive fields."""
        return tuple(Window() for _ in xs[0].spatial)

    def weights(self, *xs: TensorType) -> int:
        """Weights without biases, of the layers that multiply."""
        if not self.multiplies:
            return 0
        return sum(p.size for name, p in self.params(*xs).items() if not name.startswith("bias"))
