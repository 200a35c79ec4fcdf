"""What a layer kind is: one class that owns its arguments, shapes, parameters, MACs and lowerings.

A kind is written as a class with `@layer("name", family=..., examples=...)`; its arguments are class attributes made by
`arg`. The back ends are handed in: `torch` gets a recorder that writes PyTorch source, `onnx` a graph builder, so this
package imports neither. Shapes have no batch dimension: C x H x W for images, T x D for sequences, D for vectors.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from netdsl.errors import OpError
from netdsl.ops.args import TYPE_NAMES, WrongType, show

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from fractions import Fraction

    from netdsl.ir.types import Sym, TensorType
    from netdsl.ops.emitter import Emitter

REQUIRED = object()
GONE: Any = None  # in place of an inherited argument that a kind does not take
LARGEST = 2.0**128 - 2.0**104  # of float32
END = 2**31 - 1  # where a `Slice` goes to the end of an axis


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

    @property
    def type_name(self) -> str:
        """The type as the reference prints it."""
        return " | ".join(self.choices) if self.choices else TYPE_NAMES[self.convert]

    def check(self, kind: str, value: object) -> Any:
        """The value in the layer's own form; raises `OpError`."""
        if value is None and self.default is None:
            return None
        try:
            made = self.convert(value)
        except WrongType as wrong:
            raise OpError("wrong-type", f"`{self.name}` of `{kind}` must be {wrong}, found {show(value)}", self.name) from None
        if self.choices and made not in self.choices:
            raise OpError("bad-argument", f"`{self.name}` of `{kind}` is {_clipped(made)}; it can be {', '.join(self.choices)}", self.name)
        self._check_range(kind, made, value)
        if isinstance(made, (float, tuple)):
            self._check_size(kind, made)
        return made

    def _check_size(self, kind: str, made: object) -> None:
        """Refuse numbers beyond float32, in which back ends compute: they would be infinite."""
        for v in _flatten((made,)):
            if isinstance(v, float) and abs(v) > LARGEST:
                what = f"`{self.name}` of `{kind}` has the number {v:g}"
                beyond = f"beyond {LARGEST:g}, the largest float32"
                raise OpError("number-too-large", f"{what}, {beyond}", self.name)

    def _check_range(self, kind: str, made: Any, value: object) -> None:
        if self.min is None and self.max is None:
            return
        flat = [made] if isinstance(made, (int, float)) else [v for v in _flatten(made) if isinstance(v, (int, float))]
        for v in flat:
            if (self.min is not None and v < self.min) or (self.max is not None and v > self.max):
                span = f"at least {self.min:g}" if self.max is None else f"between {self.min:g} and {self.max:g}"
                raise OpError("bad-argument", f"`{self.name}` of `{kind}` must be {span}, found {show(value)}", self.name)


def _clipped(word: str) -> str:
    return word if len(word) <= 40 else f"{word[:40]}..."


def _flatten(value: object) -> list[object]:
    return [x for v in value for x in _flatten(v)] if isinstance(value, tuple) else [value]


def arg(convert: Callable[[object], Any], default: Any = REQUIRED, *, doc: str, min: float | None = None, max: float | None = None, choices: Sequence[str] | None = None) -> Any:
    """Declare an argument: its type, its default where it has one, one line of documentation, and its range."""
    return Arg(convert, default, doc, min, max, tuple(choices) if choices else None)


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

    def torch(self, t: Any, *xs: TensorType) -> Any:
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


LAYERS: dict[str, type[Op]] = {}


def layer(kind: str, *, family: str, examples: Sequence[tuple[str, str]]) -> Callable[[type[Op]], type[Op]]:
    """Register a layer kind. `examples` are (input shape, call) pairs for the reference and the contract test."""

    def register(cls: type[Op]) -> type[Op]:
        if kind in LAYERS:
            raise ValueError(f"layer `{kind}` is defined twice")
        own: list[Arg] = []
        for base in reversed(cls.__mro__):
            for name, value in vars(base).items():
                own = [a for a in own if a.name != name]  # a plain value in place of an inherited argument takes it away
                if isinstance(value, Arg):
                    value.name = name
                    own.append(value)
        cls.kind, cls.family, cls.args, cls.examples = kind, family, tuple(own), tuple(examples)
        LAYERS[kind] = cls
        return cls

    return register


_JOINED = "what it joins are arms in braces, `{ | ... | ... }`, or references, `@label`"


def bind(cls: type[Op], positional: Sequence[object], keywords: dict[str, object]) -> Op:
    """Make the op of a call; raises `OpError` (`arg` may be an index of a positional argument)."""
    kind = cls.kind
    if len(positional) > len(cls.args):
        takes = f"at most {len(cls.args)} argument{'s' * (len(cls.args) > 1)}" if cls.args else "no arguments"
        raise OpError("too-many-arguments", f"`{kind}` takes {takes}, found {len(positional)}", help=_JOINED if cls.inputs[1] > 2 else f"write `{signature(cls)}`")
    values: dict[str, Any] = {}
    for declared, value in zip(cls.args, positional, strict=False):
        if declared.name in keywords:
            raise OpError("duplicate-argument", f"`{declared.name}` of `{kind}` is given twice", declared.name)
        values[declared.name] = declared.check(kind, value)
    for declared in cls.args[len(positional) :]:
        if declared.name in keywords:
            values[declared.name] = declared.check(kind, keywords[declared.name])
        elif declared.required:
            raise OpError("missing-argument", f"`{kind}` needs `{declared.name}` ({declared.doc})", help=f"write `{signature(cls)}`")
        else:
            values[declared.name] = declared.default
    return cls(values)


def signature(cls: type[Op]) -> str:
    """`conv(out, k, stride = 1)` as the reference prints it; `stride = ...` where it is not given unless it is written."""
    parts = [a.name if a.required else f"{a.name} = {show(a.default) if a.default is not None else '...'}".replace('"', "") for a in cls.args]
    return f"{cls.kind}({', '.join(parts)})" if parts else cls.kind


# ---- helpers that families share


def spread(value: int | tuple[int, ...], n: int, kind: str, name: str) -> tuple[int, ...]:
    """One integer for each of `n` spatial axes."""
    if isinstance(value, int):
        return (value,) * n
    if len(value) != n:
        example = "x".join(["3"] * n)
        advice = f"one number serves all axes; else give one for each, as in `{example}`" if n > 1 else "give one number"
        raise OpError("wrong-rank", f"`{name}` of `{kind}` has {counted(len(value), 'size')}, the input has {counted(n, 'spatial axis')}", name, advice)
    return value


def spatial_rank(op: Op, x: TensorType) -> int:
    """1, 2 or 3: the number of spatial axes; raises `OpError` for other inputs."""
    n = len(x.shape) - 1
    if n not in (1, 2, 3):
        what = f"{counted(len(x.shape), 'axis')} ({x})"
        raise OpError(
            "wrong-rank",
            f"`{op.kind}` needs channels and 1 to 3 spatial axes, its input has {what}",
            help="a vector goes into `dense`; `reshape` makes channels and axes" if n < 1 else None,
        )
    return n


def fixed(op: Op, value: int | Sym, what: str, otherwise: str | None = None) -> int:
    """A size that must be known; raises `OpError` if it is open. `otherwise` is other advice."""
    if isinstance(value, int):
        return value
    names = " and ".join(sorted(value.symbols()))
    advice = f"write a number for {names} in the `input`"
    if otherwise is not None:
        advice += f", or {otherwise}"
    raise OpError("open-size", f"`{op.kind}` needs to know {what}: it is {value}", help=advice)


def axis_index(op: Op, x: TensorType, axis: int, name: str = "axis") -> int:
    """The position in `x.shape` of an axis counted as PyTorch does, the batch being 0."""
    rank = len(x.shape) + 1
    if axis == 0 or not -rank < axis < rank:
        axes = f"axes 1 to {rank - 1}" if rank > 2 else "axis 1 alone"
        raise OpError("bad-axis", f"axis {axis} of `{op.kind}`: the input has {axes} (0 is the batch)", name)
    return axis - 1 if axis > 0 else axis + rank - 1


def counted(n: int, what: str) -> str:
    """`1 axis`, `2 axes`, `2 sizes`."""
    return f"{n} {what}" if n == 1 else f"{n} {what.removesuffix('axis')}axes" if what.endswith("axis") else f"{n} {what}s"


def divisors(n: int) -> str:
    """Advice for pieces of unlike size: what does divide."""
    return f"{n} divides by {divisor_list(n)}"


def divisor_list(n: int) -> str:
    """The first of them, smallest first."""
    found = [d for d in range(1, min(n, 1024) + 1) if n % d == 0]
    return ", ".join(map(str, found[:12])) + (", ..." if len(found) > 12 else "")


def brief(values: tuple[Any, ...]) -> Any:
    """One number where all axes have the same."""
    return values[0] if len(set(values)) == 1 else values
