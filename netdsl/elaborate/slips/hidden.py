"""Calls of the user's own blocks with arguments of the library's block that has the same name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.habits.brackets import parts
from netdsl.library import block_file, is_shipped

if TYPE_CHECKING:
    from netdsl.diagnostics import Diagnostic
    from netdsl.syntax import ast


def advise_hidden(diagnostic: Diagnostic, call: ast.Call) -> None:
    """Add to the advice that a block hides one of the library, which has what is given."""
    path = block_file(call.name)
    place = diagnostic.notes[0].span if diagnostic.notes else None
    if path is None or place is None or is_shipped(place.file):
        return
    text = Path(path).read_text("utf-8")
    head = re.search(rf"^block {call.name}\((.*)\) \{{", text, re.MULTILINE)
    assert head is not None
    names = [text.partition(" =")[0] for text in parts(head[1])]
    given = [argument.name for argument in call.arguments]
    if len(given) <= len(names) and all(name in (None, *names) for name in given):
        diagnostic.help = (
            f"{diagnostic.help}; the `{call.name}` of the library, which this one hides, has it:"
            " give this one another name to use that"
        )
