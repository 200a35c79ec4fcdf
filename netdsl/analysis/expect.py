"""Holds the `expect` lines of a text against the finished graph."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from netdsl.analysis.cost import Totals
from netdsl.diagnostics import Annotation, Diagnostic, did_you_mean, did_you_mean_path
from netdsl.elaborate.evaluate import Env, evaluate, truth
from netdsl.errors import NetdslError
from netdsl.ir.types import Sym, shape_text
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.analysis.cost import Costs
    from netdsl.elaborate.bodies import Expectation
    from netdsl.ir.graph import Graph, Value

_OF_LABEL = ("shape", "params", "macs", "weights", "units")
_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
_AT = "it depends on the input: say of which, `expect ... at 3x224x224`"
MOST = 16  # sizes that a message shows of a list


class Facts:
    """What an `expect` may ask of a net."""

    def __init__(self, graph: Graph, costs: Costs, labels: dict[str, Value]) -> None:
        self.graph = graph
        self.costs = costs
        self.labels = labels
        self.prefix = ""

    def check(self, expectation: Expectation) -> Diagnostic | None:
        """The diagnostic of a broken expectation; None where it holds."""
        statement = expectation.statement
        env = Env(expectation.env, self._special)
        self.prefix = expectation.prefix
        try:
            if truth(evaluate(statement.condition, env), statement.condition.span):
                return None
            return self._broken(statement, env)
        except NetdslError as fault:
            diagnostic = fault.diagnostic
            diagnostic.span = diagnostic.span or statement.span
            if diagnostic.code == "open-size" and statement.at is None:
                diagnostic.help = _AT
            return diagnostic

    def _broken(self, statement: ast.Expect, env: Env) -> Diagnostic:
        condition = statement.condition
        message, advice = f"`{condition.span.text}` does not hold", None
        if (
            isinstance(condition, ast.Operation)
            and len(condition.rest) == 1
            and condition.rest[0][0] in _COMPARISONS
        ):
            operator, right = condition.rest[0]
            left, wanted = evaluate(condition.first, env), evaluate(right, env)
            wanted_text = shown(wanted) if operator == "==" else f"{operator} {shown(wanted)}"
            message = f"`{condition.first.span.text}` is {shown(left)}, expected {wanted_text}"
            if isinstance(left, Sym) and statement.at is None:
                advice = _AT
        else:
            message += self._figures(condition, env)
        return Diagnostic(
            "expect-failed", message, statement.span, notes=self._where(condition, env), help=advice
        )

    def _figures(self, condition: ast.Expr, env: Env) -> str:
        """What the figures are that a compound condition names."""
        named = [
            ast.Name(condition.span, n)
            for n in Totals._fields
            if re.search(rf"\b{n}\b(?!\s*\()", condition.span.text)
        ]
        return (
            ": " + ", ".join(f"{n.id} is {shown(evaluate(n, env))}" for n in named) if named else ""
        )

    def _where(self, condition: ast.Expr, env: Env) -> tuple[Annotation, ...]:
        first = condition.first if isinstance(condition, ast.Operation) else condition
        if isinstance(first, ast.Function) and len(first.arguments) == 1:
            value = self.labels.get(self._path(first.arguments[0].value, env) or "")
            if value is not None:
                return (Annotation("this layer", value.site.span),)
        return ()

    def _special(self, expr: ast.Expr, env: Env) -> Any:
        """A figure of the net, where no parameter or `let` has its name, or of a label."""
        if isinstance(expr, ast.Name):
            if expr.id in Totals._fields:
                return getattr(self.costs.totals(), expr.id)
            raise NetdslError(
                "unknown-name",
                f"there is no `{expr.id}` to expect",
                expr.span,
                help=did_you_mean(expr.id, Totals._fields)
                or f"there are {', '.join(Totals._fields)} and shape(label)",
            )
        if isinstance(expr, ast.Function):
            if expr.name not in _OF_LABEL or len(expr.arguments) != 1:
                raise NetdslError(
                    "unknown-function",
                    f"there is no `{expr.name}` to expect",
                    expr.span,
                    help=did_you_mean(expr.name, _OF_LABEL)
                    or f"of one label there are {', '.join(_OF_LABEL)}",
                )
            return self._of_label(expr, env)
        raise NetdslError("not-a-value", f"`{expr.span.text}` has no value here", expr.span)

    def _path(self, expr: ast.Expr, env: Env) -> str | None:
        """The label an argument names: `C3`, `layer1.relu`, `@layer1.0.conv1`, `@conv{i}`."""
        if isinstance(expr, ast.Name):
            path: str | None = expr.id
        elif isinstance(expr, ast.Attribute) and expr.value is not None:
            inner = self._path(expr.value, env)
            return f"{inner}.{expr.name}" if inner else None
        elif isinstance(expr, ast.Reference):
            path = "".join(
                p if isinstance(p, str) else str(evaluate(p, env)) for p in expr.path.pieces
            )
        else:
            return None
        return f"{self.prefix}.{path}" if self.prefix else path

    def _of_label(self, expr: ast.Function, env: Env) -> Any:
        argument = expr.arguments[0].value
        path = self._path(argument, env)
        nodes = {n.name for n in self.graph.nodes}
        if path is None or not (path in self.labels or path in nodes or path in self.graph.scopes):
            raise self._unknown_label(path or "", argument)
        if expr.name == "shape":
            return self._shape(path, argument)
        if not (path in nodes or path in self.graph.scopes):
            raise NetdslError(
                "not-a-layer",
                f"`{argument.span.text}` is the label of a value, which has no {expr.name}",
                argument.span,
                help=self._made_by(self.labels[path]),
            )
        params, macs, weights, units = self.costs.of(path)
        return {"params": params, "macs": macs, "weights": weights, "units": units}[expr.name]

    def _unknown_label(self, path: str, argument: ast.Expr) -> NetdslError:
        """The error of a label that is not there; the help names those that are."""
        is_reference = isinstance(argument, ast.Reference)
        own = path.removeprefix(f"{self.prefix}.")
        text = f"@{own}" if own and is_reference else argument.span.text
        nodes = [node.name for node in self.graph.nodes]
        known = []
        for name in self._inside([*self.labels, *self.graph.scopes, *nodes]):
            plain = not is_reference and all(part.isidentifier() for part in name.split("."))
            known.append(name if plain else f"@{name}")
        labels = sorted(self._inside([*self.labels]), key=lambda name: name.count("."))
        advice = did_you_mean_path(own, known)
        if advice is None and labels:
            advice = "labels here: " + ", ".join(labels[:12])
        return NetdslError(
            "unknown-label", f"there is no label `{text}`", argument.span, help=advice
        )

    def _inside(self, names: list[str]) -> list[str]:
        """The names that the text can write, as they are written in the block or group."""
        start = f"{self.prefix}." if self.prefix else ""
        own = [name.removeprefix(start) for name in names if name.startswith(start)]
        return [name for name in own if not name[0].isdigit()]

    def _made_by(self, value: Value) -> str:
        """Advice for a label of a value: the layer that makes it."""
        return (
            "it is an input of the net: its `shape` can be asked for"
            if value.producer is None
            else f"ask for that of the layer which makes it, `{value.producer.name}`"
        )

    def _shape(self, path: str, argument: ast.Expr) -> tuple[int | Sym, ...]:
        value = self.labels.get(path)
        if value is None:
            nodes = self.graph.part(path)
            if not nodes:
                raise NetdslError("unknown-label", f"there is no label `{path}`", argument.span)
            value = nodes[-1].output
        return value.type.shape


def shown(value: Any) -> str:
    """A figure in a message: thousands separated, shapes with x."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple) and len(value) > MOST:
        return f"{shown(value[:MOST])} and {len(value) - MOST:,} more"
    if isinstance(value, tuple):
        return shape_text(value) if all(isinstance(v, (int, Sym)) for v in value) else str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)
