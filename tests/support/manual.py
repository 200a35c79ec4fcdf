"""The programs of the language reference."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from tests.support.paths import ROOT

LANGUAGE = ROOT / "docs" / "language.md"


class Block(NamedTuple):
    """A fenced block of a page: its info string, the line of the page on which its text begins, and
    the text.
    """

    info: str
    line: int
    text: str

    @property
    def inside(self) -> str | None:
        """The shape of the input that a fragment is the inside of; None for whole files."""
        kind, _, rest = self.info.partition(" fragment ")
        return rest if rest and kind == "net" else None

    @property
    def file(self) -> str | None:
        """The name under which later blocks can import it."""
        return self.info.removeprefix("net file ") if self.info.startswith("net file ") else None

    @property
    def program(self) -> str:
        """The text to compile, its lines numbered as those of the block are."""
        if self.inside is None:
            return self.text
        head, *rest = self.text.split("\n")
        # A fragment's first statement shares its line with the net's head, so that line numbers
        # stay those of the page.
        return "\n".join([f"net Example {{ input image: {self.inside}", head, *rest]) + "\n}"

    @property
    def offset(self) -> int:
        """What to add to a line of the program to have a line of the page."""
        return self.line - 1 - (self.inside is not None)


def blocks_of(path: Path) -> list[Block]:
    """The blocks of a page that are headed `net`."""
    found = []
    for match in re.finditer(
        r"^```(net\b.*)\n((?:.*\n)*?)```$", path.read_text(encoding="utf-8"), re.MULTILINE
    ):
        line = match.string.count("\n", 0, match.start(2)) + 1
        found.append(Block(match[1].strip(), line, match[2].rstrip("\n")))
    return found


BLOCKS = blocks_of(LANGUAGE)
