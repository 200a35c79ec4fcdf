"""The playground in a browser, and a server for its files."""

from __future__ import annotations

from http.server import SimpleHTTPRequestHandler
from typing import Any

PATIENCE = 120_000  # milliseconds: the first start compiles WebAssembly
NET = """net Small {
    input image: 1x8x8
    C1: conv(4, 3) -> relu
    flatten
    output scores: dense(3)
}
"""


class Quiet(SimpleHTTPRequestHandler):
    """A server of files that prints nothing."""

    extensions_map = {
        **SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
        ".js": "text/javascript",
        ".wasm": "application/wasm",
    }

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


class Playground:
    """A page of the playground, with what went wrong on it."""

    def __init__(self, page: Any, address: str) -> None:
        self.page = page
        self.address = address
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", self._console)

    def _console(self, message: Any) -> None:
        if message.type == "error":
            self.faults.append(message.text)

    def open(self, fragment: str = "") -> None:
        """Load the page, and wait for its first table."""
        self.page.goto(self.address + fragment)
        self.page.wait_for_selector("#table tbody tr", timeout=PATIENCE)

    def write(self, text: str) -> None:
        """Replace the text, and wait until it has been checked."""
        self.page.click("#editor .cm-content")
        self.page.keyboard.press("Control+a")
        self.page.keyboard.press("Delete")
        self.page.keyboard.insert_text(text)
        self.page.wait_for_timeout(600)

    def wait(self, words: str) -> None:
        """Wait until the state of the page has these words."""
        self.page.wait_for_function(
            "words => document.querySelector('#status').textContent.includes(words)",
            arg=words,
            timeout=PATIENCE,
        )

    def rows(self) -> list[str]:
        """The labels of the rows of the table."""
        return list(self.page.locator("#table tbody th").all_text_contents())

    def text(self) -> str:
        """The text in the editor, without the hints."""
        lines = self.page.locator("#editor .cm-line").all()
        return "\n".join(
            line.evaluate(
                "x => [...x.childNodes].filter(n => !n.querySelector?.('.hint') &&"
                " n.className !== 'hint').map(n => n.textContent).join('')"
            )
            for line in lines
        )
