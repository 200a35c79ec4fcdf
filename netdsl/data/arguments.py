"""The types and ranges of settings, and the check of a value against them."""

import math
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any

from netdsl.config import BareWord, SettingCall
from netdsl.errors import EntryPart, SettingError
from netdsl.habits import training
from netdsl.ops import args

Meant = tuple[str | None, tuple[str, str] | None]  # help, and a wrong text with the right one


@dataclass(frozen=True)
class Constraint:
    """A condition on the values of a parameter, in addition to its type.

    `text` describes the allowed values in messages. `allows` is called with values of that type.
    """

    text: str
    allows: Callable[[Any], bool]


def one_of(*words: str) -> Constraint:
    """The constraint of a `BareWord` that is one of a few."""
    listed = [f"`{word}`" for word in words]
    return Constraint(f"{', '.join(listed[:-1])} or {listed[-1]}", words.__contains__)


MOST = 10**9  # fits into every integer type of PyTorch and numpy
LARGEST = 3.4e38  # a little less than the largest float32
Count = Annotated[int, Constraint(f"an integer from 1 to {MOST:,}", lambda v: 1 <= v <= MOST)]
Natural = Annotated[int, Constraint(f"an integer from 0 to {MOST:,}", lambda v: 0 <= v <= MOST)]
Workers = Annotated[int, Constraint("an integer from 0 to 64", lambda v: 0 <= v <= 64)]
Padding = Annotated[int, Constraint("an integer from 0 to 256", lambda v: 0 <= v <= 256)]
Positive = Annotated[float, Constraint("a number above 0", lambda v: v > 0)]
NonNegative = Annotated[float, Constraint("a number of at least 0", lambda v: v >= 0)]
Probability = Annotated[float, Constraint("a number from 0 to 1", lambda v: 0 <= v <= 1)]
Numbers = Annotated[
    tuple[float, ...], Constraint("a list of at least one number", lambda v: len(v) > 0)
]
PositiveNumbers = Annotated[
    tuple[float, ...], Constraint("a list of numbers above 0", lambda v: v and min(v) > 0)
]
Share = Annotated[float, Constraint("a number of at least 0 and below 1", lambda v: 0 <= v < 1)]
Fraction = Constraint("a number above 0 and below 1", lambda v: 0 < v < 1)
MaybeShare = Annotated[float | None, Fraction]
MaybeCount = Annotated[
    int | None, Constraint(f"an integer from 1 to {MOST:,}", lambda v: 1 <= v <= MOST)
]
Counts = Annotated[
    tuple[int, ...],
    Constraint("a list of increasing integers of at least 1", lambda v: v and _rising((0, *v))),
]
RUN = 100  # epochs of a training in advice
IN_EPOCHS = ("at", "every", "warmup", "unfreeze", "patience")  # arguments that count epochs
# Layers, or kinds of weights; and a number for all weights, or a list with one for each of those.
Names = tuple[BareWord, ...]
Pairs = tuple[tuple[BareWord, float], ...]
PerWeight = float | Pairs

TYPE_TEXT: dict[object, str] = {
    int: "an integer",
    float: "a number",
    bool: "true or false",
    str: "a string",
    str | None: "a string",
    tuple[int, ...]: "a list of integers",
    tuple[str, ...]: "a list of strings",
    tuple[float, ...]: "a list of numbers",
    Names: "a list of names, such as [conv1, bias]",
    BareWord: "a word",
    int | Pairs: "a number, or a list of pairs such as [(fc, 5), (conv1, 10)]",
    PerWeight: "a number, or a list of pairs such as [(fc, 0.1), (rest, 0.01)]",
}


def convert(
    value: object, annotation: object, label: str, key: str, part: EntryPart | None = None
) -> object:
    """`value` as the annotated type; lists become tuples, and integers floats where necessary.

    Raises SettingError: `wrong-type`, or `bad-argument` for a value of the right type that breaks
    the `Constraint` or exceeds the range of float32. `label` names the value in messages, and
    `part` is its place.
    """
    base, constraint = _parts_of(annotation)
    expected = described(annotation)
    result = _as_type(value, base)
    message = f"{label} is {show(value)}; it must be {expected}"
    if result is _WRONG:
        help_, respelling = _meant(value, base, constraint)
        help_ = _in_epochs(label.split("`")[1], value) or help_
        raise SettingError("wrong-type", message, key, help_ or _example(label), respelling, part)
    if constraint and not constraint.allows(result):
        raise SettingError("bad-argument", message, key, _example(label), part=part)
    if any(isinstance(n, float) and abs(n) > LARGEST for n in _leaves(result)):
        raise SettingError(
            "bad-argument",
            f"{label} is {show(value)}, beyond {LARGEST:g}, the largest float32",
            key,
            _example(label),
            part=part,
        )
    return result


def described(annotation: object) -> str:
    """The values that a parameter takes."""
    base, constraint = _parts_of(annotation)
    return constraint.text if constraint else TYPE_TEXT[base]


def _parts_of(annotation: object) -> tuple[object, Constraint | None]:
    """The type of a parameter and its constraint, if it has one."""
    base = _without_none(annotation)
    if typing.get_origin(base) is not Annotated:
        return base, None
    found: tuple[object, Constraint] = typing.get_args(base)
    return found


def _without_none(annotation: object) -> object:
    """The type of a parameter that may be left out: `Natural` for `Natural | None`."""
    parts = [part for part in typing.get_args(annotation) if part is not types.NoneType]
    if types.NoneType in typing.get_args(annotation) and len(parts) == 1 and parts[0] is not str:
        return parts[0]
    return annotation


def _leaves(value: object) -> Iterator[object]:
    """The values in tuples of tuples."""
    if isinstance(value, tuple):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def _meant(value: object, base: object, constraint: Constraint | None) -> Meant:
    """Help and respelling for a value of the wrong type, if there is no doubt what was meant."""

    def as_base(candidate: object) -> object:
        result = _as_type(candidate, base)
        if result is _WRONG:
            raise args.WrongType(TYPE_TEXT.get(base, ""))
        return result

    if isinstance(value, SettingCall):
        if base in (str, str | None) and not value.args and not value.kwargs:
            return f'write it in quotes: `"{value.name}"`', ("", f'"{value.name}"')
        value = value.name  # a word such as `True`
    elif isinstance(value, list):
        value = tuple(value)
    text = args.meant(as_base, value)
    is_list = list_of(base) in (tuple[int, ...], tuple[float, ...])
    is_list = is_list and args.is_integer(value)
    if text is None and is_list and (constraint is None or constraint.allows((value,))):
        return f"write a list: `[{value}]`", ("", f"[{value}]")
    return (None, None) if text is None else (f"write `{text}`", ("", text))


def _in_epochs(name: str, value: object) -> str | None:
    """Advice for parts of a run, such as 0.5, where epochs are counted; None for other values."""
    shares = [value]
    if isinstance(value, list | tuple):
        shares = list(value)
    meant = [round(share * RUN) for share in shares if isinstance(share, float) and 0 < share < 1]
    if name not in IN_EPOCHS or not meant or len(meant) < len(shares):
        return None
    written = str(meant[0])
    if isinstance(value, list | tuple):
        written = show(meant)
    return f"`{name}` counts epochs: with {RUN} of them, write `{name} = {written}`"


def _example(label: str) -> str | None:
    """Advice that shows a value of an argument or entry."""
    name = label.split("`")[1]
    example = training.EXAMPLES.get(name)
    return None if example is None else f"for example, `{name} = {example}`"


def show(value: object) -> str:
    """A value as it is written in a `train` section."""
    match value:
        case SettingCall():
            return f"`{value.name}{'(...)' * bool(value.args or value.kwargs)}`"
        case list() | tuple():
            return "[" + ", ".join(show(item) for item in value) + "]"
    return args.show(value)


_WRONG = object()


def fits(value: object, base: object) -> bool:
    """Whether a value is of the type `base`, or can be made so."""
    return _as_type(value, base) is not _WRONG


def _as_type(value: object, base: object) -> object:
    """`value` as the type `base`, or `_WRONG` if it has another type."""
    if isinstance(base, types.UnionType):
        kinds = [kind for kind in typing.get_args(base) if kind is not types.NoneType]
        results = (_as_type(value, kind) for kind in kinds)
        return next((result for result in results if result is not _WRONG), _WRONG)
    if typing.get_origin(base) is tuple:
        return _as_tuple(value, typing.get_args(base))
    if base is BareWord:
        return _as_word(value)
    if isinstance(value, bool) and base in (int, float):
        return _WRONG
    if base is float:
        return _as_float(value)
    if isinstance(value, typing.cast("type", base)):
        return value
    return _WRONG


def _as_word(value: object) -> object:
    if isinstance(value, SettingCall) and not value.args and not value.kwargs:
        return BareWord(value.name)
    return BareWord(value) if isinstance(value, str) else _WRONG


def _as_tuple(value: object, elements: tuple[object, ...]) -> object:
    """A list as a tuple: of any length if the types end with `...`, or else of theirs."""
    if isinstance(value, SettingCall) or not isinstance(value, list | tuple):
        return _WRONG
    if elements[-1] is ...:
        elements = elements[:1] * len(value)
    if len(elements) != len(value):
        return _WRONG
    items = tuple(_as_type(item, element) for item, element in zip(value, elements, strict=True))
    return _WRONG if _WRONG in items else items


def _as_float(value: object) -> object:
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    return _WRONG


def list_of(base: object) -> object:
    """The list of any length that a type is or may be, or None."""
    parts = typing.get_args(base) if isinstance(base, types.UnionType) else (base,)
    return next((part for part in parts if typing.get_args(part)[1:] == (...,)), None)


def _rising(values: tuple[int, ...]) -> bool:
    return all(a < b for a, b in pairwise(values))
