"""What the server tells an editor, as the JSON of the protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netdsl.lsp.names import address_of_place
from netdsl.lsp.positions import range_of
from netdsl.source import SourceFile, Span

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netdsl.diagnostics import Diagnostic, Edit
    from netdsl.lsp.symbols import Symbol
    from netdsl.lsp.workspace import Workspace

    Json = dict[str, Any]

SEVERITIES = {"error": 1, "warning": 2, "info": 3, "note": 3}
SYMBOL_KINDS = {"net": 5, "block": 12, "let": 14, "label": 8, "train": 3}


def diagnostics_of(workspace: Workspace, address: str, found: Iterable[Diagnostic]) -> list[Json]:
    """Diagnostics of an open text."""
    return [diagnostic_of(workspace, address, diagnostic) for diagnostic in found]


def diagnostic_of(workspace: Workspace, address: str, diagnostic: Diagnostic) -> Json:
    """A diagnostic, with its advice and related places; one elsewhere is at the text's start."""
    source = workspace.documents[address].source
    span, message = diagnostic.span, diagnostic.message
    related = [
        {"location": location(workspace, address, note.span), "message": note.message}
        for note in diagnostic.notes
        if note.span is not None
    ]
    if span is not None and span.file is not source:
        related.insert(0, {"location": location(workspace, address, span), "message": message})
        span = None
    if diagnostic.help:
        message += f"\nhelp: {diagnostic.help}"
    return {
        "range": range_of(Span(source, 0, 0) if span is None else span),
        "severity": SEVERITIES[diagnostic.severity],
        "code": diagnostic.code,
        "source": "netdsl",
        "message": message,
        "relatedInformation": related,
    }


def location(workspace: Workspace, address: str, span: Span) -> Json:
    """A place, as seen from an open text."""
    return {"uri": address_of_place(workspace, address, span), "range": range_of(span)}


def edits_of(source: SourceFile, edits: Iterable[Edit]) -> list[Json]:
    """The edits that are in one text."""
    return [{"range": range_of(e.span), "newText": e.text} for e in edits if e.span.file is source]


def symbol_of(symbol: Symbol) -> Json:
    """A symbol of the outline."""
    return {
        "name": symbol.name,
        "kind": SYMBOL_KINDS[symbol.kind],
        "range": range_of(symbol.whole),
        "selectionRange": range_of(symbol.place),
        "children": [symbol_of(inner) for inner in symbol.inside],
    }
