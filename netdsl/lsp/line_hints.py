"""The hints of the lines of a text, which stay with their nets while these are not built again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.lsp.hints import hints

if TYPE_CHECKING:
    from netdsl.lsp.document import Document
    from netdsl.lsp.hints import Hint


def hints_of(document: Document) -> dict[int, Hint]:
    """The hints of a text by their lines, from those of its nets that have been built.

    Where several nets have a line, the first of the file counts.
    """
    found: dict[int, Hint] = {}
    if document.program is None:
        return found
    for name in document.names:
        state = document.nets.get(name)
        if state is None or state.checked.compiled is None:
            continue
        known = document.hints.get(name)
        if known is None or known[0] is not state.checked:
            made = hints(state.checked, state.checked.compiled.program.source)
            known = document.hints[name] = state.checked, made
        for hint in known[1]:
            line = document.line_now(name, hint.line)
            if line is not None:
                found.setdefault(line, hint)
    return found
