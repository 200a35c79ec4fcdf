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

    from netdsl.ir.lowering import Emitter, Evaluation, Lowered, Recorder, TypedName
    from netdsl.ir.rounding import Bound
    from netdsl.ir.types import Sym, TensorType

REQUIRED = object()


class Param(NamedTuple):
    """A tensor that a layer owns: its shape and how it starts (see `netdsl/ops/init.py`).

    `role` is what the numbers are for, from which `verify` takes the scale of random ones:

    - empty: a matrix or kernel that keeps the scale of the values, or a scale around 1
    - value: numbers that become elements of the result
    - code: numbers that are compared with the input, and have its scale
    - state: a matrix that a recurrent layer applies at every step
    - after-norm: a matrix whose input has scale 1 whatever the scale of the layer's input
    - slope: a factor of negative values
    """

    shape: tuple[int, ...]
    init: str = "zeros"
    values: tuple[float, ...] = ()
    role: str = ""

    @property
    def size(self) -> int:
        """The number of elements."""
        return prod(self.shape)


class Arg:
    """One argument of a layer kind."""

    __slots__ = ("choices", "convert", "default", "doc", "max", "min", "name")

    def __init__(
        self,
        convert: Callable[[object], Any],
        default: object,
        doc: str,
        min: float | None,
        max: float | None,
        choices: tuple[str, ...] | None,
    ) -> None:
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
    """How a layer looks at its input along one axis:

    `extent` inputs for one output, `stride` apart, from `-pad` on.

    `stride` below 1 is written as a fraction of two integers: `stride / up`; `pad` may be a
    fraction there, and the inputs are those from the next integer on.
    """

    extent: int = 1
    stride: int = 1
    pad: int | Fraction = 0
    up: int = 1


class Sort(NamedTuple):
    """What the numbers of an input are, so that random ones make sense to the layer."""

    name: str
    extent: float = 1.0

    @property
    def is_place(self) -> bool:
        """Whether the numbers are places from which the layer takes values of its result."""
        return self.name in ("indices", "boxes")


NUMBERS = Sort("numbers")
EDGE_WEIGHTS = Sort("edge weights")  # V x V, symmetric, from 0 on
ADJACENCY = Sort("adjacency")  # V x V, symmetric, zeros and ones
LAPLACIAN = Sort("laplacian")  # V x V, symmetric, scaled to a norm of at most 1


def indices(count: int) -> Sort:
    """Integers from 0 to count - 1."""
    return Sort("indices", count)


def boxes(scale: float) -> Sort:
    """x1, y1, x2, y2 in pixels of an image, of which the first input is `scale` times the size."""
    return Sort("boxes", scale)


class Needs(NamedTuple):
    """What open sizes must satisfy: pairs that are equal, and sizes that are not below 0."""

    equal: list[tuple[int | Sym, int | Sym]]
    nonnegative: list[Sym]


class Op:
    """Base of all layer kinds."""

    kind: ClassVar[str]
    family: ClassVar[str]
    args: ClassVar[tuple[Arg, ...]] = ()
    examples: ClassVar[tuple[tuple[str, str], ...]] = ()
    inputs: ClassVar[tuple[int, int]] = (1, 1)  # how few and how many tensors it takes
    multiplies: ClassVar[bool] = (
        False  # whether it counts MACs: a layer that has weights in the papers' sense
    )
    any_dtype: ClassVar[bool] = False  # whether it moves elements only, of whatever type
    is_global: ClassVar[bool] = False  # whether every output depends on the whole input
    squares: ClassVar[bool] = False  # whether its MACs are squares of differences
    fused: ClassVar[bool] = False  # whether PyTorch has one operator for all of its products

    _needs: Needs | None = None  # where `infer` writes what it requires of open sizes

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

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        """The PyTorch lowering: `t.module(...)` or `t.inline(...)`."""
        raise NotImplementedError(self.kind)

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        """The ONNX lowering: emits nodes through `g` and returns the name of the result."""
        raise NotImplementedError(self.kind)

    # How far float32 may be off. The rule of a result that is exact returns None, and evaluates
    # nothing. The docstring of a rule gives its formula.
    def rounding(self, e: Evaluation, /) -> Bound | None:
        """`abs(y)` plus the largest value of the layer.

        Underflow: `2`.
        """
        largest = e.y.abs().amax() if e.y.numel() else e.y.new_zeros(())
        return e.bound(e.y.abs() + largest, 2)

    # ---- what `infer` requires of sizes

    def needs_equal(self, a: int | Sym, b: int | Sym) -> bool:
        """Require two sizes to be equal. False if they differ whatever the open sizes are."""
        difference = a - b
        if isinstance(difference, int):
            return difference == 0
        if self._needs is not None:
            self._needs.equal.append((a, b))
        return True

    def needs_at_least(self, size: int | Sym, least: int | Sym) -> bool:
        """Require a size to be that large. False if it is smaller whatever the open sizes are.

        Every size of a result is at least 1 in any case.
        """
        room = size - least
        if isinstance(room, int):
            return room >= 0
        if self._needs is not None:
            self._needs.nonnegative.append(room)
        return True

    def inferred(self, *xs: TensorType) -> tuple[TensorType, Needs]:
        """The type of the result, and what `infer` requires of open sizes."""
        needs = Needs([], [])
        # Ops are shared, so the needs for these inputs are written to a copy.
        return type(self)({**vars(self), "_needs": needs}).infer(*xs), needs

    # ---- what most kinds leave as it is

    def sorts(self) -> tuple[Sort, ...]:
        """What the numbers of each input are; any numbers for inputs beyond these."""
        return ()

    def windows(self, *xs: TensorType) -> tuple[Window, ...]:
        """The windows along the spatial axes, for receptive fields."""
        return tuple(Window() for _ in xs[0].spatial)

    def weights(self, *xs: TensorType) -> int:
        """Weights without biases, of the layers that multiply."""
        if not self.multiplies:
            return 0
        return sum(p.size for name, p in self.params(*xs).items() if not name.startswith("bias"))
