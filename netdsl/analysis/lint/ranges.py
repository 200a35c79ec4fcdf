"""Warnings about a `range` that counts down without a step, and is therefore empty."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Diagnostic
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.elaborate.module import Module


_CANDIDATE = re.compile(r"\brange\s*\([^\n]*,\s*-?\s*\d+\s*\)")


def empty_ranges(module: Module) -> Iterator[Diagnostic]:
    """A warning for each `range(3, 0)` and `range(n, 0)` of a file."""
    if not _CANDIDATE.search(module.source.text):  # looking at the whole tree takes time
        return
    for part in module.tree.walk():
        if not isinstance(part, ast.Function) or part.name != "range" or len(part.arguments) != 2:
            continue
        start, stop = (_number(argument.value) for argument in part.arguments)
        if stop is None or (start is None and stop > 0) or (start is not None and start <= stop):
            continue
        texts = [argument.span.text for argument in part.arguments]
        yield Diagnostic(
            "empty-range",
            f"`{part.span.text}` is empty, because it counts up from {texts[0]}",
            part.span,
            "warning",
            help=f"to count down, give the step: `range({', '.join(texts)}, -1)` ends before"
            f" {texts[1]}",
        )


def _number(expr: ast.Expr) -> int | None:
    """The value of a whole number in the text."""
    match expr:
        case ast.Literal(value=int() as value):
            return value
        case ast.Unary(operator="-", operand=ast.Literal(value=int() as value)):
            return -value
    return None
