"""What a layer kind is: one class that owns its arguments, shapes, parameters, MACs and lowerings.

A kind is a class with `@layer("name", family=..., examples=...)`; its arguments are class
attributes made by `arg`. The methods get what they need from the back ends as arguments: `torch`
gets a recorder that writes PyTorch source, `onnx` a graph builder, and `rounding` an evaluation. So
this package imports no back end. Shapes have no batch dimension: C x H x W for images, T x D for
sequences, D for vectors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from netdsl.diagnostics import Proposal, nearest, suggestion
from netdsl.errors import Correction, OpError
from netdsl.ir.op import REQUIRED, Arg, Op
from netdsl.ir.rounding import LARGEST
from netdsl.ir.types import compact
from netdsl.ops.args import (
    TENSOR_DTYPES,
    WrongType,
    advice,
    in_place_of_number,
    meant,
    show,
)
from netdsl.ops.registry import LAYERS
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from netdsl.ir.types import Sym, TensorType
    from netdsl.ops.args import Dims

T = TypeVar("T")
GONE: Any = None  # replaces an inherited argument that a kind does not take
END = 2**31 - 1  # the end of a `Slice` that goes to the end of its axis
FLOAT, INT64 = 1, 7  # element types of ONNX
# What other tools call the choices of arguments.
SYNONYMS = {
    "replicate": "edge",
    "wrap": "circular",
    "cubic": "bicubic",
    "nearest-exact": "nearest_exact",
    "kaiming_normal": "he_normal",
    "kaiming_uniform": "he_uniform",
    "glorot_normal": "xavier_normal",
    "glorot_uniform": "xavier_uniform",
}
LONGEST_SIZE = 40  # characters of a formula in a message
MAX_WORD = 40  # characters of a word in a message
MAX_DIVISORS = 12  # the most divisors in a message


# ---- declaring a kind


@overload
def arg(
    convert: Callable[[object], T],
    default: None,
    *,
    doc: str,
    min: float | None = None,
    max: float | None = None,
    choices: Sequence[str] | None = None,
) -> T | None: ...


@overload
def arg(
    convert: Callable[[object], T],
    default: object = ...,
    *,
    doc: str,
    min: float | None = None,
    max: float | None = None,
    choices: Sequence[str] | None = None,
) -> T: ...


def arg(
    convert: Callable[[object], object],
    default: object = REQUIRED,
    *,
    doc: str,
    min: float | None = None,
    max: float | None = None,
    choices: Sequence[str] | None = None,
) -> object:
    """Declare an argument of a kind.

    `convert` is one of the types in `netdsl.ops.args`. An argument without a default is required.
    `doc` is one line for the reference; `min`, `max` and `choices` limit the values. To type
    checkers, the result is a value of the argument, which is what instances of the kind have. For a
    tensor, that is whether it is given.
    """
    dtypes = TENSOR_DTYPES.get(convert, ())
    return Arg(convert, default, doc, min, max, tuple(choices) if choices else None, dtypes)


def layer(
    kind: str, *, family: str, examples: Sequence[tuple[str, str]]
) -> Callable[[type[Op]], type[Op]]:
    """Register a layer kind.

    `examples` are (input shapes, call) pairs for the reference and the contract test. If the call
    contains references, as in `h = @h`, they are the last inputs; references to other inputs are
    added to the arguments, or replace `{}` in an expression.
    """

    def register(cls: type[Op]) -> type[Op]:
        cls.kind, cls.family, cls.examples = kind, family, tuple(examples)
        cls.args = declared_arguments(cls)
        LAYERS.add(kind, cls)
        return cls

    return register


def declared_arguments(cls: type[Op]) -> tuple[Arg, ...]:
    """The arguments of a class and its bases; overriding one with another value removes it."""
    declared: dict[str, Arg] = {}
    for base in reversed(cls.__mro__):
        for name, value in vars(base).items():
            declared.pop(name, None)
            if isinstance(value, Arg):
                value.name = name
                declared[name] = value
    return tuple(declared.values())


# ---- checking the arguments of a call


def bind(cls: type[Op], positional: Sequence[object], keywords: dict[str, object]) -> Op:
    """Make the op of a call.

    Raises `OpError`; its `arg` is the name of the argument that is wrong.
    """
    kind = cls.kind
    if len(positional) > len(cls.args):
        raise _too_many(cls, positional)
    values: dict[str, object] = {}
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


def _too_many(cls: type[Op], values: Sequence[object]) -> OpError:
    """The error for more positional arguments than a kind has."""
    most = f"at most {counted(len(cls.args), 'argument')}" if cls.args else "no arguments"
    takes, help = f"takes {most}, found {len(values)}", f"write `{signature(cls)}`"
    if cls.inputs[1] > 2:
        help = "give what it joins as arms in braces, `{ | ... | ... }`, or as references, `@label`"
        if not cls.args:
            takes = f"joins arms or references, found {', '.join(map(show, values))}"
    return OpError("too-many-arguments", f"`{cls.kind}` {takes}", help=help)


def check(declared: Arg, kind: str, value: object) -> object:
    """Convert a value to the type of an argument; raises `OpError` if it does not fit."""
    if value is None and declared.default is None:
        return None
    try:
        converted = declared.convert(value)
    except WrongType as wrong:
        raise _wrong_type(declared, kind, value, wrong) from None
    if declared.choices and converted not in declared.choices:
        raise _no_choice(declared, kind, converted)
    for number in _numbers(converted):
        _check_range(declared, kind, number, value)
    for number in _numbers(converted):
        _check_float(declared, kind, number)
    return converted


def _wrong_type(declared: Arg, kind: str, value: object, wrong: WrongType) -> OpError:
    """The error of a value that does not have the type of the argument."""
    message = f"`{declared.name}` of `{kind}` must be {wrong}, found {show(value)}"
    if declared.dtypes:
        reference = f"write a reference to a tensor: `{declared.name} = @label`"
        return OpError("wrong-type", message, declared.name, reference)
    help = advice(declared, value)
    text = meant(declared.convert, value)
    correction = None
    if text is not None:
        help = help or Proposal(f"write `{text}`", "text", [text])
        correction = Correction({declared.name: text})
    elif help is not None:
        correction = Correction({declared.name: None})  # the advice is to leave it out
    error = OpError("wrong-type", message, declared.name, help, correction)
    error.diagnostic.found = in_place_of_number(declared.convert, value)
    return error


def _no_choice(declared: Arg, kind: str, word: str) -> OpError:
    """The error of a word that an argument does not take."""
    choices = declared.choices or ()
    message = f"`{declared.name}` of `{kind}` is {_shortened(word)}; it can be {', '.join(choices)}"
    help = correction = None
    synonym = SYNONYMS.get(word)
    if synonym in choices:
        help, correction = f"it is called `{synonym}` here", Correction({declared.name: synonym})
        return OpError("bad-argument", message, declared.name, help, correction)
    near = nearest(word, choices)
    if near is not None:
        help = suggestion([near], word)
        correction = Correction({declared.name: near})
    return OpError("bad-argument", message, declared.name, help, correction)


def _check_range(declared: Arg, kind: str, number: float, value: object) -> None:
    """Refuse a number outside the range of the argument."""
    too_small = declared.min is not None and number < declared.min
    too_large = declared.max is not None and number > declared.max
    if not too_small and not too_large:
        return
    span = f"at least {declared.min:g}"
    if declared.max is not None:
        span = f"between {declared.min:g} and {declared.max:g}"
    message = f"`{declared.name}` of `{kind}` must be {span}, found {show(value)}"
    help = correction = None
    if value == 0 and declared.default == declared.min == 1:  # no stride is a stride of 1
        help, correction = f"leave `{declared.name}` out", Correction({declared.name: None})
    raise OpError("bad-argument", message, declared.name, help, correction)


def _check_float(declared: Arg, kind: str, number: float) -> None:
    """Refuse a number beyond float32: back ends compute in float32, where it is infinite."""
    if isinstance(number, float) and abs(number) > LARGEST:
        raise OpError(
            "number-too-large",
            f"`{declared.name}` of `{kind}` has the number {number:g}, beyond {LARGEST:g}, the"
            " largest float32",
            declared.name,
        )


def _numbers(value: object) -> Iterator[float]:
    """The numbers of a value, or of its nested lists."""
    if isinstance(value, (int, float)):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _numbers(item)


def _shortened(word: str) -> str:
    return word if len(word) <= MAX_WORD else f"{word[:MAX_WORD]}..."


def signature(cls: type[Op]) -> str:
    """A call with all arguments, such as `conv(out, k, stride = 1)`; an operator is `(x + y)`."""
    if not cls.kind.isidentifier():
        return f"(x {cls.kind} y)"
    if not cls.args:
        return cls.kind
    return f"{cls.kind}({', '.join(map(_declaration, cls.args))})"


def _declaration(declared: Arg) -> str:
    if declared.required:
        return declared.name
    if declared.default is None:
        return f"{declared.name} = ..."
    return f"{declared.name} = {show(declared.default)}".replace('"', "")


# ---- helpers that families share


def spread(value: Dims, n: int, kind: str, name: str) -> tuple[int, ...]:
    """One integer for each of `n` spatial axes; raises `OpError` for a wrong number of sizes."""
    if isinstance(value, int):
        return (value,) * n
    if len(value) != n:
        help = "give one number"
        if n > 1:
            example = "x".join(["3"] * n)
            help = f"give one number for all axes, or one for each, such as `{example}`"
        raise OpError(
            "wrong-rank",
            f"`{name}` of `{kind}` has {counted(len(value), 'size')}, but the input has"
            f" {counted(n, 'spatial axis')}",
            name,
            *for_all_axes(name, value, help),
        )
    return value


def for_all_axes(
    name: str, sizes: Sequence[object], otherwise: str
) -> tuple[str, Correction | None]:
    """Advice and correction for an argument with a wrong number of sizes.

    If all sizes are equal, that one number is enough.
    """
    size = sizes[0]
    if len(set(sizes)) > 1 or not isinstance(size, int):
        return otherwise, None
    return f"one number is enough for all axes: write `{size}`", Correction({name: str(size)})


def brief(values: tuple[T, ...]) -> T | tuple[T, ...]:
    """One value if all axes have the same."""
    return values[0] if len(set(values)) == 1 else values


def spatial_rank(op: Op, x: TensorType) -> int:
    """The number of spatial axes: 1, 2 or 3; raises `OpError` for other inputs."""
    n = len(x.shape) - 1
    if n not in (1, 2, 3):
        help = None
        if n < 1:
            help = "use `dense` for a vector, or make channels and axes with `reshape`"
        raise OpError(
            "wrong-rank",
            f"`{op.kind}` needs channels and 1 to 3 spatial axes, but its input has"
            f" {counted(len(x.shape), 'axis')} ({x})",
            help=help,
        )
    return n


def fixed(op: Op, size: int | Sym, name: str, otherwise: str | None = None) -> int:
    """A size that must be known; raises `OpError` if it is open.

    `name` describes the size, such as "its input channels"; `otherwise` is further advice.
    """
    if isinstance(size, int):
        return size
    names = " and ".join(sorted(size.symbols()))
    help = f"write a number for {names} in the `input`"
    if otherwise is not None:
        help += f", or {otherwise}"
    fact = f"{size} is open"
    if len(str(size)) > LONGEST_SIZE:
        fact = f"it depends on {names}"
    raise OpError("open-size", f"`{op.kind}` needs to know {name}, but {fact}", help=help)


def amount(size: int | Sym, noun: str) -> str:
    """A number of things: `1 element`, `T + 1 elements`."""
    if isinstance(size, int):
        return counted(size, noun)
    return f"{compact(size)} {noun}s"


def axis_index(op: Op, x: TensorType, axis: int, name: str = "axis") -> int:
    """The position in `x.shape` of an axis that is counted as in PyTorch, where 0 is the batch."""
    rank = len(x.shape) + 1
    if axis == 0 or not -rank < axis < rank:
        axes = {1: "no axes", 2: "only axis 1"}.get(rank, f"axes 1 to {rank - 1}")
        message = f"axis {axis} of `{op.kind}`: the input has {axes} (0 is the batch)"
        help = correction = None
        if rank == 2:
            help, correction = f"write `{name} = 1`", Correction({name: "1"})
        elif axis == 0 and rank > 2:
            help = f"write `{name} = 1` for the first axis of a sample; axis 0 is the batch"
        raise OpError("bad-axis", message, name, help, correction)
    return axis - 1 if axis > 0 else axis + rank - 1


def divisors(n: int) -> str:
    """Advice for parts of unequal size."""
    return Proposal(f"{n} is divisible by {divisor_list(n)}", "parts", [str(n)])


def divisor_list(n: int) -> str:
    """The smallest divisors of a number."""
    listed = [str(divisor) for divisor in range(1, min(n, 1024) + 1) if n % divisor == 0]
    if len(listed) > MAX_DIVISORS:
        listed[MAX_DIVISORS:] = ["..."]
    return ", ".join(listed)
