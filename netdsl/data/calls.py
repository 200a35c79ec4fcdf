"""Checks the arguments of a `SettingCall` against the signature of the function it names."""

import inspect
import typing
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Annotated, NamedTuple, TypeVar

from netdsl.config import SettingCall
from netdsl.data.arguments import convert, fits, list_of, show
from netdsl.diagnostics import did_you_mean, nearest, proposal_of
from netdsl.errors import EntryPart, SettingError
from netdsl.habits import recipes, training
from netdsl.habits.training import TAKEN, TakenPictures
from netdsl.words import are, counted

T = TypeVar("T")
Advice = tuple[str, tuple[str, str] | None]  # help, and a wrong text with the right one


def invoke(
    call: SettingCall,
    registry: Mapping[str, Callable[..., T]],
    kind: str,
    key: str,
    pictures: TakenPictures = TAKEN,
) -> T:
    """Call the entry of `registry` that `call` names, and return its result.

    `kind` is the noun for messages, such as "loss", and `pictures` those of the advice.
    Raises SettingError with the entry `key`: `unknown-` and the kind, `unknown-argument`,
    `missing-argument`, `duplicate-argument`, `wrong-type` or `bad-argument`.
    """
    target, arguments = bind(call, registry, kind, key, pictures)
    try:
        return target(**arguments)
    except SettingError as error:
        error.key = error.key or key
        error.part = error.part or EntryPart(call.name)
        raise


def bind(
    call: SettingCall,
    registry: Mapping[str, Callable[..., T]],
    kind: str,
    key: str,
    pictures: TakenPictures = TAKEN,
) -> tuple[Callable[..., T], dict[str, object]]:
    """The callable that `call` names and its checked arguments by name; raises as `invoke`."""
    if call.name not in registry:
        message = f"there is no {kind} named `{call.name}`"
        help_, respelling = called_here(call, registry, kind, pictures)
        code, part = f"unknown-{kind}", EntryPart(call.name)
        raise SettingError(code, message, key, help_, respelling, part)
    target = registry[call.name]
    return target, _arguments(call, target, key, pictures)


def called_here(
    call: SettingCall,
    registry: Mapping[str, Callable[..., object]],
    kind: str,
    pictures: TakenPictures = TAKEN,
) -> Advice:
    """Help and respelling for a name that is not in the registry."""
    squeezed = training.squeezed(call.name)
    advice = recipes.REMOVED_VALUES.get(kind, {}).get(squeezed)
    if advice is not None:
        is_certain = proposal_of(advice).aim == "text" and not call.args and not call.kwargs
        respelling = ("", proposal_of(advice).names[0]) if is_certain else None
        return advice.format(side=pictures.side, form=pictures.form), respelling
    ours = recipes.VALUES.get(kind, {}).get(squeezed)
    if ours is None:
        return _misspelt(call, registry)
    target = registry[ours]
    parameters = inspect.signature(target).parameters
    if not call.args and not call.kwargs:
        needs = [n for n, p in parameters.items() if p.default is inspect.Parameter.empty]
        texts = [_example(name, pictures, parameters) for name in needs]
        example = f": write `{ours}({', '.join(texts)})`" if texts else ""
        return f"it is called `{ours}` here{example}", (call.name, ours)
    corrected = _corrected(call._replace(name=ours), target, pictures)
    if corrected is None or _is_as_it_was(corrected, call._replace(name=ours)):
        return f"it is called `{ours}` here", (call.name, ours)
    return f"it is called `{ours}` here: {corrected}", (call.name, ours)


def _misspelt(call: SettingCall, registry: Mapping[str, Callable[..., object]]) -> Advice:
    """Help and respelling for a name that no tool has."""
    meant = nearest(call.name, registry)
    if meant is not None:
        own = call._replace(name=meant)
        corrected = _corrected(own, registry[meant])
        if corrected is not None and not _is_as_it_was(corrected, own):
            return str(corrected), (call.name, meant)
    return suggest(call.name, registry), respelled(call.name, registry)


class _Corrected(NamedTuple):
    """A call with the names of arguments that it has here; `advice` is about those left out.

    `needed` are the texts of arguments that it lacks.
    """

    call: SettingCall
    advice: Sequence[str]
    needed: Sequence[str] = ()

    def __str__(self) -> str:
        return "; ".join([f"write `{_written(self.call, self.needed)}`", *self.advice])


def _is_as_it_was(corrected: _Corrected, call: SettingCall) -> bool:
    return corrected.call == call and not corrected.needed


def _corrected(
    call: SettingCall, target: Callable[..., object], pictures: TakenPictures = TAKEN
) -> _Corrected | None:
    """A call whose arguments have the names of other tools, or None if any doubt is left."""
    parameters = inspect.signature(target).parameters
    names = list(parameters)
    kept: dict[str, object] = {}
    advice = []
    args = [value for value in call.args if not _is_left_out(value)]
    if not names:
        return _Corrected(SettingCall(call.name), [f"`{call.name}` takes no arguments"])
    for name, value in call.kwargs.items():
        squeezed = training.squeezed(name)
        ours = _renamed(name, names)
        if ours is not None and ours not in kept:
            kept[ours] = value
        elif ours is None and squeezed in training.REMOVED_ARGUMENTS:
            advice.append(f"`{name}`: {training.REMOVED_ARGUMENTS[squeezed]}")
        else:
            return None
    corrected = SettingCall(call.name, tuple(args), kept)
    try:
        target(**_arguments(corrected, target, ""))
    except SettingError as error:
        if error.code != "missing-argument":
            return None
    absent = names[len(args) :]
    absent = [name for name in absent if name not in kept]
    needed = [n for n in absent if parameters[n].default is inspect.Parameter.empty]
    return _Corrected(corrected, advice, [_example(n, pictures, absent) for n in needed])


def _is_left_out(value: object) -> bool:
    """Whether an argument is a name such as `optimizer`, which the call has no need of here."""
    if not isinstance(value, SettingCall) or value.args or value.kwargs:
        return False
    return training.squeezed(value.name) in training.REMOVED_ARGUMENTS


def _renamed(name: str, names: Sequence[str]) -> str | None:
    """The argument, one of `names`, that has this name here or in other tools, or None."""
    known = training.RENAMED_ARGUMENTS.get(training.squeezed(name), ())
    return next((ours for ours in (name, *known) if ours in names), None)


def _written(call: SettingCall, needed: Sequence[str]) -> str:
    """A call as a section has it, with the texts of arguments that it lacks."""
    named = [f"{name} = {show(value)}" for name, value in call.kwargs.items()]
    texts = [*map(show, call.args), *needed, *named]
    return f"{call.name}({', '.join(texts)})" if texts else call.name


def _example(name: str, pictures: TakenPictures, absent: Container[str]) -> str:
    """How an argument is written; `absent` are those that the call can get."""
    if name == "size":
        if "channels" in absent:
            return pictures.form
        return f"size = {pictures.side}"
    return f"{name} = {training.EXAMPLES.get(name, '...')}"


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


def _arguments(
    call: SettingCall, target: Callable[..., object], key: str, pictures: TakenPictures = TAKEN
) -> dict[str, object]:
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
        _check_name(call, name, target, given, key)
        given[name] = value
        places[name] = name
    for name, parameter in parameters.items():
        if name not in given and parameter.default is inspect.Parameter.empty:
            raise _missing(call, name, parameters.keys() - given.keys(), key, pictures)
    return {
        name: _converted(value, parameters[name], EntryPart(call.name, places[name]), key)
        for name, value in given.items()
    }


def _converted(value: object, parameter: inspect.Parameter, part: EntryPart, key: str) -> object:
    """An argument with the type of its parameter."""
    label = f"`{parameter.name}` of `{part.call}`"
    try:
        return convert(value, parameter.annotation, label, key, part)
    except SettingError as error:
        if not parameter.default and training.means_none(value):
            error.diagnostic.help = "leave it out for none"
        raise


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


def _missing(
    call: SettingCall, name: str, absent: Container[str], key: str, pictures: TakenPictures
) -> SettingError:
    """The error for an argument that a call needs; the help has those that it is given."""
    written = _written(call, [_example(name, pictures, absent)])
    message = f"`{call.name}` needs the argument `{name}`"
    help_ = f"write `{written}`"
    return SettingError("missing-argument", message, key, help_, part=EntryPart(call.name, name))


def _check_name(
    call: SettingCall,
    name: str,
    target: Callable[..., object],
    given: dict[str, object],
    key: str,
) -> None:
    names = list(inspect.signature(target).parameters)
    part = EntryPart(call.name, name)
    if name in given:
        message = f"`{call.name}` is given `{name}` twice"
        help_ = f"remove one of the two: {show(given[name])} is its value without a name"
        if call.name == "step" and len(call.args) > 1:
            named = [f"{own} = {show(value)}" for own, value in call.kwargs.items()]
            milestones = show(tuple(call.args))
            help_ = f"`step` has one length: write `multistep({', '.join([milestones, *named])})`"
        first = call.kwargs.get("betas")
        if isinstance(first, float) and len(call.args) == 1:
            help_ = f"two numbers are a list: write `betas = {show([first, *call.args])}`"
        raise SettingError("duplicate-argument", message, key, help_, part=part)
    if name in names:
        return
    help_, respelling = f"`{call.name}` takes no arguments", None
    squeezed = training.squeezed(name)
    ours = _renamed(name, names)
    if ours is not None:
        has_value = ours in given or ours in call.kwargs
        help_ = f"it is called `{ours}` here{', and has a value already' * has_value}"
        respelling = None if has_value else (name, ours)
    elif squeezed in training.REMOVED_ARGUMENTS:
        help_ = training.REMOVED_ARGUMENTS[squeezed]
    elif names:
        help_, respelling = suggest(name, names), respelled(name, set(names) - set(given))
    if len(call.kwargs.keys() - names) > 1:
        help_ = str(_corrected(call, target) or help_)
    message = f"`{call.name}` has no argument `{name}`"
    raise SettingError("unknown-argument", message, key, help_, respelling, part)
