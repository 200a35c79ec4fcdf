"""Checks an `expect` line against the finished graph."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, NoReturn

from netdsl.analysis.cost import Totals
from netdsl.analysis.expect_advice import (
    advice_for_shape,
    is_comparison,
    is_open,
    rounded_figure,
    shape_help,
    shown,
    what_to_ask,
    written_path,
    wrong_number,
)
from netdsl.diagnostics import (
    Annotation,
    Diagnostic,
    Edit,
    did_you_mean,
    respelled,
)
from netdsl.elaborate.attributes import attribute
from netdsl.elaborate.conditions import truth
from netdsl.elaborate.evaluate import CURRENT, INPUT, Env, evaluate, name_span
from netdsl.errors import NetdslError
from netdsl.ir.types import shape_text
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.analysis.cost import Costs
    from netdsl.elaborate.bodies import Expectation
    from netdsl.ir.graph import Graph, Value
    from netdsl.ir.types import TensorType
    from netdsl.source import Span

_OF_LABEL = ("shape", "params", "macs", "weights", "units", "buffers", "values")
_USUAL_SIZE = 224  # of an open size, in examples
_LONGEST_FORMULA = 80  # characters of a figure in a message


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
        env = Env(expectation.env, self)
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
                diagnostic.help = self._with_sizes(statement)
            if diagnostic.code in ("unknown-name", "unknown-function"):
                self._explain(statement, env, diagnostic)
            if isinstance(statement.condition, ast.Name) and diagnostic.code == "wrong-type":
                name = statement.condition.id
                number = shown(evaluate(statement.condition, env)).replace(",", "_")
                diagnostic.help = f"compare it: `{name} == {number}`"
            if diagnostic.code == "wrong-type":
                diagnostic.fix = ()  # what the author expects is not certain
            return diagnostic

    def value(self, expr: ast.Expr, env: Env) -> object:
        """The value of an expression with figures and labels; raises `NetdslError`."""
        self.start = ""
        return evaluate(expr, Env(env, self))

    def value_of(self, asked: ast.Function, expectation: Expectation) -> Value:
        """The value at the label that `values(label)` names; raises `NetdslError`."""
        self.start = ""
        if expectation.prefix:
            self.start = f"{expectation.prefix}."
        argument = asked.arguments[0].value
        path = self._path(argument, Env(expectation.env, self))
        if path is None:
            raise self._unknown_label("", argument)
        return self._value(path, argument)

    def _broken(self, statement: ast.Expect, env: Env) -> Diagnostic:
        condition, advice = statement.condition, None
        fix: tuple[Edit, ...] = ()
        if isinstance(condition, ast.Operation) and is_comparison(condition):
            ((operator, right),) = condition.rest
            figure = condition.first
            if operator == "==" and isinstance(figure, ast.Literal | ast.DimsLiteral):
                figure, right = right, figure
            left, wanted = evaluate(figure, env), evaluate(right, env)
            expected = shown(wanted)
            if operator != "==":
                expected = f"{operator} {expected}"
            found = shown(left)
            if is_open(left) and len(found) > _LONGEST_FORMULA:
                found = "a formula of the open sizes"
            message = f"`{figure.span.text}` is {found}, expected {expected}"
            if is_open(left) and not is_open(wanted) and statement.at is None:
                advice = self._with_sizes(statement)
            elif operator == "==":
                advice, is_certain = self._advice(figure, left, wanted)
                if other := self._other_count(figure, right, wanted):
                    advice, fix = other
                elif is_certain:
                    fix = (Edit(right.span, shown(left)),)
                elif isinstance(left, tuple) and (value := self._named(condition, env)):
                    advice, fix = self._cause(value, wanted, statement, advice)
        else:
            message = f"`{condition.span.text}` is false{self._figures(condition, env)}"
        notes = self._where(statement, env)
        return Diagnostic(
            "expect-failed", message, statement.span, notes=notes, help=advice, fix=fix
        )

    def _explain(self, statement: ast.Expect, env: Env, diagnostic: Diagnostic) -> None:
        """Better advice for a name that is not known, if it is one of another tool."""
        from netdsl.analysis.expect_causes import explain_sizes  # only errors need them
        from netdsl.analysis.expect_figures import explain_figure

        condition = statement.condition
        if diagnostic.code == "unknown-name":
            explain_sizes(condition, diagnostic)
            if diagnostic.span is not None and diagnostic.span.text not in self.labels:
                explain_figure(condition, diagnostic, self.costs.totals())
            return
        for part in condition.walk():
            if isinstance(part, ast.Function) and part.span == diagnostic.span:
                argument = part.arguments[0].value if len(part.arguments) == 1 else part
                path = self._path(argument, env)
                if path in {node.name for node in self.graph.nodes} | set(self.graph.scopes):
                    explain_figure(condition, diagnostic, self.costs.of(str(path)))

    def _with_sizes(self, statement: ast.Expect) -> str:
        """Advice to give the sizes of the input, with usual ones in place of the open ones."""
        sizes = (
            size if isinstance(size, int) else _USUAL_SIZE
            for size in self.graph.inputs[0].type.shape
        )
        line = statement.span.text
        return f"it depends on the open sizes of the input: write `{line} at {shape_text(sizes)}`"

    def _advice(self, figure: ast.Expr, left: object, wanted: object) -> tuple[str | None, bool]:
        """Advice for values that differ, and whether the line certainly means the first."""
        name = figure.span.text
        if isinstance(wanted, str):
            return f"leave out the quotes: `{name} == {wanted}`", shown(left) == wanted
        if isinstance(left, tuple):
            return advice_for_shape(name, left, wanted)
        if isinstance(left, int) and isinstance(wanted, int | float):
            if isinstance(figure, ast.Name) and (rounded := rounded_figure(name, left, wanted)):
                return rounded, False
            from netdsl.analysis.expect_biases import difference_in  # only errors need it

            return difference_in(figure, left - wanted, self.costs.rows(), self.start), False
        return None, False

    def _other_count(
        self, figure: ast.Expr, right: ast.Expr, wanted: object
    ) -> tuple[str, tuple[Edit, ...]] | None:
        """Advice and a fix for a total that other tools count in another way."""
        from netdsl.analysis.expect_figures import other_count  # only errors need it

        return other_count(figure, right, wanted, self.costs.totals())

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

    def _cause(
        self, value: Value, wanted: object, statement: ast.Expect, advice: str | None
    ) -> tuple[str | None, tuple[Edit, ...]]:
        """Advice and a fix for a label whose sizes differ, from the layers that lead to it."""
        from netdsl.analysis import expect_causes as causes  # only errors need them

        unwanted = causes.unwanted_axis(value, wanted) or causes.last_step(value, wanted)
        if unwanted is not None:
            return unwanted
        advice = causes.end_of_line(self.graph, value, wanted) or advice
        if advice is None and isinstance(wanted, tuple):
            advice = causes.cause_of(value, wanted, statement.span.file)
        return advice, ()

    def _where(self, statement: ast.Expect, env: Env) -> tuple[Annotation, ...]:
        """The place of the layer that the condition is about, if it names one."""
        value = self._named(statement.condition, env)
        if value is None:
            return ()
        from netdsl.analysis.expect_causes import site_in  # only errors need it

        site = site_in(value.site, statement.span.file)
        if site is not value.site:
            return (Annotation("this call", site.span),)
        return (Annotation("this layer", site.span),)

    def _named(self, condition: ast.Expr, env: Env) -> Value | None:
        """The value whose figure the condition begins with, or None."""
        first = condition
        if isinstance(condition, ast.Operation):
            first = condition.first
        if not isinstance(first, ast.Function) or len(first.arguments) != 1:
            return None
        return self.labels.get(self._path(first.arguments[0].value, env) or "")

    def operate(self, operator: str, a: object, b: object, span: Span) -> NoReturn:
        """Refuse arithmetic on tensors: the net is finished."""
        message = "an `expect` is about figures and sizes, and cannot compute with tensors"
        raise NetdslError("not-a-value", message, span)

    def special(self, expr: ast.Expr, env: Env) -> object:
        """The value of a name or a function that the text does not define.

        A name is a total of the net; a function is a figure of a label.
        """
        if isinstance(expr, ast.Name):
            if expr.id == "peak_bytes" and not self.costs.peak.is_for_all_sizes:
                message = "which values need the most memory depends on the open sizes"
                raise NetdslError("open-size", message, expr.span)
            if expr.id in Totals._fields:
                return getattr(self.costs.totals(), expr.id)
            raise self._unknown_figure(expr)
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
                raise wrong_number(expr)
            return self._of_label(expr, env)
        if isinstance(expr, ast.Attribute) and expr.value is None:
            source = env.find(INPUT)[1]
            return attribute(expr, self._values.get(getattr(source, "name", ""), source))
        help_ = None
        fix: tuple[Edit, ...] = ()
        label, dot, name = expr.span.text.rpartition(".")
        if dot and name in _OF_LABEL:
            help_ = f"write `{name}({label})`"
            fix = (Edit(expr.span, f"{name}({label})"),)
        elif isinstance(expr, ast.Reference):
            help_ = f"write `shape({label or name})` for its sizes, or `params({label or name})`"
        message = f"`{expr.span.text}` has no value here"
        raise NetdslError("not-a-value", message, expr.span, help=help_, fix=fix)

    @cached_property
    def _values(self) -> dict[str, Value]:
        """The values by their names; with `at`, their sizes are not those in the text."""
        return {v.name: v for v in (*self.graph.inputs, *(n.output for n in self.graph.nodes))}

    def _unknown_figure(self, expr: ast.Name) -> NetdslError:
        """The error for a name that is no figure; figures of other tools get the name here."""
        from netdsl.habits.expectations import REMOVED_FIGURES  # only errors need them

        squeezed = re.sub(r"[^a-z0-9]", "", expr.id.lower())
        fix = respelled(expr.span, expr.id, Totals._fields)
        outputs = [output.name for output in self.graph.outputs if output.name in self.labels]
        help_ = shape_help(expr.id, self.labels, outputs) or REMOVED_FIGURES.get(squeezed)
        help_ = help_ or did_you_mean(expr.id, self.names)
        help_ = help_ or f"the figures are {', '.join(self.names)} and shape(label)"
        message = f"there is no figure or name `{expr.id}`"
        return NetdslError("unknown-name", message, expr.span, help=help_, fix=fix)

    def _path(self, expr: ast.Expr, env: Env) -> str | None:
        """The label that an argument names: `C3`, `layer1.relu`, `@layer1.0.conv1`, `@conv{i}`.

        For `@` and `@in`, it is the name of the value that they have at the `expect` line.
        """
        if isinstance(expr, ast.Current):
            return getattr(env.find(CURRENT)[1], "name", None)
        if isinstance(expr, ast.Attribute) and expr.value is not None:
            inner = self._path(expr.value, env)
            return f"{inner}.{expr.name}" if inner else None
        if isinstance(expr, ast.Name):
            path = expr.id
        elif isinstance(expr, ast.Reference):
            path = written_path(expr, env)
            if path == INPUT:
                return getattr(env.find(INPUT)[1], "name", None)
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
            return self._value(path, argument).type.shape
        if not (path in nodes or path in self.graph.scopes):
            raise NetdslError(
                "not-a-layer",
                f"`{argument.span.text}` is a value and not a layer, so it has no {expr.name}",
                argument.span,
                help=what_to_ask(self.labels[path]),
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

    def _result(self, path: str) -> TensorType | None:
        """The type of a further result of a layer, such as `enc.h`, if no label has that path."""
        label, _, name = path.rpartition(".")
        if path in self.labels or label not in self.labels:
            return None
        node = self.labels[label].producer
        return None if node is None else node.op.results(*node.types).get(name)

    def _value(self, path: str, argument: ast.Expr) -> Value:
        """The value at a label or of an input, or the last one of a part of the net."""
        value = self.labels.get(path) or self._values.get(path)
        if value is None:
            nodes = self.graph.part(path)
            if not nodes:
                raise self._unknown_label(path, argument)
            value = nodes[-1].output
        return value

    def _unknown_label(self, path: str, argument: ast.Expr) -> NetdslError:
        from netdsl.analysis.expect_labels import unknown_label  # only errors need it

        return unknown_label(self.graph, self.labels, self.start, path, argument)
