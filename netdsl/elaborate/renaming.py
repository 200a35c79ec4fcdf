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
    if _uses(label.text, whole) != 1 or "{" in label.text or not rounds:
        return ()
    if len(rounds) > 1:
        return _numbered_twice(label, rounds)
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


def _numbered_twice(label: Span, rounds: list[Round]) -> tuple[Edit, ...]:
    """The fix for a label in several loops, all of which have a counter."""
    for loop in (r.loop for r in rounds):
        is_inside = loop.span.file is label.file and loop.span.start <= label.start < loop.span.end
        is_counted = isinstance(loop, ast.Repeat) or _is_counted(loop.values)
        if not is_inside or not is_counted:
            return ()
    if any(r.variable is None for r in rounds):
        return ()
    written = "_".join(f"{{{r.variable}}}" for r in rounds)
    return (Edit(Span(label.file, label.end, label.end), written),)


def _is_counted(values: ast.Expr) -> bool:
    """Whether the first variable of a loop has another whole number in each round."""
    return isinstance(values, ast.Function) and values.name in ("range", "enumerate")


def numbered_in(rounds: list[Round], label: str) -> str:
    """How to number a label in the loops around it, apart from those whose names it has."""
    for round_ in rounds:
        loop = round_.loop
        if isinstance(loop, ast.Repeat) and loop.variable is None:
            return f"write `{label}{{i}}` in `repeat {loop.count.span.text} as i`"
    inside = "".join(re.findall(r"\{[^{}]*\}", label))
    names = [r.variable for r in rounds if not re.search(rf"\b{r.variable}\b", inside)]
    between = "_" * label.endswith("}")
    return f"write `{label}{between}{'_'.join(f'{{{name}}}' for name in names)}`"


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
