"""The base class of layer kinds, with the questions that every kind answers.

The graph and the back ends use layers only through this class; the kinds are in `netdsl.ops`.
Shapes have no batch dimension: C x H x W for images, T x D for sequences, D for vectors.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

from netdsl.ir.signs import differ, is_nonnegative

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from fractions import Fraction

    from netdsl.ir.lowering import (
        Emitter,
        Evaluation,
        GradientEmitter,
        Lowered,
        Recorder,
        TrainingEmitter,
        TypedName,
    )
    from netdsl.ir.rounding import Bound
    from netdsl.ir.types import Sym, TensorType

T = TypeVar("T")
REQUIRED = object()
WINDOWED = ("convolution", "pooling")  # families of layers that move a window over a map
COUNTER = "num_batches_tracked"  # a buffer that PyTorch saves and nothing uses
CONSTANT = "const"  # the initialiser of a tensor that never changes


class Param(NamedTuple):
    """A tensor of a layer: its shape and its initial values (see `netdsl/ops/init.py`).

    `role` is what the numbers are for. It determines how `verify` scales random numbers:

    - an empty text: a matrix or kernel that keeps the scale of the values, or a scale around 1
    - value: numbers that become elements of the result
    - code: numbers that are compared with the input and have its scale
    - state: a matrix that a recurrent layer applies at every step
    - after-norm: a matrix whose input has scale 1, whatever the scale of the layer's input is
    - slope: a factor of negative values

    `tied` is the name of the weight of an earlier layer, if the tensor is that weight.
    """

    shape: tuple[int, ...]
    init: str = "zeros"
    values: tuple[float, ...] = ()
    role: str = ""
    tied: str = ""
    dtype: str = "float32"

    @property
    def size(self) -> int:
        """The number of elements."""
        return prod(self.shape)

    @property
    def is_constant(self) -> bool:
        """Whether its numbers are those of the text, whatever a checkpoint contains."""
        return self.init == CONSTANT


class Weight:
    """A weight of an earlier layer as a value, such as `@emb.weight`.

    `name` is its name in checkpoints.
    """

    __slots__ = ("name", "shape")
    type_word = "a weight"

    def __init__(self, name: str, shape: tuple[int, ...]) -> None:
        self.name = name
        self.shape = shape

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Weight) and (other.name, other.shape) == (self.name, self.shape)

    def __hash__(self) -> int:
        return hash(self.name)


class Arg:
    """One argument of a layer kind.

    `convert` checks a value and returns it as the layer takes it. An argument that is a tensor is a
    further input of the layer; `dtypes` are the element types that it may have.
    """

    __slots__ = ("choices", "convert", "default", "doc", "dtypes", "max", "min", "name")

    def __init__(
        self,
        convert: Callable[[object], Any],
        default: object,
        doc: str,
        min: float | None,
        max: float | None,
        choices: tuple[str, ...] | None,
        dtypes: tuple[str, ...] = (),
    ) -> None:
        self.convert = convert
        self.default = default
        self.doc = doc
        self.min = min
        self.max = max
        self.choices = choices
        self.dtypes = dtypes
        self.name = ""

    @property
    def required(self) -> bool:
        """Whether a call must give it."""
        return self.default is REQUIRED


def ratio(a: int | Fraction, b: int) -> int | Fraction:
    """The exact ratio a / b."""
    if a % b == 0:
        return a // b
    # Few layers need fractions, and the module is slow to import.
    from fractions import Fraction

    return Fraction(a, b)


class Window(NamedTuple):
    """The inputs that each output of a layer depends on along one axis.

    They are `extent` inputs, which begin at `-pad` for the first output and `stride / up` further
    on for each next output. If `up` is not 1, `pad` may be a fraction: the inputs then begin at the
    next integer.
    """

    extent: int = 1
    stride: int = 1
    pad: int | Fraction = 0
    up: int = 1


class Sort(NamedTuple):
    """What the numbers of an input are, so that random ones make sense for the layer."""

    name: str
    extent: float = 1.0

    @property
    def is_place(self) -> bool:
        """Whether the numbers are positions from which the layer reads the values of its result."""
        return self.name in ("indices", "boxes")


NUMBERS = Sort("numbers")
POSITIVE = Sort("positive numbers")
EDGE_WEIGHTS = Sort("edge weights")  # V x V, symmetric, from 0 on
ADJACENCY = Sort("adjacency")  # V x V, symmetric, zeros and ones
LAPLACIAN = Sort("laplacian")  # V x V, symmetric, scaled to a norm of at most 1


def indices(count: int) -> Sort:
    """Integers from 0 to count - 1."""
    return Sort("indices", count)


def boxes(scale: float) -> Sort:
    """x1, y1, x2, y2 in pixels of an image; the first input has `scale` times its size."""
    return Sort("boxes", scale)


class Needs(NamedTuple):
    """What a layer requires of open sizes.

    Pairs must be equal, some must not be below 0, and some must be `computed` from the sizes of
    tensors when the model runs.
    """

    equal: list[tuple[int | Sym, int | Sym]]
    nonnegative: list[Sym]
    computed: list[Sym]


class Op:
    """Base of all layer kinds."""

    kind: ClassVar[str]
    family: ClassVar[str]
    args: ClassVar[tuple[Arg, ...]] = ()
    examples: ClassVar[tuple[tuple[str, str], ...]] = ()
    inputs: ClassVar[tuple[int, int]] = (1, 1)  # the fewest and most tensors that it takes
    # Whether it multiplies its input by weights; `depth`, `units` and `weights` count these layers.
    multiplies: ClassVar[bool] = False
    # Whether expressions can call it, as in `exp(@x)`: it has no weights.
    is_function: ClassVar[bool] = False
    any_dtype: ClassVar[bool] = False  # whether it only moves elements, which may be of any type
    is_source: ClassVar[bool] = False  # whether it takes only sizes of its input, and no numbers
    is_global: ClassVar[bool] = False  # whether every output depends on the whole input
    squares: ClassVar[bool] = False  # whether its MACs are squares of differences
    fused: ClassVar[bool] = False  # whether one operator of PyTorch computes all products

    shows_arguments: ClassVar[bool] = True  # whether pictures describe its arguments

    _needs: Needs | None = None  # `infer` adds what it requires of open sizes

    def __init__(self, values: Mapping[str, object]) -> None:
        self.__dict__.update(values)

    @property
    def given(self) -> dict[str, Any]:
        """The arguments by name."""
        return {a.name: getattr(self, a.name) for a in self.args}

    def named(self, xs: Sequence[T]) -> dict[str, T]:
        """What belongs to the inputs that arguments give, by name; `xs` has it for every input.

        They are the last inputs, in the order of the arguments.
        """
        names = [a.name for a in self.args if a.dtypes and getattr(self, a.name)]
        return dict(zip(names, xs[len(xs) - len(names) :], strict=True))

    @property
    def is_counted(self) -> bool:
        """Whether its MACs are known."""
        return True

    # ---- the questions that a kind answers

    def infer(self, *xs: TensorType) -> TensorType:
        """The type of the result; raises `OpError`. Elementwise unless overridden."""
        return xs[0]

    def results(self, *xs: TensorType) -> dict[str, TensorType]:
        """The types of further results by name: the value `h` of the layer `enc` is `@enc.h`.

        `torch`, `onnx` and `rounding` are told which of them the net uses.
        """
        return {}

    def params(self, *xs: TensorType) -> dict[str, Param]:
        """The learned tensors by their PyTorch names.

        The name of a tensor is empty if it is not inside a module: it has the name of the layer.
        """
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

    def onnx_training(self, g: TrainingEmitter, *xs: TypedName) -> str:
        """The ONNX lowering of what the layer computes in training."""
        return self.onnx(g, *xs)

    def grad(self, g: GradientEmitter, dy: str, *xs: TypedName) -> None:
        """Emit the gradients of the inputs and weights, from that of the result.

        By default, they are derived from the operators that `onnx_training` emits. Raises `OpError`
        `no-gradient` if that is not possible.
        """
        g.derive()

    # The largest error of float32. The rule of a layer with an exact result returns None and
    # evaluates nothing. The docstring of a rule is its formula.
    def rounding(self, e: Evaluation, /) -> Bound | None:
        """`abs(y)` plus the largest value of the layer.

        Underflow: `2`.
        """
        size = e.y.abs()
        if e.y.numel() == 0:
            return e.bound(size, 2)
        return e.bound(size + size.amax(), 2)

    # ---- what `infer` requires of sizes

    def needs_equal(self, a: int | Sym, b: int | Sym) -> bool:
        """Require two sizes to be equal; False if they differ for all values of the open sizes."""
        difference = a - b
        if isinstance(difference, int):
            return difference == 0
        if differ(a, b):
            return False
        if self._needs is not None:
            self._needs.equal.append((a, b))
        return True

    def needs_at_least(self, size: int | Sym, least: int | Sym) -> bool:
        """Require a size to be that large; False if it is smaller for all values of the open sizes.

        Sizes of a result need no such call: they must be at least 1 in any case.
        """
        room = size - least
        if isinstance(room, int):
            return room >= 0
        if is_nonnegative(-room - 1):
            return False
        if self._needs is not None:
            self._needs.nonnegative.append(room)
        return True

    def needs_computed(self, *sizes: int | Sym) -> None:
        """Require sizes that the lowerings compute when the model runs, if they are open.

        Back ends compute them from the inputs of the layer and, if these do not determine them,
        from the inputs of the net.
        """
        if self._needs is not None:
            self._needs.computed.extend(s for s in sizes if not isinstance(s, int))

    def inferred(self, *xs: TensorType) -> tuple[TensorType, Needs]:
        """The type of the result, and what `infer` requires of open sizes."""
        needs = Needs([], [], [])
        # Ops are shared, so a copy collects the needs for these inputs.
        type_ = type(self)({**vars(self), "_needs": needs}).infer(*xs)
        return self._with_span(type_, xs), needs

    def _with_span(self, y: TensorType, xs: tuple[TensorType, ...]) -> TensorType:
        """The type of a result, with the span of the input if it has the same integers."""
        x = xs[0]
        if x.span is None or y.span is not None or not self.any_dtype or len(xs) > 1:
            return y
        if (y.dtype, y.size) != (x.dtype, x.size):
            return y
        return y._replace(span=x.span)

    # ---- what most kinds do not override

    def sorts(self) -> tuple[Sort, ...]:
        """What the numbers of each input are; those of further inputs may be any numbers."""
        return ()

    def sees_all(self, *xs: TensorType) -> bool:
        """Whether every output depends on the whole input, for receptive fields."""
        return self.is_global

    def windows(self, *xs: TensorType) -> tuple[Window, ...]:
        """The windows along the spatial axes, for receptive fields."""
        return tuple(Window() for _ in xs[0].spatial)

    def kind_text(self) -> str:
        """What tables show as its kind: an operator with its operands, `x / 2`."""
        return self.kind

    def window_text(self, *xs: TensorType) -> str:
        """Its window and stride as papers write them: `7x7/2`; empty for a kind without one."""
        return ""

    def weights(self, *xs: TensorType) -> int:
        """The number of weights without biases; 0 for a layer that does not multiply."""
        if not self.multiplies:
            return 0
        own = {name: p for name, p in self.params(*xs).items() if not p.tied}
        return sum(p.size for name, p in own.items() if not name.startswith("bias"))
