"""Warnings about outputs that apply a layer a second time, because their reference has no `@`."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from netdsl.diagnostics import Diagnostic, Edit
from netdsl.elaborate.loader import is_known
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.elaborate.module import Module


def repeated_layers(module: Module) -> Iterator[Diagnostic]:
    """A warning for each `output y` that follows the line with the label `y`."""
    for definition in module.tree.definitions:
        statements = definition.body.statements if definition.body is not None else ()
        for before, after in pairwise(statements):
            call = _bare_call(after)
            if call is None or call.name not in _labels(before) or is_known(module, call.name):
                continue
            start = call.span.start
            yield Diagnostic(
                "repeated-layer",
                f"`output {call.name}` applies the layer `{call.name}` again, to its own result",
                call.span,
                "warning",
                help=f"write `output @{call.name}` for its value",
                fix=(Edit(Span(call.span.file, start, start), "@"),),
            )


def _bare_call(statement: ast.Statement) -> ast.Call | None:
    """The layer of an `output` that has nothing else."""
    match statement:
        case ast.Output(chain=ast.Chain(elements=(ast.Call() as call,))):
            is_bare = call.span.text == call.name and statement.label is None
            return call if is_bare else None
    return None


def _labels(statement: ast.Statement) -> set[str]:
    if not isinstance(statement, ast.Chain):
        return set()
    return {e.label.span.text for e in statement.elements if e.label is not None}
