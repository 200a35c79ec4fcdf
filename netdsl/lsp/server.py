"""The language server: answers an editor about the texts that it has open.

A thread reads the messages, so that a change that has come meanwhile makes the work for an older
version unnecessary, and a request that was cancelled is not answered in full.
"""

from __future__ import annotations

import os
import queue
import threading
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse
from urllib.request import pathname2url

from netdsl.errors import NetdslError
from netdsl.layout.format import format_source
from netdsl.lsp.completion import completions
from netdsl.lsp.document import Document
from netdsl.lsp.hints import hints
from netdsl.lsp.hover import hover
from netdsl.lsp.positions import offset_of, position, range_of
from netdsl.lsp.rpc import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    REQUEST_CANCELLED,
    EndOfStreamError,
    read_message,
    write_message,
)
from netdsl.lsp.signatures import signature_at
from netdsl.lsp.symbols import definition_at, symbols, uses
from netdsl.source import SourceFile, Span
from netdsl.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.diagnostics import Diagnostic
    from netdsl.lsp.symbols import Symbol

    Json = dict[str, Any]

SEVERITIES = {"error": 1, "warning": 2, "info": 3, "note": 3}
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
SYMBOL_KINDS = {"net": 5, "block": 12, "let": 14, "label": 8, "train": 3}
CAPABILITIES = {
    "textDocumentSync": {"openClose": True, "change": 2},
    "completionProvider": {"triggerCharacters": ["@", "(", ",", "="]},
    "signatureHelpProvider": {"triggerCharacters": ["(", ","]},
    "hoverProvider": True,
    "inlayHintProvider": True,
    "definitionProvider": True,
    "referencesProvider": True,
    "renameProvider": True,
    "documentSymbolProvider": True,
    "foldingRangeProvider": True,
    "documentFormattingProvider": True,
    "codeActionProvider": {"codeActionKinds": ["quickfix"]},
}


class LanguageServer:
    """The state of one connection. `documents` are the open texts, by their address."""

    def __init__(self, given: IO[bytes], taken: IO[bytes]) -> None:
        self._in, self._out = given, taken
        self.documents: dict[str, Document] = {}
        self._queue: queue.Queue[Json | None] = queue.Queue()
        self._cancelled: set[object] = set()
        self._is_shut = False
        self._methods: dict[str, Callable[[Json], object]] = {
            "initialize": self._initialize,
            "shutdown": self._shutdown,
            "textDocument/didOpen": self._open,
            "textDocument/didChange": self._change,
            "textDocument/didClose": self._close,
            "textDocument/completion": self._completion,
            "textDocument/signatureHelp": self._signature,
            "textDocument/hover": self._hover,
            "textDocument/inlayHint": self._hints,
            "textDocument/definition": self._definition,
            "textDocument/references": self._references,
            "textDocument/rename": self._rename,
            "textDocument/documentSymbol": self._symbols,
            "textDocument/foldingRange": self._folding,
            "textDocument/formatting": self._formatting,
            "textDocument/codeAction": self._actions,
        }

    def run(self) -> int:
        """Answer until the editor ends the connection; returns the exit code."""
        threading.Thread(target=self._read, daemon=True).start()
        while (message := self._queue.get()) is not None:
            if message.get("method") == "exit":
                break
            self._answer(message)
        return 0 if self._is_shut else 1

    def _read(self) -> None:
        """Put what the editor sends into the queue; note what it cancels."""
        try:
            while True:
                message = read_message(self._in)
                if message.get("method") == "$/cancelRequest":
                    self._cancelled.add(message["params"]["id"])
                    continue
                self._queue.put(message)
                if message.get("method") == "exit":
                    return  # a thread that still read would not let the process end
        except (EndOfStreamError, OSError, ValueError):
            self._queue.put(None)

    def _answer(self, message: Json) -> None:
        identity, method = message.get("id"), str(message.get("method", ""))
        act = self._methods.get(method)
        if act is None or "invalid" in message:
            if identity is not None and method:
                self._fail(identity, METHOD_NOT_FOUND, f"unknown method {method}")
            elif "invalid" in message:
                self._fail(None, INVALID_REQUEST, "this is not a message")
            return
        if identity in self._cancelled:
            self._cancelled.discard(identity)
            self._fail(identity, REQUEST_CANCELLED, "cancelled")
            return
        try:
            result = act(message.get("params") or {})
        except (KeyError, TypeError, ValueError, IndexError) as error:
            if identity is not None:
                self._fail(identity, INTERNAL_ERROR, f"{method}: {error!r}")
            return
        if identity is not None:
            write_message(self._out, {"id": identity, "result": result})

    def _fail(self, identity: object, code: int, words: str) -> None:
        write_message(self._out, {"id": identity, "error": {"code": code, "message": words}})

    # ---- the connection

    def _initialize(self, _: Json) -> Json:
        about = {"name": "netdsl", "version": __version__}
        return {"capabilities": CAPABILITIES, "serverInfo": about}

    def _shutdown(self, _: Json) -> None:
        self._is_shut = True

    # ---- texts

    def _open(self, params: Json) -> None:
        given = params["textDocument"]
        self._take(given["uri"], given["text"])

    def _change(self, params: Json) -> None:
        address = params["textDocument"]["uri"]
        document = self.documents[address]
        source = document.source
        for change in params["contentChanges"]:
            text = change["text"]
            if "range" in change:
                start = offset_of(source, change["range"]["start"])
                end = offset_of(source, change["range"]["end"])
                text = source.text[:start] + text + source.text[end:]
            source = SourceFile(source.name, text, source.path)
        self._take(address, source.text)

    def _close(self, params: Json) -> None:
        address = params["textDocument"]["uri"]
        self.documents.pop(address, None)
        self._publish(address, [])

    def _take(self, address: str, text: str) -> None:
        """Check a version of a text, and send its diagnostics unless a newer one is waiting."""
        path = path_of(address)
        source = SourceFile(os.path.basename(path or address), text, path)
        document = self.documents[address] = Document(source, self.documents.get(address))
        if self._has_newer(address):
            return
        found = document.diagnostics()
        self._publish(address, [self._diagnostic(address, d, source) for d in found])

    def _has_newer(self, address: str) -> bool:
        """Whether another change of a text waits in the queue."""
        with self._queue.mutex:
            return any(
                message is not None
                and message.get("method") == "textDocument/didChange"
                and message["params"]["textDocument"]["uri"] == address
                for message in self._queue.queue
            )

    def _publish(self, address: str, found: list[Json]) -> None:
        params = {"uri": address, "diagnostics": found}
        method = "textDocument/publishDiagnostics"
        write_message(self._out, {"method": method, "params": params})

    def _diagnostic(self, address: str, diagnostic: Diagnostic, source: SourceFile) -> Json:
        span = diagnostic.span
        if span is None or span.file is not source:
            span = Span(source, 0, 0)
        words = diagnostic.message
        if diagnostic.help:
            words += f"\nhelp: {diagnostic.help}"
        related = [
            {"location": _location(note.span, source, address), "message": note.message}
            for note in diagnostic.notes
            if note.span is not None
        ]
        return {
            "range": range_of(span),
            "severity": SEVERITIES[diagnostic.severity],
            "code": diagnostic.code,
            "source": "netdsl",
            "message": words,
            "relatedInformation": related,
        }

    # ---- what is asked about a place

    def _place(self, params: Json) -> tuple[Document, int]:
        document = self.documents[params["textDocument"]["uri"]]
        return document, offset_of(document.source, params["position"])

    def _completion(self, params: Json) -> Json:
        document, offset = self._place(params)
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

    def _signature(self, params: Json) -> Json | None:
        found = signature_at(*self._place(params))
        if found is None:
            return None
        arguments = [{"label": text, "documentation": doc} for text, doc in found.arguments]
        made: Json = {"label": found.label, "parameters": arguments}
        if found.active is not None:
            made["activeParameter"] = found.active
        return {"signatures": [made], "activeSignature": 0}

    def _hover(self, params: Json) -> Json | None:
        document, offset = self._place(params)
        found = hover(document, offset)
        if found is None:
            return None
        return {
            "contents": {"kind": "markdown", "value": "\n\n".join(found.paragraphs)},
            "range": range_of(Span(document.source, found.start, found.end)),
        }

    def _hints(self, params: Json) -> list[Json]:
        document = self.documents[params["textDocument"]["uri"]]
        first, last = (int(params["range"][end]["line"]) + 1 for end in ("start", "end"))
        source = document.source
        made: dict[int, Json] = {}
        for name in document.names:
            checked = document.checked(name)
            if checked is None:
                continue
            for hint in hints(checked, source):
                if first <= hint.line <= last and hint.line not in made:
                    end = source.start_of(hint.line) + len(source.line(hint.line))
                    place = position(source, end)
                    made[hint.line] = {"position": place, "label": hint.shape, "paddingLeft": True}
        return list(made.values())

    def _definition(self, params: Json) -> Json | None:
        document, offset = self._place(params)
        found = definition_at(document, offset)
        if found is None:
            return None
        return {"uri": params["textDocument"]["uri"], "range": range_of(found.place)}

    def _references(self, params: Json) -> list[Json]:
        document, offset = self._place(params)
        found = definition_at(document, offset)
        spans = [] if found is None else uses(document, found)
        address = params["textDocument"]["uri"]
        return [{"uri": address, "range": range_of(span)} for span in spans]

    def _rename(self, params: Json) -> Json | None:
        document, offset = self._place(params)
        name = str(params["newName"])
        found = definition_at(document, offset)
        if found is None or not name.isidentifier():
            return None
        edits = [{"range": range_of(span), "newText": name} for span in uses(document, found)]
        return {"changes": {params["textDocument"]["uri"]: edits}}

    # ---- what is asked about a whole text

    def _symbols(self, params: Json) -> list[Json]:
        return [_symbol(s) for s in symbols(self.documents[params["textDocument"]["uri"]])]

    def _folding(self, params: Json) -> list[Json]:
        found = symbols(self.documents[params["textDocument"]["uri"]])
        lines = [(s.whole.first.line - 1, s.whole.last.line - 1) for s in found]
        return [{"startLine": a, "endLine": b} for a, b in lines if b > a]

    def _formatting(self, params: Json) -> list[Json]:
        source = self.documents[params["textDocument"]["uri"]].source
        try:
            text = format_source(source)
        except NetdslError:
            return []
        whole = Span(source, 0, len(source.text))
        return [] if text == source.text else [{"range": range_of(whole), "newText": text}]

    def _actions(self, params: Json) -> list[Json]:
        """A quick fix for each diagnostic in a range that has a certain one."""
        address = params["textDocument"]["uri"]
        document = self.documents[address]
        first, last = (int(params["range"][end]["line"]) + 1 for end in ("start", "end"))
        made = []
        for diagnostic in document.diagnostics():
            line = diagnostic.line
            edits = [e for e in diagnostic.fix if e.span.file is document.source]
            if line is None or not edits or not first <= line <= last:
                continue
            changes = [{"range": range_of(e.span), "newText": e.text} for e in edits]
            made.append(
                {
                    "title": f"Fix: {diagnostic.message}",
                    "kind": "quickfix",
                    "diagnostics": [self._diagnostic(address, diagnostic, document.source)],
                    "isPreferred": True,
                    "edit": {"changes": {address: changes}},
                }
            )
        return made


def path_of(address: str) -> str | None:
    """The path of a `file:` address; None for a text that is in no file."""
    parts = urlparse(address)
    return unquote(parts.path) if parts.scheme == "file" else None


def _location(span: Span, source: SourceFile, address: str) -> Json:
    """A place with the address of its file, given that of the open text."""
    if span.file is not source and span.file.path is not None:
        address = "file://" + pathname2url(span.file.path)
    return {"uri": address, "range": range_of(span)}


def _symbol(symbol: Symbol) -> Json:
    return {
        "name": symbol.name,
        "kind": SYMBOL_KINDS[symbol.kind],
        "range": range_of(symbol.whole),
        "selectionRange": range_of(symbol.place),
        "children": [_symbol(inner) for inner in symbol.inside],
    }
