"""Advice for names and arguments that people write out of habit from other tools.

The errors themselves are found elsewhere; this package is loaded when there is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.elaborate.slips.edits import JOINS, fix_closest
from netdsl.elaborate.slips.hidden import advise_hidden
from netdsl.elaborate.slips.inputs import advise_keyword
from netdsl.elaborate.slips.joins import advise_join
from netdsl.elaborate.slips.layers import advise_function, advise_layer
from netdsl.elaborate.slips.lists import advise_index, advise_number
from netdsl.elaborate.slips.operands import advise_formula
from netdsl.elaborate.slips.references import advise_reference
from netdsl.elaborate.slips.values import (
    advise_argument,
    advise_dtype,
    advise_import,
    advise_loop,
    advise_name,
)
from netdsl.habits.words import NUMBERS
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netdsl.diagnostics import Diagnostic


def advise(diagnostic: Diagnostic, part: ast.Tree | None, labels: Iterable[str] = ()) -> None:
    """Give an error better advice, and a fix, if it comes from a habit.

    `part` is the element or statement that has the error, and `labels` are those above it.
    """
    if diagnostic.span is None:
        return
    if diagnostic.fix and not diagnostic.code.startswith("unknown-"):
        return
    call = part if isinstance(part, ast.Call) else None
    match diagnostic.code:
        case "unknown-name" | "wrong-dtype" if isinstance(part, ast.Input) and advise_keyword(
            diagnostic, part
        ):
            pass
        case "unknown-layer":
            advise_layer(diagnostic, diagnostic.span, call)
        case "unknown-name" if diagnostic.span.text.lower() in NUMBERS:
            name = diagnostic.span.text
            diagnostic.help = f"write `let {name} = {NUMBERS[name.lower()]}` above this line"
        case "unknown-name" if isinstance(part, ast.Formula):
            advise_formula(diagnostic, diagnostic.span, part)
        case "unknown-name":
            advise_name(diagnostic, diagnostic.span, call, labels)
        case "unknown-function":
            advise_function(diagnostic, diagnostic.span, part, labels)
        case "wrong-type" if isinstance(part, ast.For) and diagnostic.span == part.values.span:
            advise_loop(diagnostic, diagnostic.span, part)
        case "wrong-type" | "bad-argument" if call is not None:
            if not advise_number(diagnostic, diagnostic.span):
                advise_argument(diagnostic, diagnostic.span, call)
        case "wrong-inputs" | "missing-body" if call is not None and call.name in JOINS:
            advise_join(diagnostic, call, labels)
        case "wrong-dtype" if isinstance(part, ast.Input):
            advise_dtype(diagnostic, diagnostic.span, part)
        case "unknown-argument" if call is not None:
            advise_hidden(diagnostic, call)
        case "import-not-found":
            advise_import(diagnostic, diagnostic.span)
        case "index-out-of-range":
            advise_index(diagnostic, diagnostic.span)
        case "unknown-label":
            advise_reference(diagnostic, diagnostic.span, call, labels)
        case "unknown-attribute" | "unknown-net":
            fix_closest(diagnostic, diagnostic.span)
