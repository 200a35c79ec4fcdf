"""A `train` section of a text, and what the command line says instead, as plain values for
`TrainConfig`. Loads neither torch nor numpy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netdsl.config import SettingCall
from netdsl.diagnostics import Annotation, Diagnostic
from netdsl.elaborate.evaluate import evaluate
from netdsl.elaborate.functions import function_names
from netdsl.errors import NetdslError, SettingError
from netdsl.source import SourceFile, Span
from netdsl.syntax import ast
from netdsl.syntax.parser import parse_expression
from netdsl.train.config import TrainConfig, check_entry

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from netdsl.driver import Compiled
    from netdsl.elaborate.evaluate import Env

LISTS = ("augment", "metrics")


def read_config(
    compiled: Compiled, data: str | None = None, settings: Mapping[str, str] | None = None
) -> TrainConfig:
    """The training that a net's section and the command line ask for; raises `NetdslError` with
    every entry at fault.

    `settings` are texts by entry; they stand in place of the section's own. `data` is such a text
    too.
    """
    reader = _Reader(compiled.env)
    for entry in _entries(compiled):
        if reader.is_first(entry) and entry.name not in (settings or {}):
            reader.take(entry.name, entry.values, entry.span)
    for key, text in (settings or {}).items():
        reader.given(key, f"--set train.{key}", text)
    if data is not None:
        reader.given("data", "--data", data)
    if reader.errors:
        raise NetdslError.of(reader.errors)
    return TrainConfig(**reader.values)


def placed(error: SettingError, compiled: Compiled, replaced: Collection[str] = ()) -> SettingError:
    """Add the place to an error found in training: the entry, or the net if it has no such entry.

    Settings from the command line (`replaced`) have no place in the text.
    """
    if error.key not in replaced:
        error.diagnostic.span = _place(error.key, compiled)
    return error


def _place(key: str | None, compiled: Compiled) -> Span | None:
    written = next((e.span for e in _entries(compiled) if e.name == key), None)
    if written is not None or key not in TrainConfig.__dataclass_fields__:
        return written
    return compiled.train.net_span if compiled.train is not None else compiled.graph.site.span


def _entries(compiled: Compiled) -> Iterable[ast.Entry]:
    return compiled.train.entries if compiled.train is not None else ()


class _Reader:
    """Takes entry after entry, and notes what is wrong with each."""

    def __init__(self, env: Env) -> None:
        self.env = env
        self.values: dict[str, Any] = {}
        self.errors: list[Diagnostic] = []
        self._first: dict[str, ast.Entry] = {}

    def is_first(self, entry: ast.Entry) -> bool:
        """Whether no entry of that name stands above, which is an error."""
        first = self._first.setdefault(entry.name, entry)
        if first is not entry:
            notes = (Annotation("the first is here", first.span),)
            self.errors.append(
                Diagnostic(
                    "duplicate-name",
                    f"`{entry.name}` stands twice in one section",
                    entry.span,
                    help="leave one out",
                    notes=notes,
                )
            )
        return first is entry

    def given(self, key: str, option: str, text: str) -> None:
        """Take what the command line says."""
        source = SourceFile(option, text)
        try:
            value = parse_expression(source)
        except NetdslError as error:
            self.errors += error.diagnostics
            return
        self.take(key, (value,), Span(source, 0, len(text)))

    def take(self, key: str, exprs: tuple[ast.Expr, ...], span: Span) -> None:
        """Take the expressions of an entry, which stands there."""
        try:
            values = [_value(e, self.env) for e in exprs]
            value = (
                values
                if len(values) > 1 or (key in LISTS and not isinstance(values[0], list))
                else values[0]
            )
            self.values[key] = check_entry(
                key, _inherit(value, self.values.get(key)) if key == "data" else value
            )
        except NetdslError as error:
            error.diagnostic.span = error.diagnostic.span or span
            self.errors += error.diagnostics


def _inherit(call: Any, own: Any) -> Any:
    """`--data cifar10` keeps the padding that the text's own data asks for, as the net's input
    needs it.
    """
    if (
        isinstance(call, SettingCall)
        and isinstance(own, SettingCall)
        and "pad" in own.kwargs
        and "pad" not in call.kwargs
    ):
        return call._replace(kwargs={**call.kwargs, "pad": own.kwargs["pad"]})
    return call


def _value(expr: ast.Expr, env: Env) -> Any:
    """A value of a section: calls and bare words become `SettingCall`s, the rest is evaluated."""
    if isinstance(expr, ast.Name) and not env.find(expr.id)[0]:
        return SettingCall(expr.id)
    if isinstance(expr, ast.Function) and expr.name not in function_names():
        return _call(expr, env)
    if isinstance(expr, ast.Sequence):
        return [_value(i, env) for i in expr.items]
    return evaluate(expr, env)


def _call(expr: ast.Function, env: Env) -> SettingCall:
    named: dict[str, Any] = {}
    for argument in expr.arguments:
        if argument.name in named:
            raise NetdslError(
                "duplicate-argument",
                f"`{expr.name}` is given `{argument.name}` twice",
                argument.span,
                help="leave one out",
            )
        if argument.name is not None:
            named[argument.name] = _value(argument.value, env)
    return SettingCall(
        expr.name, tuple(_value(a.value, env) for a in expr.arguments if a.name is None), named
    )
