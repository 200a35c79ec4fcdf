"""Entries of a `train` section that are arguments of another entry: `lr = 0.1` is one of `sgd`."""

from __future__ import annotations

import inspect
import shlex
from typing import TYPE_CHECKING

from netdsl.config import SettingCall, text_of
from netdsl.diagnostics import Diagnostic, Edit
from netdsl.habits import training
from netdsl.source import SourceFile, Span
from netdsl.syntax import ast
from netdsl.train.config import DEFAULT_CALLS, TrainConfig, registry_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# The call that an argument is added to if the section does not have the entry.
_ADDED_TO = {**DEFAULT_CALLS, "metrics": SettingCall("accuracy")}
_ADDED_TO["data"] = SettingCall("fashion_mnist")


def argument_of(name: str) -> str | None:
    """The argument that an entry is by its name, or None."""
    if name in training.ARGUMENTS:
        return name
    names = training.RENAMED_ARGUMENTS.get(training.squeezed(name), ())
    return next((ours for ours in names if ours in training.ARGUMENTS), None)


def misplaced(entries: Sequence[ast.Entry]) -> dict[ast.Entry, str]:
    """The entries that are arguments of another one, and the names of these arguments."""
    found = {}
    for entry in entries:
        argument = argument_of(entry.name)
        is_known = training.squeezed(entry.name) in (*training.ENTRIES, *training.REMOVED_ENTRIES)
        is_known = is_known or entry.name in TrainConfig.__dataclass_fields__
        if argument is not None and not is_known:
            found[entry] = argument
    return found


def errors_of_misplaced(entries: Sequence[ast.Entry]) -> Iterator[Diagnostic]:
    """The error of each misplaced entry; its help has the whole entry that it belongs to."""
    found = misplaced(entries)
    for entry, argument in found.items():
        key = training.ARGUMENTS[argument]
        own = {a: e for e, a in found.items() if training.ARGUMENTS[a] == key}
        target = next((e for e in entries if e.name == key), None)
        message = f"`{entry.name}` is an argument of the {key}, not an entry"
        name, arguments = _call_of(key, target)
        parameters = _parameters(key, name)
        help_ = f"write it in the parentheses of `{key} = {training.CALLS[key]}`"
        fix: tuple[Edit, ...] = ()
        if argument in parameters and argument in arguments and target is not None:
            help_ = f"remove it: `{target.span.text}` has a value of `{argument}`"
            number = entry.values[0].span.text
            if arguments[argument] != number:
                written = _written(key, name, parameters, arguments, {argument: entry})
                help_ = f"`{target.span.text}` has another value: write `{written}`, or remove it"
        elif own.keys() <= parameters.keys():
            written = _written(key, name, parameters, arguments, own)
            help_ = f"write `{written}`"
            if entry is next(iter(own.values())):
                fix = _fix(written, target, tuple(own.values()))
        yield Diagnostic("unknown-entry", message, name_of(entry), help=help_, fix=fix)


def in_order(errors: list[Diagnostic]) -> list[Diagnostic]:
    """The errors of a section in the order of its text; those without a place come first."""
    return sorted(errors, key=lambda error: getattr(error.span, "start", -1))


def misplaced_setting(
    entries: Sequence[ast.Entry], key: str, text: str, given_as: str
) -> Diagnostic | None:
    """The error for a setting of the command that is an argument of an entry, or None."""
    argument = None if key in TrainConfig.__dataclass_fields__ else argument_of(key)
    if argument is None:
        return None
    entry = training.ARGUMENTS[argument]
    name, _ = _call_of(entry, next((e for e in entries if e.name == entry), None))
    message = f"`{key}` is an argument of the {entry}, not an entry"
    help_ = f"write it in the parentheses of `{entry} = {training.CALLS[entry]}`"
    if argument in _parameters(entry, name) and text:
        help_ = f"write `{_setting(entry, argument, text, given_as)}`"
    source = SourceFile(given_as.format(key), text)
    return Diagnostic("unknown-entry", message, Span(source, 0, len(text)), help=help_)


def _setting(entry: str, argument: str, text: str, given_as: str) -> str:
    """The text that gives an argument by its path, in the command or in Python."""
    if not given_as.startswith("--"):
        return f"train({entry}={{{argument!r}: {text}}})".replace("'", '"')
    option, _, path = given_as.format(f"{entry}.{argument}={text}").partition(" ")
    return f"{option} {shlex.quote(path)}"


def name_of(entry: ast.Entry) -> Span:
    """The place of the name of an entry."""
    return Span(entry.span.file, entry.span.start, entry.span.start + len(entry.name))


def _call_of(key: str, target: ast.Entry | None) -> tuple[str, Mapping[str, str]]:
    """The name of an entry's call, and the texts of its arguments by name."""
    if target is None:
        call = _ADDED_TO[key]
        return call.name, {name: text_of(value) for name, value in call.kwargs.items()}
    value = target.values[0]
    if len(target.values) > 1 or not isinstance(value, ast.Function):
        return value.span.text, {}
    parameters = iter(_parameters(key, value.name))
    return value.name, {
        argument.name or next(parameters, ""): argument.value.span.text
        for argument in value.arguments
    }


def _parameters(key: str, name: str) -> dict[str, None]:
    """The parameters of a call by its name, in order; empty if there is no such call."""
    registry = registry_of(key)
    if name not in registry:
        return {}
    return dict.fromkeys(inspect.signature(registry[name]).parameters)


def _written(
    key: str,
    name: str,
    parameters: Mapping[str, None],
    arguments: Mapping[str, str],
    own: Mapping[str, ast.Entry],
) -> str:
    given = {**arguments, **{a: e.values[0].span.text for a, e in own.items()}}
    texts = [f"{a} = {given[a]}" for a in (*parameters, *given) if a in given]
    return f"{key} = {name}({', '.join(dict.fromkeys(texts))})"


def _fix(
    written: str, target: ast.Entry | None, entries: tuple[ast.Entry, ...]
) -> tuple[Edit, ...]:
    """Write the entry, and remove the lines of those that it replaces."""
    replaced, *others = (*entries,) if target is None else (target, *entries)
    return (Edit(replaced.span, written), *(Edit(_line(e.span), "") for e in others))


def _line(span: Span) -> Span:
    """A whole line with its line break, if a stretch is alone on it."""
    text = span.file.text
    start = text.rfind("\n", 0, span.start) + 1
    end = text.find("\n", span.end) + 1
    if not end or text[start : span.start].strip() or text[span.end : end].strip():
        return span
    return Span(span.file, start, end)
