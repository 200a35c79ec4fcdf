"""Checks the arguments of a `SettingCall` against the signature of the function it names."""

import inspect
import re
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, TypeVar

from netdsl.config import SettingCall
from netdsl.data.arguments import convert, fits, list_of, show
from netdsl.diagnostics import did_you_mean, nearest
from netdsl.errors import EntryPart, SettingError
from netdsl.habits import training
from netdsl.words import are, counted

T = TypeVar("T")


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
    if len(call.args) < 2 or [list_of(base) is None for base in bases] != [False, True]:
        return False
    element = typing.get_args(list_of(bases[0]))[0]
    return all(fits(value, element) for value in call.args)


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
