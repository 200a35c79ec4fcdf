"""Warnings about `expect` lines that are not about the net."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.analysis.cost import Costs, Totals
from netdsl.diagnostics import Diagnostic
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.elaborate.bodies import Expectation
    from netdsl.ir.graph import Graph

_FIGURES = frozenset(Totals._fields)


def expect_warnings(graph: Graph, expects: list[Expectation]) -> Iterator[Diagnostic]:
    """A warning for `expect depth == 20` in a net with a parameter `depth`, and its like."""
    for expectation in expects:
        statement, env = expectation.statement, expectation.env
        parts = list(statement.condition.walk())
        names = [part for part in parts if isinstance(part, ast.Name) and part.id in _FIGURES]
        hidden = [name for name in names if env.find(name.id)[0]]
        has_figure = len(hidden) < len(names) or any(isinstance(p, ast.Function) for p in parts)
        if not hidden or has_figure or statement.at is not None:
            continue
        name = hidden[0].id
        figure, value = getattr(graph.derived(Costs).totals(), name), env.find(name)[1]
        yield Diagnostic(
            "hidden-figure",
            f"`{name}` is a parameter or `let` here, with the value {value}; the {name} of the net"
            f" is {figure}",
            statement.span,
            "warning",
            help=f"give the parameter or `let` another name than `{name}`",
        )
