"""The planted edits of `edits.md`: what is replaced in a net of the library, and the report."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from netdsl.diff.difference import NetDifference
from netdsl.diff.wording import details_of, sentences_of, title_of
from netdsl.driver import compile_net, program_of
from netdsl.library import library_file, read
from netdsl.source import SourceFile

if TYPE_CHECKING:
    from netdsl.driver import Compiled

PAGE = Path(__file__).with_name("edits.md")
_BLOCK = re.compile(
    r"^## (.+): (\w+:\w+)\n```diff\n((?:[-+].*\n)+)```\n```text\n((?:.*\n)*?)```$", re.MULTILINE
)


class Planted(NamedTuple):
    """One edit: a title, the file and the net, the text that is replaced, and the report."""

    title: str
    file: str
    net: str
    old: str
    new: str
    report: str

    @property
    def texts(self) -> tuple[str, str]:
        """The text of the library, and the text with the edit."""
        path = library_file(self.file)
        assert path is not None
        text = read(path).text
        assert self.old in text, f"{self.title}: {self.old}"
        if not self.old:
            return text, text + self.new
        return text, text.replace(self.old, self.new, 1)

    def difference(self) -> NetDifference:
        """What `netdsl diff` finds."""
        return difference_of(*self.texts, self.net)


@cache
def difference_of(before: str, after: str, net: str) -> NetDifference:
    """What `netdsl diff` finds between a net of two texts."""
    return NetDifference(compiled(before, net), compiled(after, net))


@cache
def compiled(text: str, net: str) -> Compiled:
    """A net of a text."""
    return compile_net(program_of(SourceFile("edited.net", text)), net)


def planted() -> list[Planted]:
    """All edits of the page."""
    text = PAGE.read_text(encoding="utf-8")
    found = []
    for title, place, lines, report in _BLOCK.findall(text):
        file, net = place.split(":")
        old, new = (
            "\n".join(line[1:] for line in lines.splitlines() if line[0] == sign) for sign in "-+"
        )
        found.append(Planted(title, file, net, old, new, report))
    assert text.count("\n## ") == len(found)
    return found


def report_of(difference: NetDifference) -> str:
    """The causes with their details, and what has no cause, one in each line."""
    lines = []
    for cause in difference.causes:
        lines.append(title_of(cause))
        lines += [f"    {detail}" for detail in details_of(cause)]
    lines += [f"follows: {text}" for text in sentences_of(difference.followed)]
    lines += [f"{aside.where}: {aside.old} → {aside.new}" for aside in difference.asides]
    if difference.is_same_network:
        lines.append("no difference in the network")
    return "".join(f"{line}\n" for line in lines)
