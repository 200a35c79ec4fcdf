"""What a layer kind is: one class that owns its arguments, shapes, parameters, MACs and lowerings.

A kind is written as a class with `@layer("name", family=..., examples=...)`; its arguments are
class attributes made by `arg`. The back ends are handed in: `torch` gets a recorder that writes
PyTorch source, `onnx` a graph builder, `rounding` an evaluation, so this package imports neither.
Shapes have no batch dimension: C x H x W for images, T x D for sequences, D for vectors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netdsl.errors import OpError
from netdsl.ir.op import REQUIRED, Arg, Op
from netdsl.ops.args import WrongType, even_padding, padding, padding_advice, show
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from netdsl.ir.types import Sym, TensorType

GONE: Any = None  # in place of an inherited argument that a kind does not take
LARGEST = 2.0**128 - 2.0**104  # of float32
END = 2**31 - 1  # where a `Slice` goes to the end of an axis


def check(declared: Arg, kind: str, value: object) -> Any:
    """The value in the layer's own form; raises `OpError`."""
    if value is None and declared.default is None:
        return None
    try:
        made = declared.convert(value)
    except WrongType as wrong:
        message = f"`{declared.name}` of `{kind}` must be {wrong}, found {show(value)}"
        raise OpError("wrong-type", message, declared.name, advice(declared, value)) from None
    if declared.choices and made not in declared.choices:
        raise OpError(
            "bad-argument",
            f"`{declared.name}` of `{kind}` is {_clipped(made)}; it can be"
            f" {', '.join(declared.choices)}",
            declared.name,
        )
    _check_range(declared, kind, made, value)
    if isinstance(made, (float, tuple)):
        _check_size(declared, kind, made)
    return made


def advice(declared: Arg, value: object) -> str | None:
    """What to write for a value that the argument does not take."""
    return padding_advice(value) if declared.convert in (padding, even_padding) else None


def _check_size(declared: Arg, kind: str, made: object) -> None:
    """Refuse numbers beyond float32, in which back ends compute: they would be infinite."""
    for v in _flatten((made,)):
        if isinstance(v, float) and abs(v) > LARGEST:
            what = f"`{declared.name}` of `{kind}` has the number {v:g}"
            beyond = f"beyond {LARGEST:g}, the largest float32"
            raise OpError("number-too-large", f"{what}, {beyond}", declared.name)


def _check_range(declared: Arg, kind: str, made: Any, value: object) -> None:
    if declared.min is None and declared.max is None:
        return
    flat = (
        [made]
        if isinstance(made, (int, float))
        else [v for v in _flatten(made) if isinstance(v, (int, float))]
    )
    for v in flat:
        if (declared.min is not None and v < declared.min) or (
            declared.max is not None and v > declared.max
        ):
            span = (
                f"at least {declared.min:g}"
                if declared.max is None
                else f"between {declared.min:g} and {declared.max:g}"
            )
            raise OpError(
                "bad-argument",
                f"`{declared.name}` of `{kind}` must be {span}, found {show(value)}",
                declared.name,
            )


def _clipped(word: str) -> str:
    return word if len(word) <= 40 else f"{word[:40]}..."


def _flatten(value: object) -> list[object]:
    return [x for v in value for x in _flatten(v)] if isinstance(value, tuple) else [value]


def arg(
    convert: Callable[[object], Any],
    default: Any = REQUIRED,
    *,
    doc: str,
    min: float | None = None,
    max: float | None = None,
    choices: Sequence[str] | None = None,
) -> Any:
    """Declare an argument: its type, its default where it has one, one line of documentation, and
    its range.
    """
    return Arg(convert, default, doc, min, max, tuple(choices) if choices else None)


LAYERS: dict[str, type[Op]] = {}


def layer(
    kind: str, *, family: str, examples: Sequence[tuple[str, str]]
) -> Callable[[type[Op]], type[Op]]:
    """Register a layer kind.

    `examples` are (input shape, call) pairs for the reference and the contract test.
    """

    def register(cls: type[Op]) -> type[Op]:
        if kind in LAYERS:
            raise ValueError(f"layer `{kind}` is defined twice")
        own: list[Arg] = []
        for base in reversed(cls.__mro__):
            for name, value in vars(base).items():
                # A plain value in place of an inherited argument takes it away.
                own = [a for a in own if a.name != name]
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
        takes = (
            f"at most {len(cls.args)} argument{'s' * (len(cls.args) > 1)}"
            if cls.args
            else "no arguments"
        )
        raise OpError(
            "too-many-arguments",
            f"`{kind}` takes {takes}, found {len(positional)}",
            help=_JOINED if cls.inputs[1] > 2 else f"write `{signature(cls)}`",
        )
    values: dict[str, Any] = {}
    for declared, value in zip(cls.args, positional, strict=False):
        if declared.name in keywords:
            raise OpError(
                "duplicate-argument", f"`{declared.name}` of `{kind}` is given twice", declared.name
            )
        values[declared.name] = check(declared, kind, value)
    for declared in cls.args[len(positional) :]:
        if declared.name in keywords:
            values[declared.name] = check(declared, kind, keywords[declared.name])
        elif declared.required:
            raise OpError(
                "missing-argument",
                f"`{kind}` needs `{declared.name}` ({declared.doc})",
                help=f"write `{signature(cls)}`",
            )
        else:
            values[declared.name] = declared.default
    return cls(values)


def signature(cls: type[Op]) -> str:
    """`conv(out, k, stride = 1)` as the reference prints it; `stride = ...` where it is not given
    unless it is written.
    """
    parts = [
        (
            a.name
            if a.required
            else f"{a.name} = {show(a.default) if a.default is not None else '...'}".replace(
                '"', ""
            )
        )
        for a in cls.args
    ]
    return f"{cls.kind}({', '.join(parts)})" if parts else cls.kind


# ---- helpers that families share


def spread(value: int | tuple[int, ...], n: int, kind: str, name: str) -> tuple[int, ...]:
    """One integer for each of `n` spatial axes."""
    if isinstance(value, int):
        return (value,) * n
    if len(value) != n:
        example = "x".join(["3"] * n)
        advice = (
            f"one number serves all axes; else give one for each, as in `{example}`"
            if n > 1
            else "give one number"
        )
        raise OpError(
            "wrong-rank",
            f"`{name}` of `{kind}` has {counted(len(value), 'size')}, the input has"
            f" {counted(n, 'spatial axis')}",
            name,
            advice,
        )
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
        raise OpError(
            "bad-axis", f"axis {axis} of `{op.kind}`: the input has {axes} (0 is the batch)", name
        )
    return axis - 1 if axis > 0 else axis + rank - 1


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
