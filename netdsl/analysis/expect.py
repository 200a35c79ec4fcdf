"""Checks an `expect` line against the finished graph."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.analysis.cost import Totals
from netdsl.diagnostics import (
    Annotation,
    Diagnostic,
    Edit,
    did_you_mean,
    did_you_mean_path,
    nearest_path,
    respelled,
)
from netdsl.elaborate.evaluate import Env, evaluate, name_span, truth
from netdsl.errors import NetdslError
from netdsl.ir.types import Sym, shape_text
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Container

    from netdsl.analysis.cost import Costs
    from netdsl.elaborate.bodies import Expectation
    from netdsl.ir.graph import Graph, Value
    from netdsl.ir.types import TensorType

_OF_LABEL = ("shape", "params", "macs", "weights", "units", "buffers")
_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
_AT = "it depends on the open sizes of the input: give them, as in `expect ... at 3x224x224`"
MOST = 16  # how many sizes of a list a message shows


class Facts:
    """The figures and labels of a net, which an `expect` line may name.

    `more` are names of figures that the caller computes, for advice about wrong names.
    """

    def __init__(
        self, graph: Graph, costs: Costs, labels: dict[str, Value], more: tuple[str, ...] = ()
    ) -> None:
        self.names = (*Totals._fields, *more)
        self.graph = graph
        self.costs = costs
        self.labels = labels
        self.start = ""  # the prefix of labels in the block of the `expect` line

    def check(self, expectation: Expectation) -> Diagnostic | None:
        """The diagnostic of an expectation that fails, or None."""
        statement = expectation.statement
        env = Env(expectation.env, self._special)
        self.start = ""
        if expectation.prefix:
            self.start = f"{expectation.prefix}."
        try:
            if truth(evaluate(statement.condition, env), statement.condition.span):
                return None
            return self._broken(statement, env)
        except NetdslError as fault:
            diagnostic = fault.diagnostic
            diagnostic.span = diagnostic.span or statement.span
            if diagnostic.code == "open-size" and statement.at is None:
                diagnostic.help = _AT
            if diagnostic.code == "wrong-type":
                diagnostic.fix = ()  # what the author expects is not certain
            return diagnostic

    def value(self, expr: ast.Expr, env: Env) -> object:
        """The value of an expression with figures and labels; raises `NetdslError`."""
        self.start = ""
        return evaluate(expr, Env(env, self._special))

    def _broken(self, statement: ast.Expect, env: Env) -> Diagnostic:
        condition, advice = statement.condition, None
        if isinstance(condition, ast.Operation) and _is_comparison(condition):
            ((operator, right),) = condition.rest
            left, wanted = evaluate(condition.first, env), evaluate(right, env)
            expected = shown(wanted)
            if operator != "==":
                expected = f"{operator} {expected}"
            message = f"`{condition.first.span.text}` is {shown(left)}, expected {expected}"
            if isinstance(left, Sym) and statement.at is None:
                advice = _AT
        else:
            message = f"`{condition.span.text}` is false{self._figures(condition, env)}"
        notes = self._where(condition, env)
        return Diagnostic("expect-failed", message, statement.span, notes=notes, help=advice)

    def _figures(self, condition: ast.Expr, env: Env) -> str:
        """The totals that a compound condition names, with their values."""
        named = [
            ast.Name(condition.span, n)
            for n in Totals._fields
            if re.search(rf"\b{n}\b(?!\s*\()", condition.span.text)
        ]
        if not named:
            return ""
        return ": " + ", ".join(f"{n.id} is {shown(evaluate(n, env))}" for n in named)

    def _where(self, condition: ast.Expr, env: Env) -> tuple[Annotation, ...]:
        """The place of the layer that the condition is about, if it names one."""
        first = condition
        if isinstance(condition, ast.Operation):
            first = condition.first
        if isinstance(first, ast.Function) and len(first.arguments) == 1:
            value = self.labels.get(self._path(first.arguments[0].value, env) or "")
            if value is not None:
                return (Annotation("this layer", value.site.span),)
        return ()

    def _special(self, expr: ast.Expr, env: Env) -> object:
        """The value of a name or a function that the text does not define.

        A name is a total of the net; a function is a figure of a label.
        """
        if isinstance(expr, ast.Name):
            if expr.id in Totals._fields:
                return getattr(self.costs.totals(), expr.id)
            raise NetdslError(
                "unknown-name",
                f"there is no figure or name `{expr.id}`",
                expr.span,
                help=_shape_help(expr.id, self.labels)
                or did_you_mean(expr.id, self.names)
                or f"the figures are {', '.join(self.names)} and shape(label)",
                fix=respelled(expr.span, expr.id, Totals._fields),
            )
        if isinstance(expr, ast.Function):
            if expr.name not in _OF_LABEL:
                raise NetdslError(
                    "unknown-function",
                    f"there is no figure `{expr.name}` of a label",
                    expr.span,
                    help=did_you_mean(expr.name, _OF_LABEL)
                    or f"the figures of a label are {', '.join(_OF_LABEL)}",
                    fix=respelled(name_span(expr), expr.name, _OF_LABEL),
                )
            if len(expr.arguments) != 1:
                message = f"`{expr.name}` takes one label, found {len(expr.arguments)}"
                raise NetdslError("unknown-function", message, expr.span)
            return self._of_label(expr, env)
        help_ = None
        if isinstance(expr, ast.Attribute) and expr.name in _OF_LABEL and expr.value is not None:
            help_ = f"write `{expr.name}({expr.value.span.text})`"
        message = f"`{expr.span.text}` has no value here"
        raise NetdslError("not-a-value", message, expr.span, help=help_)

    def _path(self, expr: ast.Expr, env: Env) -> str | None:
        """The label that an argument names: `C3`, `layer1.relu`, `@layer1.0.conv1`, `@conv{i}`."""
        if isinstance(expr, ast.Attribute) and expr.value is not None:
            inner = self._path(expr.value, env)
            return f"{inner}.{expr.name}" if inner else None
        if isinstance(expr, ast.Name):
            path = expr.id
        elif isinstance(expr, ast.Reference):
            path = _written(expr, env)
        else:
            return None
        return f"{self.start}{path}"

    def _of_label(self, expr: ast.Function, env: Env) -> object:
        argument = expr.arguments[0].value
        path = self._path(argument, env)
        nodes = {n.name for n in self.graph.nodes}
        if path is not None and expr.name == "shape":
            result = self._result(path)
            if result is not None:
                return result.shape
        if path is None or not (path in self.labels or path in nodes or path in self.graph.scopes):
            raise self._unknown_label(path or "", argument)
        if expr.name == "shape":
            return self._shape(path, argument)
        if not (path in nodes or path in self.graph.scopes):
            raise NetdslError(
                "not-a-layer",
                f"`{argument.span.text}` is a value and not a layer, so it has no {expr.name}",
                argument.span,
                help=_what_to_ask(self.labels[path]),
                fix=self._layer_behind(path, argument),
            )
        return getattr(self.costs.of(path), expr.name)

    def _layer_behind(self, path: str, argument: ast.Expr) -> tuple[Edit, ...]:
        """The fix for the label of a value: the label of the layer that computes it."""
        producer = self.labels[path].producer
        if producer is None or self.start or producer.name not in self.labels:
            return ()
        prefix = "@" if isinstance(argument, ast.Reference) else ""
        return (Edit(argument.span, f"{prefix}{producer.name}"),)

    def _unknown_label(self, path: str, argument: ast.Expr) -> NetdslError:
        """The error for a label that does not exist. Its help names labels that do."""
        is_reference = isinstance(argument, ast.Reference)
        own = path.removeprefix(self.start)
        text = f"@{own}" if own and is_reference else argument.span.text
        nodes = [node.name for node in self.graph.nodes]
        known = []
        for name in self._inside([*self.labels, *self.graph.scopes, *nodes]):
            if is_reference or not all(part.isidentifier() for part in name.split(".")):
                known.append(f"@{name}")
            else:
                known.append(name)
        labels = sorted(self._inside([*self.labels]), key=lambda name: name.count("."))
        advice = did_you_mean_path(own, known)
        if advice is None and labels:
            advice = "labels here: " + ", ".join(labels[:12])
        meant = nearest_path(own, (name.removeprefix("@") for name in known))
        fix = tuple(Edit(argument.span, name) for name in known if name.removeprefix("@") == meant)
        if argument.span.text.removeprefix("@") != own:
            fix = ()  # it has computed parts
        message = f"there is no label `{text}`"
        return NetdslError("unknown-label", message, argument.span, help=advice, fix=fix[:1])

    def _inside(self, names: list[str]) -> list[str]:
        """The names as the text of the block or group writes them; those outside it are left out.

        Names that begin with a digit cannot be written.
        """
        own = [name.removeprefix(self.start) for name in names if name.startswith(self.start)]
        return [name for name in own if not name[0].isdigit()]

    def _result(self, path: str) -> TensorType | None:
        """The type of a further result of a layer, such as `enc.h`, if no label has that path."""
        label, _, name = path.rpartition(".")
        if path in self.labels or label not in self.labels:
            return None
        node = self.labels[label].producer
        return None if node is None else node.op.results(*node.types).get(name)

    def _shape(self, path: str, argument: ast.Expr) -> tuple[int | Sym, ...]:
        value = self.labels.get(path)
        if value is None:
            nodes = self.graph.part(path)
            if not nodes:
                raise NetdslError("unknown-label", f"there is no label `{path}`", argument.span)
            value = nodes[-1].output
        return value.type.shape


def _is_comparison(condition: ast.Operation) -> bool:
    """Whether it is one comparison of two values."""
    return len(condition.rest) == 1 and condition.rest[0][0] in _COMPARISONS


def _written(reference: ast.Reference, env: Env) -> str:
    """The path of a reference, with its computed parts evaluated."""
    path = ""
    for piece in reference.path.pieces:
        path += piece if isinstance(piece, str) else str(evaluate(piece, env))
    return path


def _what_to_ask(value: Value) -> str:
    """Advice on what to ask instead, for the label of a value that is not a layer."""
    if value.producer is None:
        return "it is an input of the net, which has only a `shape`"
    return f"name the layer that computes it, `{value.producer.name}`"


def _shape_help(name: str, labels: Container[str]) -> str | None:
    """Advice for a figure that only a label has, and for a label without a figure."""
    if name in labels:
        return f"write `shape({name})` for its sizes, or `params({name})`"
    if name in ("flops", "FLOPs", "gflops", "multiplications"):
        return "`macs` is the number of multiply-accumulates; FLOPs are about twice as many"
    if name in ("shape", "output_shape", "sizes", "size", "output", "out", "result"):
        return "name the layer with a label: `c: conv(8, 3)`, then `expect shape(c) == 8x30x30`"
    return None


def shown(value: object) -> str:
    """A value as messages show it: `1,024`, `3x224x224`, `true`."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple) and len(value) > MOST:
        return f"{shown(value[:MOST])} and {len(value) - MOST:,} more"
    if isinstance(value, tuple) and all(isinstance(v, (int, Sym)) for v in value):
        return shape_text(value)
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)
