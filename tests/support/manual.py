"""The programs of the language reference."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from tests.support.paths import ROOT

LANGUAGE = ROOT / "docs" / "language.md"


class Block(NamedTuple):
    """A fenced block of a page: its info string, the line where its text begins, and its text."""

    info: str
    line: int
    text: str

    @property
    def inside(self) -> str | None:
        """The shape of the input of a fragment, or None for a whole file."""
        kind, _, rest = self.info.partition(" fragment ")
        return rest if rest and kind == "net" else None

    @property
    def file(self) -> str | None:
        """The name under which later blocks can import it."""
        return self.info.removeprefix("net file ") if self.info.startswith("net file ") else None

    @property
    def program(self) -> str:
        """The text to compile. A fragment becomes the body of a net, and begins on line 2."""
        if self.inside is None:
            return self.text
        return f"net Example {{ input image: {self.inside}\n{self.text}\n}}"

    @property
    def offset(self) -> int:
        """The number to add to a line of the program for the line of the page."""
        return self.line - 1 - (self.inside is not None)


def blocks_of(path: Path) -> list[Block]:
    """The blocks of a page whose info string begins with `net`."""
    blocks = []
    for match in re.finditer(
        r"^```(net\b.*)\n((?:.*\n)*?)```$", path.read_text(encoding="utf-8"), re.MULTILINE
    ):
        line = match.string.count("\n", 0, match.start(2)) + 1
        blocks.append(Block(match[1].strip(), line, match[2].rstrip("\n")))
    return blocks


BLOCKS = blocks_of(LANGUAGE)
