"""Advice for formulas in parentheses whose labels have no `@`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit
from netdsl.elaborate.slips.values import advise_operand
from netdsl.habits.operands import names_above, with_signs
from netdsl.source import Span

if TYPE_CHECKING:
    from netdsl.diagnostics import Diagnostic
    from netdsl.syntax import ast


def advise_formula(diagnostic: Diagnostic, span: Span, formula: ast.Formula) -> None:
    """The fix for the name of a label in a formula, and for the other labels in it."""
    advise_operand(diagnostic, span)
    place = formula.value.span
    labels, numbers = names_above(span.file.text, formula.span.start)
    written = with_signs(place.text, labels, numbers)
    if written is None:
        return
    if span.text not in labels:
        diagnostic.help = diagnostic.help or f"`@` is the current value: write `({written})`"
        return
    words = rf"(?<![\w@.])(?:{'|'.join(labels)})\b(?!\s*\()"
    starts = [place.start + match.start() for match in re.finditer(words, place.text)]
    if len(starts) > 1 and written.count("@") == place.text.count("@") + len(starts):
        diagnostic.help = f"a label has `@` before it: write `({written})`"
        diagnostic.fix = tuple(Edit(Span(span.file, start, start), "@") for start in starts)
