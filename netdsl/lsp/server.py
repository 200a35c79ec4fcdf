"""The language server: answers an editor about the texts that it has open.

A thread reads the messages, so that a change that has come meanwhile makes the work for an older
version unnecessary, and a request that was cancelled is not answered. While no message waits, the
server builds the nets that an edit has touched, one at a time, so that it answers in between.
"""

from __future__ import annotations

import queue
import threading
from typing import IO, TYPE_CHECKING, Any

from netdsl.lsp import answers, whole
from netdsl.lsp.answers import document_of
from netdsl.lsp.messages import diagnostics_of
from netdsl.lsp.positions import offset_of
from netdsl.lsp.rpc import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    REQUEST_CANCELLED,
    REQUEST_FAILED,
    EndOfStreamError,
    RefusedError,
    read_message,
    write_message,
)
from netdsl.lsp.tokens import MODIFIERS, TYPES, difference
from netdsl.lsp.workspace import Workspace, path_of
from netdsl.source import SourceFile
from netdsl.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    Json = dict[str, Any]

CAPABILITIES = {
    "textDocumentSync": {"openClose": True, "change": 2},
    "completionProvider": {"triggerCharacters": ["@", "(", ",", "="]},
    "signatureHelpProvider": {"triggerCharacters": ["(", ","]},
    "hoverProvider": True,
    "inlayHintProvider": True,
    "definitionProvider": True,
    "referencesProvider": True,
    "renameProvider": {"prepareProvider": True},
    "documentSymbolProvider": True,
    "workspaceSymbolProvider": True,
    "documentLinkProvider": {},
    "foldingRangeProvider": True,
    "documentFormattingProvider": True,
    "documentRangeFormattingProvider": True,
    "semanticTokensProvider": {
        "legend": {"tokenTypes": TYPES, "tokenModifiers": MODIFIERS},
        "range": True,
        "full": {"delta": True},
    },
    "codeActionProvider": {"codeActionKinds": [whole.QUICK_FIX, whole.EXTRACT, whole.REWRITE]},
    "workspace": {"workspaceFolders": {"supported": True, "changeNotifications": True}},
}
_ANSWERS: dict[str, Callable[[Workspace, Json], object]] = {
    "textDocument/completion": answers.completion,
    "textDocument/signatureHelp": answers.signature,
    "textDocument/hover": answers.hovered,
    "textDocument/definition": answers.definition,
    "textDocument/references": answers.references,
    "textDocument/prepareRename": answers.prepare_rename,
    "textDocument/rename": answers.rename,
    "textDocument/documentLink": answers.links,
    "workspace/symbol": answers.workspace_symbols,
    "textDocument/documentSymbol": whole.outline,
    "textDocument/foldingRange": whole.folding,
    "textDocument/formatting": whole.formatting,
    "textDocument/rangeFormatting": whole.range_formatting,
    "textDocument/codeAction": whole.actions,
}


class LanguageServer:
    """The state of one connection."""

    def __init__(self, given: IO[bytes], taken: IO[bytes]) -> None:
        self._in, self._out = given, taken
        self.workspace = Workspace()
        self._queue: queue.Queue[Json | None] = queue.Queue()
        self._cancelled: set[object] = set()
        self._is_shut = False
        self._refreshes_hints = False
        self._unfinished: dict[str, int] = {}  # texts with nets to build: how many are built
        self._tokens: dict[str, tuple[int, list[int]]] = {}  # the last ones sent, with their number
        self._numbers = 0
        self._methods: dict[str, Callable[[Json], object]] = {
            "initialize": self._initialize,
            "shutdown": self._shutdown,
            "textDocument/didOpen": self._open,
            "textDocument/didChange": self._change,
            "textDocument/didClose": self._close,
            "workspace/didChangeWatchedFiles": self._files_changed,
            "workspace/didChangeWorkspaceFolders": self._folders_changed,
            "textDocument/inlayHint": self._hints,
            "textDocument/semanticTokens/full": self._all_tokens,
            "textDocument/semanticTokens/full/delta": self._changed_tokens,
            "textDocument/semanticTokens/range": self._some_tokens,
        }

    def run(self) -> int:
        """Answer until the editor ends the connection; returns the exit code."""
        threading.Thread(target=self._read, daemon=True).start()
        while (message := self._next()) is not None:
            if message.get("method") == "exit":
                break
            self._answer(message)
        return 0 if self._is_shut else 1

    def _next(self) -> Json | None:
        """The next message; nets are built while there is none."""
        while self._unfinished and self._queue.empty():
            self._build()
        return self._queue.get()

    def _read(self) -> None:
        """Put what the editor sends into the queue; note what it cancels."""
        try:
            while True:
                message = read_message(self._in)
                if message.get("method") == "$/cancelRequest":
                    self._cancelled.add((message.get("params") or {}).get("id"))
                    continue
                self._queue.put(message)
                if message.get("method") == "exit":
                    return  # a thread that still read would not let the process end
        except (EndOfStreamError, OSError, ValueError):
            self._queue.put(None)

    def _answer(self, message: Json) -> None:
        identity, method = message.get("id"), message.get("method")
        if method is None and identity is not None and "invalid" not in message:
            return  # the answer to a request of ours
        if not isinstance(method, str) or "invalid" in message:
            self._fail(identity, INVALID_REQUEST, "this is not a message")
            return
        if identity is not None and identity in self._cancelled:
            self._cancelled.discard(identity)
            self._fail(identity, REQUEST_CANCELLED, "cancelled")
            return
        params = message.get("params") or {}
        try:
            if method in _ANSWERS:
                result = _ANSWERS[method](self.workspace, params)
            elif method in self._methods:
                result = self._methods[method](params)
            else:
                if identity is not None:
                    self._fail(identity, METHOD_NOT_FOUND, f"unknown method {method}")
                return
        except RefusedError as refusal:
            self._fail(identity, REQUEST_FAILED, str(refusal))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            if identity is not None:
                self._fail(identity, INTERNAL_ERROR, f"{method}: {error!r}")
        else:
            if identity is not None:
                write_message(self._out, {"id": identity, "result": result})

    def _fail(self, identity: object, code: int, words: str) -> None:
        write_message(self._out, {"id": identity, "error": {"code": code, "message": words}})

    # ---- the connection

    def _initialize(self, params: Json) -> Json:
        about = {"name": "netdsl", "version": __version__}
        folders = params.get("workspaceFolders") or []
        addresses = [folder["uri"] for folder in folders]
        if not folders and params.get("rootUri"):
            addresses = [params["rootUri"]]
        paths = map(path_of, addresses)
        self.workspace.folders = [path for path in paths if path is not None]
        able = (params.get("capabilities") or {}).get("workspace") or {}
        self._refreshes_hints = bool((able.get("inlayHint") or {}).get("refreshSupport"))
        return {"capabilities": CAPABILITIES, "serverInfo": about}

    def _shutdown(self, _: Json) -> None:
        self._is_shut = True

    # ---- texts

    def _open(self, params: Json) -> None:
        given = params["textDocument"]
        self._take(given["uri"], given["text"])

    def _change(self, params: Json) -> None:
        address = params["textDocument"]["uri"]
        source = self.workspace.documents[address].source
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
        self.workspace.close(address)
        self._unfinished.pop(address, None)
        self._tokens.pop(address, None)
        self._publish(address, [])
        self._recheck_importers(path_of(address))

    def _files_changed(self, params: Json) -> None:
        for change in params["changes"]:
            self._recheck_importers(path_of(change["uri"]))

    def _folders_changed(self, params: Json) -> None:
        event = params["event"]
        gone = {path_of(folder["uri"]) for folder in event["removed"]}
        new = [path_of(folder["uri"]) for folder in event["added"]]
        kept = [path for path in self.workspace.folders if path not in gone]
        self.workspace.folders = [*kept, *(path for path in new if path is not None)]

    def _take(self, address: str, text: str) -> None:
        """Take a version of a text; its nets are built when no newer one is waiting."""
        self.workspace.take(address, text)
        self._begin(address)
        self._recheck_importers(path_of(address))

    def _recheck_importers(self, path: str | None) -> None:
        """Take the open texts again that import a file, which has changed."""
        for address in self.workspace.importers(path) if path is not None else []:
            self.workspace.take(address, self.workspace.documents[address].source.text)
            self._begin(address)

    # ---- diagnostics

    def _begin(self, address: str) -> None:
        """Send the diagnostics of a version at once if no net must be built for them."""
        self._unfinished.pop(address, None)
        if self._has_newer(address):
            return
        if self.workspace.documents[address].waiting():
            self._unfinished[address] = 0
        else:
            self._finish(address)

    def _build(self) -> None:
        """Build a net of the text that was edited last.

        Its diagnostics are sent after the first net, which is the one that is built in the shortest
        time, and after the last.
        """
        address = list(self._unfinished)[-1]
        document = self.workspace.documents[address]
        if document.build_next():
            self._unfinished[address] += 1
            if self._unfinished[address] == 1 and document.waiting():
                found = document.diagnostics_so_far()
                self._publish(address, diagnostics_of(self.workspace, address, found))
        if not document.waiting():
            self._finish(address)

    def _finish(self, address: str) -> None:
        was_built = self._unfinished.pop(address, None) is not None
        found = self.workspace.documents[address].diagnostics()
        self._publish(address, diagnostics_of(self.workspace, address, found))
        if was_built and self._refreshes_hints:
            self._numbers += 1
            method = "workspace/inlayHint/refresh"
            write_message(self._out, {"id": f"netdsl-{self._numbers}", "method": method})

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

    # ---- hints and colours, which depend on what the editor has

    def _hints(self, params: Json) -> list[Json]:
        """The hints of a range; an editor that cannot be told of new ones waits for all."""
        address, _ = document_of(self.workspace, params)
        if not self._refreshes_hints and address in self._unfinished:
            self._finish(address)
        return answers.inlay_hints(self.workspace, params)

    def _all_tokens(self, params: Json) -> Json:
        address, _ = document_of(self.workspace, params)
        data = whole.all_tokens(self.workspace, params)
        return {"resultId": str(self._keep_tokens(address, data)), "data": data}

    def _keep_tokens(self, address: str, data: list[int]) -> int:
        self._numbers += 1
        self._tokens[address] = self._numbers, data
        return self._numbers

    def _changed_tokens(self, params: Json) -> Json:
        address, _ = document_of(self.workspace, params)
        number, old = self._tokens.get(address, (0, []))
        if str(number) != params.get("previousResultId"):
            return self._all_tokens(params)
        data = whole.all_tokens(self.workspace, params)
        made = {"resultId": str(self._keep_tokens(address, data))}
        return {**made, "edits": difference(old, data)}

    def _some_tokens(self, params: Json) -> Json:
        return {"data": whole.tokens_of_range(self.workspace, params)}
