"""Fixes of labels that occur twice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit
from netdsl.elaborate.corrections import inserted
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.elaborate.notes import Round


def numbered(label: Span, whole: Span, rounds: list[Round]) -> tuple[Edit, ...]:
    """The fix for a label in a loop: it gets the number of the round.

    `whole` is the net or block. Nothing else in it may use the label.
    """
    if len(rounds) != 1 or _uses(label.text, whole) != 1 or "{" in label.text:
        return ()
    loop = rounds[0].loop
    if not loop.span.start <= label.start < loop.span.end:
        return ()
    end = Span(label.file, label.end, label.end)
    if isinstance(loop, ast.Repeat):
        if loop.variable is not None:
            return (Edit(end, f"{{{loop.variable}}}"),)
        if _uses("i", whole) == 0:
            return (inserted(loop.body.span, "as i "), Edit(end, "{i}"))
    elif _is_counted(loop.values):
        return (Edit(end, f"{{{loop.targets[0]}}}"),)
    return ()


def _is_counted(values: ast.Expr) -> bool:
    """Whether the first variable of a loop has another whole number in each round."""
    return isinstance(values, ast.Function) and values.name in ("range", "enumerate")


def renamed(label: Span, whole: Span) -> str | None:
    """Another name for the second use of a label, such as `a2`, unless something refers to it."""
    if _uses(label.text, whole) != 2 or "{" in label.text or label.text[-1].isdigit():
        return None
    number = 2
    while _uses(f"{label.text}{number}", whole):
        number += 1
    return f"{label.text}{number}"


def _uses(name: str, whole: Span) -> int:
    """How often a name occurs in a text."""
    return len(re.findall(rf"\b{re.escape(name)}\b", whole.text))
