"""Advice for a list that is empty because a `let` in a loop does not carry it on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit
from netdsl.habits.loops import loop_around
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.errors import NetdslError


def advise(error: NetdslError, expr: ast.Expr) -> None:
    """Give the error of an empty list advice, if a `let` in a loop was to make it longer."""
    if not isinstance(expr, ast.Name):
        return
    file, name = expr.span.file, re.escape(expr.id)
    pattern = rf"^[ \t]*(?P<let>let)\s+{name}\s*=(?P<value>.*\b{name}\b[^\n#]*)"
    for let in re.finditer(pattern, file.text[: expr.span.start], re.MULTILINE):
        head = loop_around(file.text, let.start())
        if head is None:
            continue
        written = f"next {expr.id} ={let['value'].rstrip()}"
        error.diagnostic.help = (
            f"`let` in a loop ends with its round: write `{head} with {expr.id} = [] {{` and"
            f" `{written}`"
        )
        if re.search(rf"\bwith\b.*\b{name}\s*=", head):
            error.diagnostic.help = f"the loop carries `{name}` with `next`: write `{written}`"
            error.diagnostic.fix = (Edit(Span(file, *let.span("let")), "next"),)
