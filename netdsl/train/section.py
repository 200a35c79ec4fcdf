"""A `train` section of a text, and what the command line says instead, as plain values for `TrainConfig`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netdsl.config import Call, ConfigError
from netdsl.diagnostics import CompileError, Diagnostic, Fault
from netdsl.passes.evaluate import evaluate
from netdsl.source import SourceFile
from netdsl.syntax import ast
from netdsl.syntax.parser import parse_expression
from netdsl.train.config import TrainConfig

if TYPE_CHECKING:
    from netdsl.driver import Compiled
    from netdsl.passes.evaluate import Env

LISTS = ("augment", "metrics")


def read_config(compiled: Compiled, data: str | None, settings: list[str]) -> TrainConfig:
    """The training that a net's section and the command line ask for; raises `CompileError` at the entry at fault."""
    spans = {e.name: e.span for e in compiled.train.entries} if compiled.train is not None else {}
    try:
        section = {e.name: _entry(e, compiled.env) for e in compiled.train.entries} if compiled.train is not None else {}
        for text in settings:
            section |= _setting(text, compiled.env)
        if data is not None:
            section["data"] = _inherit(_value(parse_expression(SourceFile("--data", data)), compiled.env), section.get("data"))
        return TrainConfig.from_section(section)
    except ConfigError as error:
        raise config_failure(error, spans) from None
    except Fault as fault:
        raise CompileError([fault.diagnostic]) from None


def config_failure(error: ConfigError, spans: dict[str, Any] | None = None) -> CompileError:
    """The diagnostic of a wrong entry, at its line where the text has it."""
    span = (spans or {}).get(error.key or "")
    return CompileError([Diagnostic(error.code, error.message, span, help=error.help)])


def _entry(entry: ast.Entry, env: Env) -> Any:
    values = [_value(v, env) for v in entry.values]
    return values if entry.name in LISTS else values[0] if len(values) == 1 else values


def _setting(text: str, env: Env) -> dict[str, Any]:
    name, equals, value = text.partition("=")
    key = name.strip().removeprefix("train.")
    if not equals or not name.strip().startswith("train."):
        raise ConfigError("wrong-usage", f"--set takes train.KEY=VALUE, found `{text}`", None, "for example --set train.epochs=3")
    made = _value(parse_expression(SourceFile("--set", value.strip())), env)
    return {key: [made] if key in LISTS and not isinstance(made, list) else made}


def _inherit(call: Any, own: Any) -> Any:
    """`--data cifar10` keeps the padding that the text's own data asks for, as the net's input needs it."""
    if isinstance(call, Call) and isinstance(own, Call) and "pad" in own.kwargs and "pad" not in call.kwargs:
        return call._replace(kwargs={**call.kwargs, "pad": own.kwargs["pad"]})
    return call


def _value(expr: ast.Expr, env: Env) -> Any:
    """A value of a section: calls and bare words become `Call`s, the rest is evaluated."""
    if isinstance(expr, ast.Name) and not env.find(expr.id)[0]:
        return Call(expr.id)
    if isinstance(expr, ast.Function):
        positional = tuple(_value(a.value, env) for a in expr.arguments if a.name is None)
        return Call(expr.name, positional, {a.name: _value(a.value, env) for a in expr.arguments if a.name is not None})
    if isinstance(expr, ast.Sequence):
        return [_value(i, env) for i in expr.items]
    return evaluate(expr, env)
