"""The language server, through a client that speaks the protocol over pipes."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from netdsl.library import library_names, open_source
from netdsl.lsp.document import Document
from netdsl.lsp.rpc import read_message, write_message
from netdsl.source import SourceFile

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]
NET = """\
block twice(n) {
    conv(n, 3, pad = 1) -> relu
    conv(n, 3, pad = 1) -> relu
}
net Small(classes = 10) {
    input image: 1x8x8
    C1: conv(4, 3) -> relu
    twice(8)
    flatten
    output scores: dense(classes)

    expect shape(C1) == 4x6x6
}
"""
ADDRESS = "untitled:small.net"


class Client:
    """An editor. It numbers its requests, and keeps the notifications that come meanwhile."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "netdsl", "lsp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.given, self.taken = self.process.stdin, self.process.stdout
        self.numbers = itertools.count(1)
        self.diagnostics: dict[str, list[Json]] = {}

    def notify(self, method: str, **params: Any) -> None:
        """Send a notification."""
        write_message(self.given, {"method": method, "params": params})

    def send(self, method: str, **params: Any) -> int:
        """Send a request; returns its number."""
        number = next(self.numbers)
        write_message(self.given, {"id": number, "method": method, "params": params})
        return number

    def answer(self, number: int) -> Json:
        """The answer to a request."""
        while True:
            message = read_message(self.taken)
            if message.get("id") == number:
                return message
            self._note(message)

    def _note(self, message: Json) -> None:
        if message.get("method") == "textDocument/publishDiagnostics":
            params = message["params"]
            self.diagnostics[params["uri"]] = params["diagnostics"]

    def ask(self, method: str, **params: Any) -> Any:
        """The result of a request."""
        message = self.answer(self.send(method, **params))
        assert "error" not in message, message
        return message["result"]

    def at(self, method: str, line: int, character: int, **params: Any) -> Any:
        """The result of a request about a place in the text."""
        place = {"line": line, "character": character}
        return self.ask(method, textDocument={"uri": ADDRESS}, position=place, **params)

    def open(self, text: str, address: str = ADDRESS) -> None:
        """Open a text."""
        given = {"uri": address, "languageId": "netdsl", "version": 1, "text": text}
        self.notify("textDocument/didOpen", textDocument=given)

    def change(self, *changes: Json, address: str = ADDRESS) -> None:
        """Change a text."""
        document = {"uri": address, "version": 2}
        self.notify("textDocument/didChange", textDocument=document, contentChanges=[*changes])

    def found(self, address: str = ADDRESS) -> list[Json]:
        """The diagnostics of a text: hints are answered when all nets have been built."""
        whole = {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}}
        self.ask("textDocument/inlayHint", textDocument={"uri": address}, range=whole)
        return self.diagnostics[address]

    def close(self) -> int:
        """End the connection; returns the exit code."""
        self.ask("shutdown")
        self.notify("exit")
        self.given.close()
        code = self.process.wait(timeout=60)
        self.taken.close()
        return code


@pytest.fixture(scope="module")
def server() -> Iterator[Client]:
    """One server for all tests."""
    client = Client()
    made = client.ask("initialize", processId=None, rootUri=None, capabilities={})
    assert made["capabilities"]["hoverProvider"]
    client.notify("initialized")
    yield client
    assert client.close() == 0


@pytest.fixture
def client(server: Client) -> Client:
    """The server with the text open."""
    server.open(NET)
    assert server.found() == []
    return server


def test_diagnostics(client: Client) -> None:
    """An edit of a stretch causes an error at its place, with its help; the reverse removes it."""
    stretch = {"start": {"line": 7, "character": 4}, "end": {"line": 7, "character": 9}}
    client.change({"range": stretch, "text": "twise"})
    [found] = client.found()
    assert found["code"] == "unknown-layer"
    assert found["severity"] == 1
    assert found["range"] == stretch
    assert "did you mean `twice`" in found["message"]
    client.change({"range": stretch, "text": "twice"})
    assert client.found() == []


def test_quick_fix(client: Client) -> None:
    """The fix of an error is a code action that edits the text."""
    client.change({"text": NET.replace("flatten", "flaten")})
    place = {"start": {"line": 8, "character": 5}, "end": {"line": 8, "character": 5}}
    actions = client.ask(
        "textDocument/codeAction",
        textDocument={"uri": ADDRESS},
        range=place,
        context={"diagnostics": []},
    )
    [edit] = actions[0]["edit"]["changes"][ADDRESS]
    assert edit["newText"] == "flatten"
    assert edit["range"]["start"] == {"line": 8, "character": 4}


def test_related_places(client: Client) -> None:
    """The notes of an error are related places."""
    client.change({"text": NET.replace("C1:", "twice:").replace("net Small", "net twice")})
    found = client.found()
    assert any(item["relatedInformation"] for item in found)


def test_completion_and_hover(client: Client) -> None:
    """Both count characters as UTF-16 does, also behind an emoji."""
    client.change({"text": NET.replace("    flatten", "    \U0001f600")})  # no valid text
    client.change({"text": NET.replace("relu\n    twice", "relu # \U0001f600\n    twice")})
    items = client.at("textDocument/completion", 6, 12)["items"]
    assert items[0]["label"].startswith("conv")
    shown = client.at("textDocument/hover", 6, 10)
    assert "output `4x6x6`, 40 params" in shown["contents"]["value"]
    assert shown["range"] == {
        "start": {"line": 6, "character": 8},
        "end": {"line": 6, "character": 12},
    }


def test_signature(client: Client) -> None:
    """Inside a call, its arguments are shown, and which of them is written."""
    made = client.at("textDocument/signatureHelp", 6, 16)["signatures"][0]  # conv(4, |3)
    assert made["label"].startswith("conv(out, k, stride = 1, pad = 0")
    assert made["parameters"][made["activeParameter"]]["label"] == "k"
    made = client.at("textDocument/signatureHelp", 1, 22)["signatures"][0]  # pad = 1|
    assert made["parameters"][made["activeParameter"]]["label"] == "pad = 0"
    block = client.at("textDocument/signatureHelp", 7, 10)["signatures"][0]
    assert (block["label"], block["activeParameter"]) == ("twice(n)", 0)
    assert client.at("textDocument/signatureHelp", 8, 4) is None


def test_inlay_hints(client: Client) -> None:
    """The hints of a range are the shapes after its lines, also inside a block."""
    whole = {"start": {"line": 0, "character": 0}, "end": {"line": 20, "character": 0}}
    made = client.ask("textDocument/inlayHint", textDocument={"uri": ADDRESS}, range=whole)
    shapes = {hint["position"]["line"]: hint["label"] for hint in made}
    assert shapes == {1: "8x6x6", 2: "8x6x6", 6: "4x6x6", 7: "8x6x6", 8: "288", 9: "10"}


def test_definition_references_and_rename(client: Client) -> None:
    """A block and a label are found where they are defined and used, and get other names."""
    found = client.at("textDocument/definition", 7, 6)
    assert found["range"]["start"] == {"line": 0, "character": 6}
    places = client.at("textDocument/references", 0, 8, context={"includeDeclaration": True})
    assert [place["range"]["start"]["line"] for place in places] == [0, 7]
    edits = client.at("textDocument/rename", 6, 5, newName="first")["changes"][ADDRESS]
    assert [edit["range"]["start"]["line"] for edit in edits] == [6, 11]
    refused = client.send(
        "textDocument/rename",
        textDocument={"uri": ADDRESS},
        position={"line": 6, "character": 5},
        newName="two words",
    )
    assert "`two words` is not a name" in client.answer(refused)["error"]["message"]


def test_symbols_and_folding(client: Client) -> None:
    """The outline has the definitions with their labels; each folds."""
    made = client.ask("textDocument/documentSymbol", textDocument={"uri": ADDRESS})
    assert [symbol["name"] for symbol in made] == ["twice", "Small"]
    assert [inner["name"] for inner in made[1]["children"]] == ["image", "C1", "scores"]
    folds = client.ask("textDocument/foldingRange", textDocument={"uri": ADDRESS})
    assert [(fold["startLine"], fold["endLine"]) for fold in folds] == [(0, 3), (4, 12)]


def test_formatting(client: Client) -> None:
    """The canonical layout replaces the text; one that is laid out gets no edit."""
    asked = {"textDocument": {"uri": ADDRESS}, "options": {"tabSize": 4, "insertSpaces": True}}
    assert client.ask("textDocument/formatting", **asked) == []
    client.change({"text": NET.replace(" -> ", "->")})
    [edit] = client.ask("textDocument/formatting", **asked)
    assert edit["newText"] == NET


def test_cancelled_request(client: Client) -> None:
    """A request that is cancelled before it is answered gets that answer."""
    client.change({"text": open_source("densenet").text})  # takes a while
    number = client.send("textDocument/foldingRange", textDocument={"uri": ADDRESS})
    client.notify("$/cancelRequest", id=number)
    answer = client.answer(number)
    assert answer.get("error", {}).get("code") in (None, -32800)


def test_wrong_messages(client: Client) -> None:
    """Unknown methods, missing parameters and texts that are not open are errors, not the end."""
    for method, params in (
        ("textDocument/unknown", {}),
        ("textDocument/hover", {}),
        ("textDocument/hover", {"textDocument": {"uri": "file:///no"}, "position": {}}),
    ):
        assert "error" in client.answer(client.send(method, **params))
    assert client.found() == []


def test_files_that_import(server: Client, tmp_path: Any) -> None:
    """A text of a file can import the files beside it, and those of its folder are read."""
    (tmp_path / "parts.net").write_text("block one() { conv(3, 1) }\n")
    address = (tmp_path / "a.net").as_uri()
    server.open('import "parts.net"\nnet A {\n    input x: 1x4x4\n    one\n}\n', address)
    assert server.found(address) == []
    server.notify("textDocument/didClose", textDocument={"uri": address})


def test_random_edits(server: Client) -> None:
    """After random edits, the diagnostics are those of the text that the editor has."""
    chance = random.Random(0)
    text = NET
    server.open(text)
    for _ in range(60):
        place = chance.randrange(len(text) + 1)
        end = min(len(text), place + chance.randrange(3))
        insert = chance.choice(["", "x", "\n", "}", "relu ", "3", "\U0001f600"])
        before = text[:place]
        lines = [before, text[:end]]
        start, stop = (
            {
                "line": part.count("\n"),
                "character": len(part[part.rfind("\n") + 1 :].encode("utf-16-le")) // 2,
            }
            for part in lines
        )
        server.change({"range": {"start": start, "end": stop}, "text": insert})
        text = text[:place] + insert + text[end:]
    wanted = [d.code for d in Document(SourceFile("small.net", text)).diagnostics()]
    assert [item["code"] for item in server.found()] == wanted


@pytest.mark.slow
@pytest.mark.parametrize("name", library_names())
def test_every_feature_on_the_library(server: Client, name: str) -> None:
    """Each request is answered for every file of the library, at every line."""
    text = open_source(name).text
    server.open(text)
    asked = {"textDocument": {"uri": ADDRESS}}
    whole = {"start": {"line": 0, "character": 0}, "end": {"line": 9999, "character": 0}}
    server.ask("textDocument/inlayHint", **asked, range=whole)
    server.ask("textDocument/documentSymbol", **asked)
    server.ask("textDocument/formatting", **asked)
    server.ask("textDocument/codeAction", **asked, range=whole, context={"diagnostics": []})
    for number, line in enumerate(text.split("\n")):
        for method in ("completion", "hover", "definition", "references"):
            server.at(f"textDocument/{method}", number, len(line) // 2)
