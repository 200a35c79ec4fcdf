"""Reads a `train` section and the settings of the user; imports neither torch nor numpy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from netdsl.config import SettingCall
from netdsl.data.catalog import takes_padding
from netdsl.diagnostics import Annotation, Diagnostic, Edit
from netdsl.elaborate.evaluate import evaluate, name_span
from netdsl.elaborate.functions import function_names
from netdsl.errors import NetdslError, SettingError
from netdsl.source import SourceFile, Span
from netdsl.syntax import ast
from netdsl.syntax.parser import parse_expression
from netdsl.train.config import LISTS, TrainConfig, check_entry
from netdsl.train.misplaced import errors_of_misplaced, misplaced, misplaced_setting, name_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from netdsl.driver import Compiled
    from netdsl.elaborate.evaluate import Env
    from netdsl.errors import EntryPart

_WITH_HYPHENS = re.compile(r"[A-Za-z]\w*(-[A-Za-z]\w*)+")  # no name: `fashion-mnist`
COMMAND = ("--set train.{}", "--data")  # where a user of the command gives an entry, and the data
PYTHON = ("train({}=...)", "train(data=...)")


def read_config(
    compiled: Compiled,
    data: str | None = None,
    settings: Mapping[str, str] | None = None,
    given_as: tuple[str, str] = COMMAND,
) -> TrainConfig:
    """The configuration from a net's `train` section and the user's wishes.

    `settings` are texts by entry and replace the entries of the section, and `data` is a text that
    replaces the dataset, but not its padding. `given_as` are their places in errors. Raises
    `NetdslError` with an error for every entry that is wrong.
    """
    reader = _Reader(compiled.env)
    entries = [e for e in _entries(compiled) if reader.is_first(e)]
    outside = misplaced(entries)
    reader.errors += errors_of_misplaced(entries)
    reader.elsewhere = set(outside.values())
    for entry in entries:
        if entry not in outside and entry.name not in (settings or {}):
            reader.take(entry.name, entry.values, name_of(entry))
    for key, text in (settings or {}).items():
        argument = misplaced_setting(entries, key, text, given_as[0])
        if argument is not None:
            reader.errors.append(argument)
        else:
            reader.take_text(key, given_as[0].format(key), text)
    if data is not None:
        reader.take_text("data", given_as[1], data)
    if reader.errors:
        raise NetdslError.of(reader.errors)
    return TrainConfig(**reader.values)


def placed(error: SettingError, compiled: Compiled, replaced: Collection[str] = ()) -> SettingError:
    """Add the place to an error found in training, and return the error.

    The place is the entry, or the name of the net if its section has no such entry. Settings from
    the command line (`replaced`) have no place in the text.
    """
    if error.key not in replaced:
        error.diagnostic.span = _place(error.key, compiled)
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


class _Reader:
    """Collects the checked values of the entries, and the errors in them."""

    def __init__(self, env: Env) -> None:
        self.env = env
        self.values: dict[str, Any] = {}  # `check_entry` gives each the type of its field
        self.errors: list[Diagnostic] = []
        self.elsewhere: set[str] = set()  # arguments that are entries by mistake
        self._first: dict[str, ast.Entry] = {}

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
        source = SourceFile(option, text)
        try:
            value = parse_expression(source)
        except NetdslError as error:
            self.errors += error.diagnostics
            return
        self.take(key, (value,), Span(source, 0, len(text)))

    def take(self, key: str, exprs: tuple[ast.Expr, ...], span: Span) -> None:
        """Check and keep the value of an entry; `span` is the place of its name."""
        try:
            self.values[key] = check_entry(key, self._entry_value(key, exprs))
        except SettingError as error:
            part = error.part
            if error.code == "missing-argument" and part and part.argument in self.elsewhere:
                return  # that entry has an error of its own
            place = span
            if error.code != "unknown-entry":
                place = place_in(exprs, part)
            error.diagnostic.span = error.diagnostic.span or place
            if error.respelling is not None:
                error.diagnostic.fix = _respelled(*error.respelling, error.diagnostic.span)
            self.errors += error.diagnostics
        except NetdslError as error:
            error.diagnostic.span = error.diagnostic.span or span
            self.errors += error.diagnostics

    def _entry_value(self, key: str, exprs: tuple[ast.Expr, ...]) -> object:
        """The value before its check: several values, or one item for a list, form a list."""
        values = [_value(expr, self.env) for expr in exprs]
        if len(values) > 1 or (key in LISTS and not isinstance(values[0], list)):
            return values
        if key == "data":
            return _with_padding(values[0], self.values.get(key))
        return values[0]


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


def _items(exprs: tuple[ast.Expr, ...]) -> Iterator[ast.Expr]:
    """The expressions, with the items of a list in place of it."""
    for expr in exprs:
        if isinstance(expr, ast.Sequence):
            yield from expr.items
        else:
            yield expr


def _respelled(wrong: str, right: str, entry: Span) -> tuple[Edit, ...]:
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


def _value(expr: ast.Expr, env: Env) -> object:
    """A value of a section: a call or a bare word is a `SettingCall`, the rest is evaluated."""
    if isinstance(expr, ast.Name) and not env.find(expr.id)[0]:
        return SettingCall(expr.id)
    if isinstance(expr, ast.Function) and expr.name not in function_names():
        return _call(expr, env)
    if isinstance(expr, ast.Sequence):
        return [_value(item, env) for item in expr.items]
    if _is_hyphenated(expr, env):
        return SettingCall(expr.span.text)
    return evaluate(expr, env)


def _is_hyphenated(expr: ast.Expr, env: Env) -> bool:
    """Whether an expression is a name with hyphens, and not a difference: `fashion-mnist`."""
    if not isinstance(expr, ast.Operation) or not isinstance(expr.first, ast.Name):
        return False
    return bool(_WITH_HYPHENS.fullmatch(expr.span.text)) and not env.find(expr.first.id)[0]


def _call(expr: ast.Function, env: Env) -> SettingCall:
    named: dict[str, object] = {}
    for argument in expr.arguments:
        if argument.name is None:
            continue
        if argument.name in named:
            raise NetdslError(
                "duplicate-argument",
                f"`{expr.name}` is given `{argument.name}` twice",
                argument.span,
                help="remove one of the two",
            )
        named[argument.name] = _value(argument.value, env)
    positional = tuple(_value(a.value, env) for a in expr.arguments if a.name is None)
    return SettingCall(expr.name, positional, named)
