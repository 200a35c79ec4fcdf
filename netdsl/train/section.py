"""Reads a `train` section and the settings of the user; imports neither torch nor numpy."""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING, Any, NamedTuple

from netdsl.config import SettingCall
from netdsl.data.catalog import call_for, takes_padding
from netdsl.diagnostics import Annotation, Diagnostic, Edit
from netdsl.elaborate.corrections import without
from netdsl.elaborate.evaluate import Env, name_span
from netdsl.errors import NetdslError, SettingError
from netdsl.habits.training import TAKEN, is_usual
from netdsl.source import SourceFile, Span
from netdsl.syntax import ast
from netdsl.syntax.parser import parse_expression
from netdsl.train.config import DEFAULT_CALLS, LISTS, TrainConfig, check_entry, registry_of
from netdsl.train.default_data import tell_default
from netdsl.train.expressions import refuse_formula, value_of
from netdsl.train.misplaced import (
    errors_of_misplaced,
    in_order,
    misplaced,
    misplaced_setting,
    name_of,
)
from netdsl.train.one_value import tell_one_value
from netdsl.train.paths import replaced
from netdsl.train.permitted import pictures_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from netdsl.driver import Compiled
    from netdsl.errors import EntryPart
    from netdsl.habits.training import TakenPictures

COMMAND = ("--set train.{}", "--data")  # where a user of the command gives an entry, and the data
_PATH = re.compile(r"[\w.~-]*(/[\w. -]*)+")
PYTHON = ("train({}=...)", "train(data=...)")


def read_config(
    compiled: Compiled,
    data: str | None = None,
    settings: Mapping[str, str] | None = None,
    given_as: tuple[str, str] = COMMAND,
) -> TrainConfig:
    """The configuration from a net's `train` section and the user's wishes.

    `settings` are texts by entry, which replace the entries of the section, or by a path such as
    `optimizer.lr`, which replace a part of an entry. `data` is a text that replaces the dataset,
    but not its padding; parts that `settings` have for the dataset change this one. `given_as` are
    their places in errors. Raises `NetdslError` with an error for every entry that is wrong.
    """
    settings = settings or {}
    reader = _Reader(compiled.env, pictures_of(compiled.graph))
    for path, text in settings.items():
        if "." in path:
            reader.take_part(path, given_as[0].format(path), text)
    parts_of_data = reader.kept_back("data") if data is not None else []
    entries = [e for e in _entries(compiled) if reader.is_first(e)]
    outside = misplaced(entries)
    reader.errors += errors_of_misplaced(entries)
    reader.elsewhere = set(outside.values())
    for entry in entries:
        if entry not in outside and entry.name not in settings:
            reader.take(entry.name, entry.values, name_of(entry))
    reader.errors = in_order(reader.errors)
    for key, text in settings.items():
        if "." in key:
            continue
        argument = misplaced_setting(entries, key, text, given_as[0])
        if argument is not None:
            reader.errors.append(argument)
        else:
            reader.take_text(key, given_as[0].format(key), text)
    if data is not None:
        reader.give_back("data", parts_of_data)
        if "data" in settings:
            reader.refuse_second("data", given_as, data)
        reader.take_text("data", given_as[1], data)
    reader.take_defaults()
    if reader.errors:
        raise NetdslError.of(reader.errors)
    return TrainConfig(**reader.values)


def placed(error: SettingError, compiled: Compiled, replaced: Collection[str] = ()) -> SettingError:
    """Add the place to an error found in training, and return the error.

    The place is the entry, or the name of the net if its section has no such entry. Settings from
    the command line, whose paths are `replaced`, have no place in the text.
    """
    if error.key not in {path.partition(".")[0] for path in replaced}:
        error.diagnostic.span = _place(error.key, compiled)
        if error.code == "data-mismatch" and entry_of(compiled, "data") is None:
            tell_default(error, compiled)
    return error


def _place(key: str | None, compiled: Compiled) -> Span | None:
    written = entry_of(compiled, key)
    if written is not None:
        return written.span
    if key not in TrainConfig.__dataclass_fields__:
        return None
    if compiled.train is None:
        return compiled.graph.site.span
    return compiled.train.net_span


def entry_of(compiled: Compiled, key: str | None) -> ast.Entry | None:
    """The entry of a net's section with that name, if it has one."""
    return next((entry for entry in _entries(compiled) if entry.name == key), None)


def _entries(compiled: Compiled) -> Iterable[ast.Entry]:
    if compiled.train is None:
        return ()
    return compiled.train.entries


class _Part(NamedTuple):
    """A value that the user gives for a part of an entry, and the steps that lead to it."""

    steps: tuple[str, ...]
    value: ast.Expr


def read_data(text: str) -> SettingCall:
    """The data set that a text names outside of a `train` section; raises `NetdslError`."""
    reader = _Reader(Env())
    reader.take_text("data", COMMAND[1], text)
    if reader.errors:
        raise NetdslError.of(reader.errors)
    call: SettingCall = reader.values["data"]
    return call


class _Reader:
    """Collects the checked values of the entries, and the errors in them."""

    def __init__(self, env: Env, pictures: TakenPictures = TAKEN) -> None:
        self.env = env
        self.pictures = pictures  # that the net takes
        self.values: dict[str, Any] = {}  # `check_entry` gives each the type of its field
        self.errors: list[Diagnostic] = []
        self.elsewhere: set[str] = set()  # arguments that are entries by mistake
        self._first: dict[str, ast.Entry] = {}
        self._parts: dict[str, list[_Part]] = {}  # by entry

    def is_first(self, entry: ast.Entry) -> bool:
        """Whether this is the first entry of its name; a second one is an error."""
        first = self._first.setdefault(entry.name, entry)
        if first is not entry:
            notes = (Annotation("the first is here", first.span),)
            self.errors.append(
                Diagnostic(
                    "duplicate-name",
                    f"the section has two entries `{entry.name}`",
                    entry.span,
                    help=f"remove one of the two: `{first.span.text}` or `{entry.span.text}`",
                    notes=notes,
                )
            )
        return first is entry

    def take_text(self, key: str, option: str, text: str) -> None:
        """Take a value that an option of the command line gives."""
        errors = len(self.errors)
        value = self._parsed(option, text)
        if value is not None:
            self.take(key, (value,), value.span)
        help_ = path_help(key, text, self.pictures)
        for error in self.errors[errors:]:
            if help_ is not None:
                error.help, error.fix = help_, ()

    def take_part(self, path: str, option: str, text: str) -> None:
        """Remember a value for a part of an entry; it is put there when the entry is taken."""
        value = self._parsed(option, text)
        if value is not None:
            key, *steps = path.split(".")
            self._parts.setdefault(key, []).append(_Part(tuple(steps), value))

    def kept_back(self, key: str) -> list[_Part]:
        """Take away the parts given for an entry, for the value that an option will give."""
        return self._parts.pop(key, [])

    def give_back(self, key: str, parts: list[_Part]) -> None:
        """Remember parts that were kept back."""
        if parts:
            self._parts[key] = parts

    def refuse_second(self, key: str, given_as: tuple[str, str], text: str) -> None:
        """Add the error for an entry that two options of the command line give."""
        first, second = given_as[0].format(key), given_as[1]
        place = Span(SourceFile(second, text), 0, len(text))
        message = f"`{key}` is given by `{second}` and by `{first}`"
        help_ = "remove one of the two"
        self.errors.append(Diagnostic("duplicate-argument", message, place, help=help_))

    def take_defaults(self) -> None:
        """Take the entries that the section leaves out, and of which parts are given."""
        for key, parts in list(self._parts.items()):
            self.take(key, (), parts[0].value.span)

    def _parsed(self, option: str, text: str) -> ast.Expr | None:
        """The expression that an option of the command line gives, or None after an error."""
        try:
            return parse_expression(SourceFile(option, text))
        except NetdslError as error:
            tell_one_value(error, option, text)
            self.errors += error.diagnostics
            return None

    def take(self, key: str, exprs: tuple[ast.Expr, ...], span: Span) -> None:
        """Check and keep the value of an entry; `span` is the place of its name.

        Without expressions, the value is the default of the entry.
        """
        parts = self._parts.pop(key, [])
        try:
            value = self._entry_value(key, exprs) if exprs else _default(key)
            for given in parts:
                value = self._with_part(key, value, given)
            self.values[key] = check_entry(key, value, self.pictures)
        except SettingError as error:
            part = error.part
            if error.code == "missing-argument" and part and part.argument in self.elsewhere:
                return  # that entry has an error of its own
            place = _place_of_part(parts, part) or span
            if error.code != "unknown-entry" and place is span and exprs:
                place = place_in(exprs, part)
            error.diagnostic.span = error.diagnostic.span or place
            if error.respelling is not None:
                error.diagnostic.fix = fix_of(*error.respelling, error.diagnostic.span)
            elif error.code == "unknown-argument" and part is not None:
                error.diagnostic.fix = _left_out(exprs, part)
            self.errors += error.diagnostics
        except NetdslError as error:
            error.diagnostic.span = error.diagnostic.span or span
            self.errors += error.diagnostics

    def _with_part(self, key: str, value: object, given: _Part) -> object:
        """The value of an entry with a part that the user gives."""
        try:
            return replaced(value, given.steps, value_of(given.value, self.env), registry_of(key))
        except SettingError as error:
            error.key = key
            error.diagnostic.span = given.value.span
            raise

    def _entry_value(self, key: str, exprs: tuple[ast.Expr, ...]) -> object:
        """The value before its check: several values, or one item for a list, form a list."""
        if key == "loss" and isinstance(exprs[0], ast.Operation):
            refuse_formula(exprs[0], self.env)
        values = [value_of(expr, self.env) for expr in exprs]
        if len(values) > 1 or (key in LISTS and not isinstance(values[0], list)):
            return values
        if key == "data":
            return _with_padding(values[0], self.values.get(key))
        return values[0]


def _default(key: str) -> object:
    """What an entry is if the section leaves it out, before its check."""
    if key in DEFAULT_CALLS:
        return DEFAULT_CALLS[key]
    if key in LISTS:
        return [SettingCall("accuracy")] if key == "metrics" else []
    if key not in TrainConfig.__dataclass_fields__:
        check_entry(key, None)  # raises the error of an unknown entry
    return TrainConfig.__dataclass_fields__[key].default


def _place_of_part(parts: Iterable[_Part], part: EntryPart | None) -> Span | None:
    """The place of an argument if the user gives it by its path."""
    if part is None:
        return None
    return next((p.value.span for p in parts if p.steps[-1] == part.argument), None)


def place_in(exprs: tuple[ast.Expr, ...], part: EntryPart | None) -> Span:
    """The place of a part of an entry's value, or of the whole value."""
    for expr in _items(exprs):
        if part is None:
            break
        if isinstance(expr, ast.Name) and expr.id == part.call:
            return expr.span
        if isinstance(expr, ast.Function) and expr.name == part.call:
            for number, argument in enumerate(expr.arguments):
                if part.argument == (argument.name or number):
                    return argument.span
            return name_span(expr)
    return Span(exprs[0].span.file, exprs[0].span.start, exprs[-1].span.end)


def _left_out(exprs: tuple[ast.Expr, ...], part: EntryPart) -> tuple[Edit, ...]:
    """The fix for an argument with the value that training has without it."""
    for expr in _items(exprs):
        if not isinstance(expr, ast.Function) or expr.name != part.call:
            continue
        for number, argument in enumerate(expr.arguments):
            if argument.name != part.argument:
                continue
            if is_usual(str(argument.name), argument.value.span.text, expr.span.file.text):
                return (without(expr, number),)
    return ()


def _items(exprs: tuple[ast.Expr, ...]) -> Iterator[ast.Expr]:
    """The expressions, with the items of a list in place of it."""
    for expr in exprs:
        if isinstance(expr, ast.Sequence):
            yield from expr.items
        else:
            yield expr


def fix_of(wrong: str, right: str, entry: Span) -> tuple[Edit, ...]:
    """The fix of a wrong text in a place, if it occurs only once; without it, of the value."""
    if not wrong:
        name, equals, _ = entry.text.partition("=")
        begin = entry.start + len(name + equals) if equals else entry.start
        return (Edit(Span(entry.file, begin, entry.end), f" {right}" if equals else right),)
    word = rf"(?<![\w.]){re.escape(wrong)}(?![\w.])"
    places = [match.start() for match in re.finditer(word, entry.text)]
    if len(places) != 1:
        return ()
    start = entry.start + places[0]
    return (Edit(Span(entry.file, start, start + len(wrong)), right),)


def _with_padding(call: object, own: object) -> object:
    """The dataset `call` with the padding of the section's `own` dataset.

    `--data cifar10` keeps that padding, because the input of the net depends on it.
    """
    if not isinstance(call, SettingCall) or not isinstance(own, SettingCall):
        return call
    if "pad" not in own.kwargs or "pad" in call.kwargs or not takes_padding(call.name):
        return call
    return call._replace(kwargs={**call.kwargs, "pad": own.kwargs["pad"]})


def path_help(key: str, text: str, pictures: TakenPictures) -> str | None:
    """Advice for an entry whose text is only the path of a file or a folder."""
    path = text.strip('"')
    is_path = key == "data" and _PATH.fullmatch(path)
    if not is_path and not os.path.exists(path):
        return None
    if key == "data":
        call = call_for(path, pictures) or f'folder("DIR", {pictures.form})'
        return f"for your own data write `{call}`"
    return f"write `--weights {shlex.quote(path)}`" if key == "weights" else None
