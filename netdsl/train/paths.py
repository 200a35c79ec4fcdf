"""Settings by their path: `optimizer.lr` is an argument of the call that an entry is."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from netdsl.config import SettingCall
from netdsl.data.arguments import show
from netdsl.data.calls import suggest
from netdsl.errors import EntryPart, SettingError
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def replaced(
    value: object, path: Sequence[str], new: object, registry: Mapping[str, Callable[..., object]]
) -> object:
    """The value of an entry with another value at a path.

    A step of the path names an argument of a call, a call in a list by its name, or the second
    value of a pair by the first. `registry` has the calls, for the names of their arguments. Raises
    SettingError `unknown-argument` for a path that leads nowhere.
    """
    if not path:
        return new
    step, rest = path[0], path[1:]
    if isinstance(value, SettingCall):
        call = _with_names(value, registry)
        if rest and step not in call.kwargs:
            raise _nothing(f"`{call.name}` is not given `{step}`", step, call.kwargs, call.name)
        inner = replaced(call.kwargs.get(step), rest, new, registry)
        return call._replace(kwargs={**call.kwargs, step: inner})
    if isinstance(value, list | tuple):
        return _replaced_item(list(value), step, rest, new, registry)
    raise _nothing(f"{show(value)} has no part `{step}`", step, (), "")


def _replaced_item(
    items: list[object],
    step: str,
    rest: Sequence[str],
    new: object,
    registry: Mapping[str, Callable[..., object]],
) -> list[object]:
    names = [_name(item) for item in items]
    if names.count(step) != 1:
        message = f"{show(items)} has no part `{step}`"
        if step in names:
            message = f"{show(items)} has {counted(names.count(step), 'part')} `{step}`"
            error = _nothing(message, step, (), "")
            error.diagnostic.help = "a path cannot choose one of them: give the whole list"
            raise error
        raise _nothing(message, step, [name for name in names if name], "")
    index = names.index(step)
    item = items[index]
    if isinstance(item, SettingCall):
        items[index] = replaced(item, rest, new, registry)
    elif isinstance(item, list | tuple):
        items[index] = [item[0], replaced(item[1], rest, new, registry), *item[2:]]
    return items


def _name(item: object) -> str | None:
    """The name of a part of a list: that of a call, or the first value of a pair."""
    if isinstance(item, SettingCall):
        return item.name
    if isinstance(item, list | tuple):
        return _name(item[0]) if len(item) > 1 else None
    return item if isinstance(item, str) else None


def _with_names(call: SettingCall, registry: Mapping[str, Callable[..., object]]) -> SettingCall:
    """A call with all of its arguments by name, as far as there are names."""
    if call.name not in registry:
        return call
    names = list(inspect.signature(registry[call.name]).parameters)
    given = dict(zip(names, call.args, strict=False))
    return SettingCall(call.name, call.args[len(names) :], {**given, **call.kwargs})


def _nothing(
    message: str, step: str, known: Sequence[str] | Mapping[str, object], call: str
) -> SettingError:
    help_ = None
    if known:
        help_ = suggest(step, known)
    return SettingError("unknown-argument", message, help=help_, part=EntryPart(call, step))
