"""The answers to what an editor asks about a whole text or a range of it."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

from netdsl.errors import NetdslError
from netdsl.layout.format import format_source
from netdsl.lsp.answers import document_of
from netdsl.lsp.expects import corrections, net_at, new_lines
from netdsl.lsp.extract import extracted
from netdsl.lsp.messages import diagnostic_of, edits_of, symbol_of
from netdsl.lsp.positions import offset_of, range_of
from netdsl.lsp.rpc import RefusedError
from netdsl.lsp.symbols import symbols
from netdsl.lsp.tokens import encoded, tokens
from netdsl.source import Span

if TYPE_CHECKING:
    from netdsl.diagnostics import Edit
    from netdsl.lsp.document import Document
    from netdsl.lsp.workspace import Workspace

    Json = dict[str, Any]

QUICK_FIX, EXTRACT, REWRITE = "quickfix", "refactor.extract", "refactor.rewrite"


def outline(workspace: Workspace, params: Json) -> list[Json]:
    """The definitions of a text, with their labels."""
    return [symbol_of(symbol) for symbol in symbols(document_of(workspace, params)[1])]


def folding(workspace: Workspace, params: Json) -> list[Json]:
    """The lines of each definition."""
    found = symbols(document_of(workspace, params)[1])
    lines = [(s.whole.first.line - 1, s.whole.last.line - 1) for s in found]
    return [{"startLine": a, "endLine": b} for a, b in lines if b > a]


# ---- layout


def formatting(workspace: Workspace, params: Json) -> list[Json]:
    """The edit that lays out a text; none if it has syntax errors or is laid out."""
    source = document_of(workspace, params)[1].source
    try:
        text = format_source(source)
    except NetdslError:
        return []  # the diagnostics have it
    whole = Span(source, 0, len(source.text))
    return [] if text == source.text else [{"range": range_of(whole), "newText": text}]


def range_formatting(workspace: Workspace, params: Json) -> list[Json]:
    """The edits that lay out the lines of a range; the other lines stay as they are."""
    source = document_of(workspace, params)[1].source
    try:
        new = format_source(source).splitlines(keepends=True)
    except NetdslError:
        return []  # the diagnostics have it
    first, last = int(params["range"]["start"]["line"]), int(params["range"]["end"]["line"])
    if last > first and params["range"]["end"]["character"] == 0:
        last -= 1  # the selection ends before the line
    old = source.text.splitlines(keepends=True)
    made = []
    for opcode in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        kind, a, b, c, d = opcode
        if kind == "equal" or a > last or max(a, b - 1) < first:
            continue
        if b - a == d - c:  # the same lines, each laid out
            cut = max(0, first - a), max(0, b - last - 1)
            a, b, c, d = a + cut[0], b - cut[1], c + cut[0], d - cut[1]
        start, stop = {"line": a, "character": 0}, {"line": b, "character": 0}
        made.append({"range": {"start": start, "end": stop}, "newText": "".join(new[c:d])})
    return made


# ---- colours


def tokens_of_range(workspace: Workspace, params: Json) -> list[int]:
    """The tokens of a range."""
    document = document_of(workspace, params)[1]
    ends = (params["range"]["start"], params["range"]["end"])
    start, end = (offset_of(document.source, place) for place in ends)
    found = (token for token in tokens(document) if start <= token.start < end)
    return encoded(document.source, found)


def all_tokens(workspace: Workspace, params: Json) -> list[int]:
    """The tokens of a whole text."""
    document = document_of(workspace, params)[1]
    found = tokens(document)
    return encoded(document.source, found)


# ---- changes


def actions(workspace: Workspace, params: Json) -> list[Json]:
    """What can be changed in a range: certain fixes, `expect` lines, and a block of layers."""
    address, document = document_of(workspace, params)
    ends = (params["range"]["start"], params["range"]["end"])
    start, end = (offset_of(document.source, place) for place in ends)
    only = (params.get("context") or {}).get("only") or [QUICK_FIX, EXTRACT, REWRITE]

    def is_asked(kind: str) -> bool:
        return any(kind == asked or kind.startswith(f"{asked}.") for asked in only)

    made: list[Json] = []
    if is_asked(QUICK_FIX):
        made += _fixes(workspace, address, document, params)
        made += _corrections(address, document, params)
    if is_asked(REWRITE):
        made += _expect_lines(address, document, start)
    if is_asked(EXTRACT) and start < end:
        made += _extraction(address, document, start, end)
    return made


def _action(
    title: str, kind: str, address: str, document: Document, edits: list[Edit], **more: object
) -> Json:
    changes = edits_of(document.source, edits)
    return {"title": title, "kind": kind, "edit": {"changes": {address: changes}}, **more}


def _lines(params: Json) -> tuple[int, int]:
    """The first and the last line of a range, counted from 1."""
    return int(params["range"]["start"]["line"]) + 1, int(params["range"]["end"]["line"]) + 1


def _fixes(workspace: Workspace, address: str, document: Document, params: Json) -> list[Json]:
    """A quick fix for each diagnostic of some lines that has a certain one."""
    first, last = _lines(params)
    made = []
    for diagnostic in document.diagnostics():
        line = diagnostic.line
        edits = [e for e in diagnostic.fix if e.span.file is document.source]
        if line is None or not edits or not first <= line <= last:
            continue
        title = f"Fix: {diagnostic.message}"
        shown = [diagnostic_of(workspace, address, diagnostic)]
        more = {"diagnostics": shown, "isPreferred": True}
        made.append(_action(title, QUICK_FIX, address, document, edits, **more))
    return made


def _corrections(address: str, document: Document, params: Json) -> list[Json]:
    first, last = _lines(params)
    item = net_at(document, document.source.start_of(min(first, _line_count(document))))
    found = [] if item is None else list(corrections(document, item, first, last))
    title = "Expect the current figure"
    return [_action(f"{title} {e.text}", QUICK_FIX, address, document, [e]) for e in found]


def _line_count(document: Document) -> int:
    return document.source.text.count("\n") + 1


def _expect_lines(address: str, document: Document, start: int) -> list[Json]:
    item = net_at(document, start)
    edit = None if item is None else new_lines(document, item)
    if item is None or edit is None:
        return []
    title = f"Add `expect` lines with the current figures of {item.name}"
    return [_action(title, REWRITE, address, document, [edit])]


def _extraction(address: str, document: Document, start: int, end: int) -> list[Json]:
    title = "Extract a block"
    try:
        edits = extracted(document, start, end)
    except RefusedError as refusal:
        return [{"title": title, "kind": EXTRACT, "disabled": {"reason": str(refusal)}}]
    return [_action(title, EXTRACT, address, document, edits)]
