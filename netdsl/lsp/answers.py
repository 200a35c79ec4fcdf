"""The answers to what an editor asks about a place in a text, or about a name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netdsl.diagnostics import Edit
from netdsl.lsp.completion import completions
from netdsl.lsp.hover import hover
from netdsl.lsp.line_hints import hints_of
from netdsl.lsp.messages import SYMBOL_KINDS, location
from netdsl.lsp.names import (
    check_new_name,
    check_rename,
    home_at,
    imports,
    search,
    uses_of,
)
from netdsl.lsp.place import word_at
from netdsl.lsp.positions import offset_of, position, range_of
from netdsl.lsp.rpc import RefusedError
from netdsl.lsp.same import refuse_changes
from netdsl.lsp.signatures import signature_at
from netdsl.lsp.workspace import address_of
from netdsl.source import Span

if TYPE_CHECKING:
    from netdsl.lsp.document import Document
    from netdsl.lsp.names import Home
    from netdsl.lsp.workspace import Workspace

    Json = dict[str, Any]

COMPLETION_KINDS = {
    "layer": 3,
    "block": 7,
    "argument": 10,
    "label": 6,
    "word": 14,
    "net": 7,
    "value": 12,
    "function": 3,
}


def document_of(workspace: Workspace, params: Json) -> tuple[str, Document]:
    """The address and the text that a request is about."""
    address = params["textDocument"]["uri"]
    return address, workspace.documents[address]


def _place(workspace: Workspace, params: Json) -> tuple[str, Document, int]:
    address, document = document_of(workspace, params)
    return address, document, offset_of(document.source, params["position"])


# ---- what is written at a place


def completion(workspace: Workspace, params: Json) -> Json:
    """What can be written at a place."""
    _, document, offset = _place(workspace, params)
    items = [
        {
            "label": item.label,
            "kind": COMPLETION_KINDS[item.kind],
            "detail": item.detail,
            "sortText": f"{number:04}",
            "textEdit": {
                "range": range_of(Span(document.source, item.start, offset)),
                "newText": item.insert,
            },
        }
        for number, item in enumerate(completions(document, offset))
    ]
    return {"isIncomplete": False, "items": items}


def signature(workspace: Workspace, params: Json) -> Json | None:
    """The arguments of the call around a place."""
    _, document, offset = _place(workspace, params)
    found = signature_at(document, offset)
    if found is None:
        return None
    arguments = [{"label": text, "documentation": doc} for text, doc in found.arguments]
    made: Json = {"label": found.label, "parameters": arguments}
    if found.active is not None:
        made["activeParameter"] = found.active
    return {"signatures": [made], "activeSignature": 0}


def hovered(workspace: Workspace, params: Json) -> Json | None:
    """What the word at a place means."""
    _, document, offset = _place(workspace, params)
    found = hover(document, offset)
    if found is None:
        return None
    return {
        "contents": {"kind": "markdown", "value": "\n\n".join(found.paragraphs)},
        "range": range_of(Span(document.source, found.start, found.end)),
    }


def inlay_hints(workspace: Workspace, params: Json) -> list[Json]:
    """The shapes after the lines of a range, of those nets that have been built."""
    _, document = document_of(workspace, params)
    first, last = (int(params["range"][end]["line"]) + 1 for end in ("start", "end"))
    source = document.source
    made = []
    for line, hint in sorted(hints_of(document).items()):
        if first <= line <= last:
            end = source.start_of(line) + len(source.line(line))
            shown = {"position": position(source, end), "label": hint.shape, "paddingLeft": True}
            if hint.params:
                shown["tooltip"] = hint.params
            made.append(shown)
    return made


# ---- names


def definition(workspace: Workspace, params: Json) -> Json | None:
    """Where the name at a place is defined."""
    address, document, offset = _place(workspace, params)
    home = home_at(document, offset)
    return None if home is None else location(workspace, address, home.place)


def references(workspace: Workspace, params: Json) -> list[Json]:
    """Every use of the name at a place, in all files of the workspace."""
    address, document, offset = _place(workspace, params)
    home = home_at(document, offset)
    if home is None or not home.name:
        return []
    found = [
        {"uri": other, "range": range_of(span)} for other, span in uses_of(workspace, address, home)
    ]
    if params.get("context", {}).get("includeDeclaration", True):
        return found
    own = location(workspace, address, home.place)
    return [place for place in found if place != own]


def prepare_rename(workspace: Workspace, params: Json) -> Json | None:
    """The stretch of the name at a place, if it can get another one; raises `RefusedError`."""
    _, document, offset = _place(workspace, params)
    home = home_at(document, offset)
    if home is None:
        return None
    check_rename(workspace, home)
    return range_of(Span(document.source, *word_at(document.source.text, offset)))


def rename(workspace: Workspace, params: Json) -> Json:
    """The edits that give a definition another name; raises `RefusedError`."""
    address, document, offset = _place(workspace, params)
    home = home_at(document, offset)
    if home is None:
        raise RefusedError("there is no name of this workspace here")
    name = str(params["newName"])
    check_rename(workspace, home)
    check_new_name(document, home, name)
    found = _editable(workspace, address, home)
    if home.is_label:
        refuse_changes(document, home.inside, [Edit(span, name) for _, span in found])
    changes: dict[str, list[Json]] = {}
    for other, span in found:
        changes.setdefault(other, []).append({"range": range_of(span), "newText": name})
    return {"changes": changes}


def _editable(workspace: Workspace, address: str, home: Home) -> list[tuple[str, Span]]:
    """The uses of a name; raises `RefusedError` if a text with syntax errors may have one."""
    for other, document in workspace.documents.items():
        if document.program is None and home.name in document.source.text:
            name = document.source.name
            if other == address or not home.is_label:
                raise RefusedError(f"`{name}` has syntax errors")
    return uses_of(workspace, address, home)


def workspace_symbols(workspace: Workspace, params: Json) -> list[Json]:
    """The blocks, nets and values of all files whose names match."""
    return [
        {
            "name": name,
            "kind": SYMBOL_KINDS[kind],
            "location": {"uri": address, "range": range_of(place)},
        }
        for kind, name, address, place in search(workspace, str(params.get("query", "")))
    ]


def links(workspace: Workspace, params: Json) -> list[Json]:
    """The files that the imports of a text name."""
    source = document_of(workspace, params)[1].source
    found = imports(source)
    return [{"range": range_of(span), "target": address_of(path)} for span, path in found]
