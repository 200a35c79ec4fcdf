"""Checks the arguments of a `SettingCall` against the signature of what it names."""

import inspect
import math
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, TypeVar

from netdsl.config import SettingCall
from netdsl.diagnostics import did_you_mean
from netdsl.errors import SettingError
from netdsl.ops import args
from netdsl.words import are, counted

T = TypeVar("T")


@dataclass(frozen=True)
class Constraint:
    """The values that a parameter takes beyond its type; `text` names them in a message."""

    text: str
    holds: Callable[[Any], bool]


MOST = 10**9  # what PyTorch and numpy hold in any integer
LARGEST = 3.4e38
Count = Annotated[int, Constraint(f"an integer from 1 to {MOST:,}", lambda v: 1 <= v <= MOST)]
Natural = Annotated[int, Constraint(f"an integer from 0 to {MOST:,}", lambda v: 0 <= v <= MOST)]
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
Counts = Annotated[
    tuple[int, ...],
    Constraint("a rising list of integers of at least 1", lambda v: v and _rising((0, *v))),
]

TYPE_TEXT: dict[object, str] = {
    int: "an integer",
    float: "a number",
    bool: "true or false",
    str: "a text",
    str | None: "a text",
    tuple[int, ...]: "a list of integers",
    tuple[float, ...]: "a list of numbers",
}


def invoke(call: SettingCall, registry: Mapping[str, Callable[..., T]], what: str, key: str) -> T:
    """Build what `call` names in `registry`; `what` is the kind of thing, for messages.

    Raises SettingError with entry `key`: an unknown name or argument, a missing one, a wrong type
    or value.
    """
    target, arguments = bind(call, registry, what, key)
    try:
        return target(**arguments)
    except SettingError as error:
        error.key = error.key or key
        raise


def bind(
    call: SettingCall, registry: Mapping[str, Callable[..., T]], what: str, key: str
) -> tuple[Callable[..., T], dict[str, object]]:
    """What `call` names and its arguments by name, without building it; raises as `invoke` does."""
    if call.name not in registry:
        message = f"there is no {what} named `{call.name}`"
        raise SettingError(f"unknown-{what}", message, key, suggest(call.name, registry))
    target = registry[call.name]
    return target, _arguments(call, target, key)


def suggest(name: str, known: Mapping[str, object] | Sequence[str]) -> str:
    """Advice for a misspelt name: the nearest known ones, or all of them."""
    return did_you_mean(name, known) or "known: " + ", ".join(f"`{n}`" for n in known)


def convert(value: object, annotation: Any, label: str, key: str) -> Any:
    """`value` as the annotated type, lists as tuples and integers as floats where floats are
    wanted.

    Raises SettingError `wrong-type`, or `bad-argument` where only a `Constraint` is broken.
    """
    base, bound = annotation, None
    if typing.get_origin(annotation) is Annotated:
        base, bound = typing.get_args(annotation)
    expected = bound.text if bound else TYPE_TEXT[base]
    result = _as_type(value, base)
    message = f"{label} is {show(value)}; it must be {expected}"
    if result is _WRONG:
        raise SettingError("wrong-type", message, key)
    if bound and not bound.holds(result):
        raise SettingError("bad-argument", message, key)
    if any(
        isinstance(v, float) and abs(v) > LARGEST
        for v in (result if isinstance(result, tuple) else (result,))
    ):
        raise SettingError(
            "bad-argument",
            f"{label} is {show(value)}, beyond {LARGEST:g}, the largest float32",
            key,
        )
    return result


def show(value: object) -> str:
    """A value as it is written in a `train` section."""
    match value:
        case SettingCall():
            return f"`{value.name}(...)`"
        case list() | tuple():
            return "[" + ", ".join(show(v) for v in value) + "]"
    return args.show(value)


_WRONG = object()


def _as_type(value: object, base: object) -> object:
    if base is float:
        number = (
            isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        )
        return float(typing.cast("float", value)) if number else _WRONG
    if typing.get_origin(base) is tuple:
        if isinstance(value, SettingCall) or not isinstance(value, list | tuple):
            return _WRONG
        items = tuple(_as_type(v, typing.get_args(base)[0]) for v in value)
        return _WRONG if _WRONG in items else items
    if base is int and isinstance(value, bool):
        return _WRONG
    return value if isinstance(value, typing.cast("type", base)) else _WRONG


def _arguments(call: SettingCall, target: Callable[..., object], key: str) -> dict[str, object]:
    parameters = inspect.signature(target).parameters
    names = list(parameters)
    if len(call.args) > len(names):
        message = (
            f"`{call.name}` takes at most {counted(len(names), 'argument')}, {len(call.args)}"
            f" {are(len(call.args))} given"
        )
        raise SettingError("unknown-argument", message, key)
    given = dict(zip(names, call.args, strict=False))
    for name, value in call.kwargs.items():
        _check_name(call, name, names, given, key)
        given[name] = value
    for name, parameter in parameters.items():
        if name not in given and parameter.default is inspect.Parameter.empty:
            message = f"`{call.name}` has no `{name}`, which it needs"
            raise SettingError(
                "missing-argument", message, key, f"write `{call.name}({name} = ...)`"
            )
    return {
        n: convert(v, parameters[n].annotation, f"`{n}` of `{call.name}`", key)
        for n, v in given.items()
    }


def _check_name(
    call: SettingCall, name: str, names: list[str], given: dict[str, object], key: str
) -> None:
    if name not in names:
        help = suggest(name, names) if names else f"`{call.name}` takes no arguments"
        raise SettingError("unknown-argument", f"`{call.name}` has no argument `{name}`", key, help)
    if name in given:
        raise SettingError("duplicate-argument", f"`{call.name}` is given `{name}` twice", key)


def _rising(values: tuple[int, ...]) -> bool:
    return all(a < b for a, b in pairwise(values))
