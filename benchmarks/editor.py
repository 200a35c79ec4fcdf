"""Times the language server: its start, and the diagnostics after a keystroke.

    python benchmarks/editor.py

The start is compared with `netdsl check` of the same file, both as whole processes. A keystroke is
compared with the check of one net of the file in a warm process. It is typed into the longest file
of the library, and into the definition that all nets of `resnet` use.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from statistics import median
from typing import Any

from measure import header, in_turns, ratio, verdict, warm_up

from netdsl.library import library_names, open_source
from netdsl.lsp.document import Document
from netdsl.lsp.rpc import read_message, write_message
from netdsl.source import SourceFile

ROUNDS = 9
KEYS = 15
ADDRESS = "untitled:edited.net"
START = """
import subprocess, sys
from netdsl.lsp.rpc import read_message, write_message
server = subprocess.Popen([sys.executable, "-m", "netdsl", "lsp"], stdin=-1, stdout=-1)
for message in {messages!r}:
    write_message(server.stdin, message)
while read_message(server.stdout).get("method") != "textDocument/publishDiagnostics":
    pass
server.kill()
"""
CLIENT = "import subprocess, sys; from netdsl.lsp.rpc import read_message, write_message"


class Server:
    """A server that has a text open."""

    def __init__(self, text: str) -> None:
        command = [sys.executable, "-m", "netdsl", "lsp"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for message in opened(text):
            self._send(message)
        self.settle()

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        write_message(self._process.stdin, message)

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        return read_message(self._process.stdout)

    def settle(self) -> None:
        """Wait until the server has built all nets."""
        place = {"line": 0, "character": 0}
        params = {"textDocument": {"uri": ADDRESS}, "range": {"start": place, "end": place}}
        self._send({"id": 2, "method": "textDocument/inlayHint", "params": params})
        while self._receive().get("id") != 2:
            pass

    def seconds(self, text: str) -> float:
        """The time until a new version of the text has diagnostics."""
        params = {"textDocument": {"uri": ADDRESS}, "contentChanges": [{"text": text}]}
        start = time.perf_counter()
        self._send({"method": "textDocument/didChange", "params": params})
        while self._receive().get("method") != "textDocument/publishDiagnostics":
            pass
        return time.perf_counter() - start

    def close(self) -> None:
        """End the server."""
        self._process.kill()
        self._process.wait()


def opened(text: str) -> list[dict[str, Any]]:
    """The messages that open a text."""
    document = {"uri": ADDRESS, "languageId": "netdsl", "version": 1, "text": text}
    return [
        {"id": 1, "method": "initialize", "params": {}},
        {"method": "textDocument/didOpen", "params": {"textDocument": document}},
    ]


def main() -> int:
    """Print the medians and the ratios; returns 1 if a bound is missed."""
    header()
    warm_up()
    texts = {name: open_source(name).text for name in library_names()}
    longest = max(texts, key=lambda name: len(texts[name]))
    results = [
        verdict(f"start with {name} / check of it", start(name), 1.5, at_most=True)
        for name in ("lenet5", longest)
    ]
    for name, before in ((longest, "}"), ("resnet", "gap")):
        key, one = keystrokes(texts[name], before)
        print(f"{1000 * median(key):8.0f} ms  a keystroke in {name}")
        print(f"{1000 * median(one):8.0f} ms  the check of one of its nets")
        title = f"a keystroke in {name} / the check of a net"
        results.append(verdict(title, ratio(key, one), 1.2, at_most=True))
    return 0 if all(results) else 1


def start(name: str) -> float:
    """The start of the server with a file until its diagnostics come, as a share of its check."""
    messages = opened(open_source(name).text)
    talk = START.format(messages=json.loads(json.dumps(messages)))
    commands = {
        f"netdsl lsp with {name}": [sys.executable, "-c", talk],
        f"netdsl check {name}": [sys.executable, "-m", "netdsl", "check", name],
        "the client of this benchmark": [sys.executable, "-c", CLIENT],
    }
    server, check, client = in_turns(commands, ROUNDS).values()
    return ratio([a - b for a, b in zip(server, client, strict=True)], check)


def keystrokes(text: str, before: str) -> tuple[list[float], list[float]]:
    """The times of blanks that are typed before a word, and of checks of the quickest net."""
    server = Server(text)
    place = text.index(before)
    document = Document(SourceFile("edited.net", text))
    document.diagnostics()
    net = min(document.names, key=document.seconds_of)
    keys, checks = [], []
    for count in range(1, KEYS + 1):
        new = text[:place] + " " * count + text[place:]
        keys.append(server.seconds(new))
        server.settle()
        begin = time.perf_counter()
        Document(SourceFile("edited.net", new)).diagnostics(net)
        checks.append(time.perf_counter() - begin)
    server.close()
    return keys, checks


if __name__ == "__main__":
    sys.exit(main())
