"""The warning about a value that a loop carries, and never changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.diagnostics import Diagnostic
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.analysis.lint.names import Names
    from netdsl.elaborate.module import Module


def unchanged_values(module: Module, names: Names) -> Iterator[Diagnostic]:
    """A warning for each value after `with` that no `next` of its loop changes."""
    for definition in module.tree.definitions:
        for part in () if definition.body is None else definition.body.walk():
            if isinstance(part, ast.Repeat | ast.For) and part.carried:
                yield from _of_loop(part, names)


def _of_loop(loop: ast.Repeat | ast.For, names: Names) -> Iterator[Diagnostic]:
    # A `let` of that name has a warning of its own.
    changed = {part.name for part in _own_parts(loop.body) if isinstance(part, ast.Next | ast.Let)}
    for start in loop.carried:
        name = start.name
        if name in changed or name.startswith("_"):
            continue
        line = _next_line(start, loop)
        message = f"`{name}` never changes: there is no `next {name}` in this loop"
        fixed = f"write `let {name} = {start.value.span.text}` before the loop"
        if isinstance(start.value, ast.Reference | ast.Current):
            fixed = "leave it out"
        help_ = f"to change it, write {line} in the loop; else {fixed}"
        if name not in names.of(loop.body):
            message = f"nothing in this loop uses or changes `{name}`"
            help_ = f"remove it, or write {line} in the loop"
        yield Diagnostic("unchanged-value", message, start.span, "warning", help=help_)


def _own_parts(body: ast.Body) -> Iterator[ast.Tree]:
    """The parts of a loop without those of the loops inside it, which carry values of their own."""
    waiting: list[ast.Tree] = [body]
    while waiting:
        part = waiting.pop()
        yield part
        if not isinstance(part, ast.Repeat | ast.For):
            waiting += part.children()


def _next_line(start: ast.Carried, loop: ast.Repeat | ast.For) -> str:
    """A `next` that suits the first value."""
    name, value, step = start.name, start.value, "1"
    if isinstance(loop, ast.For):
        step = loop.targets[-1]
    if isinstance(value, ast.Sequence):
        return f"`next {name} = {name} + [@]`"
    if isinstance(value, ast.Reference | ast.Current):
        return f"`next {name} = @`"
    return f"`next {name} = {name} + {step}`, for example,"
