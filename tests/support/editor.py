"""An editor without a screen: the client of pygls, which reads every answer into its type."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from lsprotocol import types
from pygls.lsp.client import LanguageClient

Json = dict[str, Any]
WAIT = 120  # seconds for an answer


def utf16(text: str, offset: int) -> types.Position:
    """An offset as a position of the protocol, counted without the server's own functions."""
    before = text[:offset]
    line = before[before.rfind("\n") + 1 :]
    return types.Position(before.count("\n"), len(line.encode("utf-16-le")) // 2)


def offset_of(text: str, place: types.Position) -> int:
    """The offset of a position."""
    lines = text.split("\n")
    start = sum(len(line) + 1 for line in lines[: place.line])
    here = lines[place.line] if place.line < len(lines) else ""
    inside = here.encode("utf-16-le")[: 2 * place.character].decode("utf-16-le")
    return min(start + len(inside), len(text))


def edited(text: str, edits: Sequence[Any]) -> str:
    """A text after some edits of the server."""
    for edit in sorted(edits, key=lambda e: offset_of(text, e.range.start), reverse=True):
        start, end = offset_of(text, edit.range.start), offset_of(text, edit.range.end)
        text = text[:start] + edit.new_text + text[end:]
    return text


class Editor:
    """A server with the texts that are open in it, by their addresses."""

    def __init__(self, folder: str | None = None, *, refreshes: bool = False) -> None:
        self.texts: dict[str, str] = {}
        self.diagnostics: dict[str, list[types.Diagnostic]] = {}
        self.published = 0
        self.refreshed = 0
        self._runner = asyncio.Runner()
        self.client = LanguageClient("tests", "1")

        self._told = asyncio.Event()
        listen = self.client.feature
        listen(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(partial(self._publish))
        listen(types.WORKSPACE_INLAY_HINT_REFRESH)(partial(self._refresh))
        self.capabilities = self._runner.run(self._start(folder, refreshes))

    def _publish(self, params: types.PublishDiagnosticsParams) -> None:
        self.published += 1
        self.diagnostics[params.uri] = list(params.diagnostics)
        self._told.set()

    def _refresh(self, *_: object) -> None:
        self.refreshed += 1
        self._told.set()

    async def _start(self, folder: str | None, refreshes: bool) -> types.ServerCapabilities:
        await self.client.start_io(sys.executable, "-m", "netdsl", "lsp")
        hints = types.InlayHintWorkspaceClientCapabilities(refresh_support=refreshes)
        folders = None if folder is None else [types.WorkspaceFolder(folder, "folder")]
        made = await self.client.initialize_async(
            types.InitializeParams(
                capabilities=types.ClientCapabilities(
                    workspace=types.WorkspaceClientCapabilities(inlay_hint=hints)
                ),
                workspace_folders=folders,
            )
        )
        self.client.initialized(types.InitializedParams())
        return made.capabilities

    def close(self) -> None:
        """End the server; fails if it has already ended, or ends with an error."""
        self._runner.run(self._stop())
        self._runner.close()

    async def _stop(self) -> None:
        await asyncio.wait_for(self.client.shutdown_async(None), WAIT)
        self.client.exit(None)
        server = self.client._server
        assert server is not None
        assert await asyncio.wait_for(server.wait(), WAIT) == 0
        stop: Any = self.client.stop
        await stop()

    # ---- texts

    def open(self, address: str, text: str) -> None:
        """Open a text."""
        self.texts[address] = text
        item = types.TextDocumentItem(address, "netdsl", 1, text)
        self._notify(types.TEXT_DOCUMENT_DID_OPEN, types.DidOpenTextDocumentParams(item))

    def replace(self, address: str, start: int, end: int, new: str) -> None:
        """Put other characters in the place of those between two offsets."""
        text = self.texts[address]
        place = types.Range(utf16(text, start), utf16(text, end))
        self.texts[address] = text[:start] + new + text[end:]
        self._change(address, types.TextDocumentContentChangePartial(range=place, text=new))

    def rewrite(self, address: str, text: str) -> None:
        """Replace a whole text."""
        self.texts[address] = text
        self._change(address, types.TextDocumentContentChangeWholeDocument(text=text))

    def _change(self, address: str, change: Any) -> None:
        document = types.VersionedTextDocumentIdentifier(version=2, uri=address)
        params = types.DidChangeTextDocumentParams(document, [change])
        self._notify(types.TEXT_DOCUMENT_DID_CHANGE, params)

    def shut(self, address: str) -> None:
        """Close a text without saving it."""
        del self.texts[address]
        params = types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(address))
        self._notify(types.TEXT_DOCUMENT_DID_CLOSE, params)

    def _notify(self, method: str, params: Any) -> None:
        async def send() -> None:
            self.client.protocol.notify(method, params)
            await asyncio.sleep(0)

        self._runner.run(send())

    def wait(self, is_done: Callable[[], bool]) -> None:
        """Let the server work until something is so; fails if that takes too long."""

        async def work() -> None:
            while not is_done():
                self._told.clear()
                await self._told.wait()

        self._runner.run(asyncio.wait_for(work(), WAIT))

    # ---- questions

    def ask(self, method: str, params: Any) -> Any:
        """The typed answer to a request; raises the error of the server."""

        async def send() -> Any:
            answer = self.client.protocol.send_request_async(method, params)
            return await asyncio.wait_for(answer, WAIT)

        return self._runner.run(send())

    def about(self, method: str, address: str, **more: Any) -> Any:
        """The answer to a request about a text; an `offset` or a `stretch` says where."""
        text = self.texts[address]
        params: Json = {"text_document": types.TextDocumentIdentifier(address)}
        if "offset" in more:
            params["position"] = utf16(text, more.pop("offset"))
        if "stretch" in more:
            start, end = more.pop("stretch")
            params["range"] = types.Range(utf16(text, start), utf16(text, end))
        made = PARAMETERS[method](**params, **more)
        return self.ask(method, made)

    def hints(self, address: str) -> list[types.InlayHint]:
        """The hints of a text; all its nets have been built when they come."""
        return list(
            self.about(types.TEXT_DOCUMENT_INLAY_HINT, address, stretch=self.whole(address))
        )

    def found(self, address: str) -> list[types.Diagnostic]:
        """The diagnostics of a text."""
        self.hints(address)
        return self.diagnostics[address]

    def actions(self, address: str, start: int, end: int, *kinds: str) -> list[types.CodeAction]:
        """The code actions of a stretch."""
        context = types.CodeActionContext([], only=kinds or None)
        method = types.TEXT_DOCUMENT_CODE_ACTION
        return list(self.about(method, address, stretch=(start, end), context=context))

    def whole(self, address: str) -> tuple[int, int]:
        """The stretch of a whole text."""
        return 0, len(self.texts[address])

    def cancelled(self, slow: tuple[str, Any], method: str, params: Any) -> BaseException | None:
        """The error of a request that is cancelled while the server answers a slow one."""

        async def send() -> BaseException | None:
            protocol = self.client.protocol
            first = protocol.send_request_async(*slow)
            second: asyncio.Future[Any] = protocol.send_request_async(
                method, params, msg_id="unwanted"
            )
            protocol.notify(types.CANCEL_REQUEST, types.CancelParams(id="unwanted"))
            await asyncio.wait_for(first, WAIT)
            await asyncio.wait([second], timeout=WAIT)
            return second.exception()

        return self._runner.run(send())


PARAMETERS: dict[str, Any] = {
    types.TEXT_DOCUMENT_INLAY_HINT: types.InlayHintParams,
    types.TEXT_DOCUMENT_COMPLETION: types.CompletionParams,
    types.TEXT_DOCUMENT_HOVER: types.HoverParams,
    types.TEXT_DOCUMENT_SIGNATURE_HELP: types.SignatureHelpParams,
    types.TEXT_DOCUMENT_DEFINITION: types.DefinitionParams,
    types.TEXT_DOCUMENT_REFERENCES: types.ReferenceParams,
    types.TEXT_DOCUMENT_PREPARE_RENAME: types.PrepareRenameParams,
    types.TEXT_DOCUMENT_RENAME: types.RenameParams,
    types.TEXT_DOCUMENT_DOCUMENT_SYMBOL: types.DocumentSymbolParams,
    types.TEXT_DOCUMENT_FOLDING_RANGE: types.FoldingRangeParams,
    types.TEXT_DOCUMENT_DOCUMENT_LINK: types.DocumentLinkParams,
    types.TEXT_DOCUMENT_FORMATTING: types.DocumentFormattingParams,
    types.TEXT_DOCUMENT_RANGE_FORMATTING: types.DocumentRangeFormattingParams,
    types.TEXT_DOCUMENT_CODE_ACTION: types.CodeActionParams,
    types.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL: types.SemanticTokensParams,
    types.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL_DELTA: types.SemanticTokensDeltaParams,
    types.TEXT_DOCUMENT_SEMANTIC_TOKENS_RANGE: types.SemanticTokensRangeParams,
}
