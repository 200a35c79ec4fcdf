"""Checks the arguments of a `SettingCall` against the signature of the function it names."""

import inspect
import math
import re
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, TypeVar

from netdsl.config import BareWord, SettingCall
from netdsl.diagnostics import did_you_mean, nearest
from netdsl.errors import EntryPart, SettingError
from netdsl.habits import training
from netdsl.ops import args
from netdsl.words import are, counted

T = TypeVar("T")
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
# Layers, or kinds of weights; and a number for all weights, or a list with one for each of those.
Names = tuple[BareWord, ...]
Pairs = tuple[tuple[BareWord, float], ...]
PerWeight = float | Pairs

TYPE_TEXT: dict[object, str] = {
    int: "an integer",
    float: "a number",
    bool: "true or false",
    str: "a text",
    str | None: "a text",
    tuple[int, ...]: "a list of integers",
    tuple[str, ...]: "a list of texts",
    tuple[float, ...]: "a list of numbers",
    Names: "a list of names, such as [conv1, bias]",
    BareWord: "a word",
    int | Pairs: "a number, or a list of pairs such as [(fc, 5), (conv1, 10)]",
    PerWeight: "a number, or a list of pairs such as [(fc, 0.1), (rest, 0.01)]",
}


def invoke(call: SettingCall, registry: Mapping[str, Callable[..., T]], kind: str, key: str) -> T:
    """Call the entry of `registry` that `call` names, and return its result.

    `kind` is the noun for messages, such as "loss". Raises SettingError with the entry `key`:
    `unknown-` and the kind, `unknown-argument`, `missing-argument`, `duplicate-argument`,
    `wrong-type` or `bad-argument`.
    """
    target, arguments = bind(call, registry, kind, key)
    try:
        return target(**arguments)
    except SettingError as error:
        error.key = error.key or key
        error.part = error.part or EntryPart(call.name)
        raise


def bind(
    call: SettingCall, registry: Mapping[str, Callable[..., T]], kind: str, key: str
) -> tuple[Callable[..., T], dict[str, object]]:
    """The callable that `call` names and its checked arguments by name; raises as `invoke`."""
    if call.name not in registry:
        message = f"there is no {kind} named `{call.name}`"
        help_, respelling = called_here(call, registry, kind)
        code, part = f"unknown-{kind}", EntryPart(call.name)
        raise SettingError(code, message, key, help_, respelling, part)
    target = registry[call.name]
    return target, _arguments(call, target, key)


def called_here(
    call: SettingCall, registry: Mapping[str, Callable[..., object]], kind: str
) -> tuple[str, tuple[str, str] | None]:
    """Help and respelling for a name that is not in the registry."""
    squeezed = training.squeezed(call.name)
    advice = training.REMOVED_VALUES.get(kind, {}).get(squeezed)
    if advice is not None:
        written = re.fullmatch(r"write `([^`]+)`", advice)
        is_certain = written is not None and not call.args and not call.kwargs
        return advice, ("", written[1]) if written is not None and is_certain else None
    ours = training.VALUES.get(kind, {}).get(squeezed)
    if ours is None:
        return suggest(call.name, registry), respelled(call.name, registry)
    needed = [
        f"{name} = {training.EXAMPLES.get(name, '...')}"
        for name, parameter in inspect.signature(registry[ours]).parameters.items()
        if parameter.default is inspect.Parameter.empty
    ]
    if not needed or call.args or call.kwargs:
        return f"it is called `{ours}` here", (call.name, ours)
    return f"it is called `{ours}` here: write `{ours}({', '.join(needed)})`", (call.name, ours)


def suggest(name: str, known: Mapping[str, object] | Sequence[str]) -> str:
    """Advice for a misspelt name: the closest known names, or all of them if none is close."""
    names = [f"`{n}`" for n in known]
    every = f"write one of {', '.join(names)}"
    if len(names) == 1:
        every = f"there is only {names[0]}"
    return did_you_mean(name, known) or every


def respelled(name: str, known: Iterable[str]) -> tuple[str, str] | None:
    """A misspelt name and the right one, if there is no doubt about it."""
    meant = nearest(name, known)
    return None if meant is None else (name, meant)


def convert(
    value: object, annotation: object, label: str, key: str, part: EntryPart | None = None
) -> object:
    """`value` as the annotated type; lists become tuples, and integers floats where necessary.

    Raises SettingError: `wrong-type`, or `bad-argument` for a value of the right type that breaks
    the `Constraint` or exceeds the range of float32. `label` names the value in messages, and
    `part` is its place.
    """
    base, constraint = _without_none(annotation), None
    if typing.get_origin(base) is Annotated:
        base, constraint = typing.get_args(base)
    expected = constraint.text if constraint else TYPE_TEXT[base]
    result = _as_type(value, base)
    message = f"{label} is {show(value)}; it must be {expected}"
    if result is _WRONG:
        help_, respelling = _meant(value, base, constraint)
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
    is_list = _list_of(base) in (tuple[int, ...], tuple[float, ...])
    is_list = is_list and args.is_integer(value)
    if text is None and is_list and (constraint is None or constraint.allows((value,))):
        return f"write a list: `[{value}]`", ("", f"[{value}]")
    return (None, None) if text is None else (f"write `{text}`", ("", text))


def _example(label: str) -> str | None:
    """Advice that shows a value of an argument or entry."""
    name = label.split("`")[1]
    example = training.EXAMPLES.get(name)
    return None if example is None else f"for example `{name} = {example}`"


def show(value: object) -> str:
    """A value as it is written in a `train` section."""
    match value:
        case SettingCall():
            return f"`{value.name}{'(...)' * bool(value.args or value.kwargs)}`"
        case list() | tuple():
            return "[" + ", ".join(show(item) for item in value) + "]"
    return args.show(value)


_WRONG = object()


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


def _arguments(call: SettingCall, target: Callable[..., object], key: str) -> dict[str, object]:
    parameters = inspect.signature(target).parameters
    names = list(parameters)
    ordered = [n for n, p in parameters.items() if p.kind is not inspect.Parameter.KEYWORD_ONLY]
    if _is_spread(call, list(parameters.values())):
        named = [f"{own} = {show(value)}" for own, value in call.kwargs.items()]
        written = ", ".join([show(call.args), *named])
        found = counted(len(call.args), "number")  # at least two
        message = f"`{names[0]}` of `{call.name}` must be a list, but {found} are given"
        advice = f"write a list: `{call.name}({written})`"
        respelling = (", ".join(map(show, call.args)), show(call.args))
        raise SettingError("wrong-type", message, key, advice, respelling)
    if len(call.args) > len(ordered):
        raise _too_many(call, len(ordered), names, key)
    given = dict(zip(ordered, call.args, strict=False))
    places: dict[str, str | int] = {name: number for number, name in enumerate(given)}
    for name, value in call.kwargs.items():
        _check_name(call, name, names, given, key)
        given[name] = value
        places[name] = name
    for name, parameter in parameters.items():
        if name not in given and parameter.default is inspect.Parameter.empty:
            raise _missing(call, name, key)
    return {
        name: convert(
            value,
            parameters[name].annotation,
            f"`{name}` of `{call.name}`",
            key,
            EntryPart(call.name, places[name]),
        )
        for name, value in given.items()
    }


def _too_many(call: SettingCall, most: int, names: list[str], key: str) -> SettingError:
    """The error for more arguments without a name than the `most` that a call takes."""
    found, takes = len(call.args), f"takes at most {counted(most, 'argument')}"
    help_ = f"they are {', '.join(f'`{name}`' for name in names)}"
    if not names:
        takes, help_ = "takes no argument", f"leave it out: write `{call.name}`"
    if most < len(names):
        takes += " without a name"
        help_ = f"write the names of the others: {', '.join(f'`{n}`' for n in names[most:])}"
    message = f"`{call.name}` {takes}, but {found} {are(found)} given"
    part = EntryPart(call.name, most)
    return SettingError("unknown-argument", message, key, help_, part=part)


def _is_spread(call: SettingCall, parameters: Sequence[inspect.Parameter]) -> bool:
    """Whether the numbers of a list are arguments of their own: `multistep(5, 8)`."""
    bases = [_base(parameter.annotation) for parameter in parameters[:2]]
    if len(call.args) < 2 or [_list_of(base) is None for base in bases] != [False, True]:
        return False
    element = typing.get_args(_list_of(bases[0]))[0]
    return all(_as_type(value, element) is not _WRONG for value in call.args)


def _list_of(base: object) -> object:
    """The list of any length that a type is or may be, or None."""
    parts = typing.get_args(base) if isinstance(base, types.UnionType) else (base,)
    return next((part for part in parts if typing.get_args(part)[1:] == (...,)), None)


def _base(annotation: object) -> object:
    """The type of a parameter without its constraint."""
    if typing.get_origin(annotation) is Annotated:
        return typing.get_args(annotation)[0]
    return annotation


def _missing(call: SettingCall, name: str, key: str) -> SettingError:
    """The error for an argument that a call needs; the help has those that it is given."""
    first = [show(value) for value in call.args]
    given = [f"{own} = {show(value)}" for own, value in call.kwargs.items()]
    written = ", ".join([*first, f"{name} = {training.EXAMPLES.get(name, '...')}", *given])
    message = f"`{call.name}` needs the argument `{name}`"
    help_ = f"write `{call.name}({written})`"
    return SettingError("missing-argument", message, key, help_, part=EntryPart(call.name, name))


def _check_name(
    call: SettingCall, name: str, names: list[str], given: dict[str, object], key: str
) -> None:
    part = EntryPart(call.name, name)
    if name in given:
        message = f"`{call.name}` is given `{name}` twice"
        help_ = f"remove one of the two: {show(given[name])} is its value without a name"
        if call.name == "step" and len(call.args) > 1:
            named = [f"{own} = {show(value)}" for own, value in call.kwargs.items()]
            milestones = show(tuple(call.args))
            help_ = f"`step` has one length: write `multistep({', '.join([milestones, *named])})`"
        raise SettingError("duplicate-argument", message, key, help_, part=part)
    if name in names:
        return
    help_, respelling = f"`{call.name}` takes no arguments", None
    squeezed = training.squeezed(name)
    ours = next((n for n in training.RENAMED_ARGUMENTS.get(squeezed, ()) if n in names), None)
    if ours is not None:
        has_value = ours in given or ours in call.kwargs
        help_ = f"it is called `{ours}` here{', and has a value already' * has_value}"
        respelling = None if has_value else (name, ours)
    elif squeezed in training.REMOVED_ARGUMENTS:
        help_ = training.REMOVED_ARGUMENTS[squeezed]
    elif names:
        help_, respelling = suggest(name, names), respelled(name, set(names) - set(given))
    message = f"`{call.name}` has no argument `{name}`"
    raise SettingError("unknown-argument", message, key, help_, respelling, part)


def _rising(values: tuple[int, ...]) -> bool:
    return all(a < b for a, b in pairwise(values))
