"""The manual's page of diagnostics, `docs/diagnostics.md`, as data."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from netdsl.library import resource

_GROUP = re.compile(r"^## (.+)\n", re.MULTILINE)
_SECTION = re.compile(r"^### `([a-z-]+)`\n", re.MULTILINE)
_EXAMPLES = re.compile(r"^(Wrong|Right):\n", re.MULTILINE)
_FENCED = re.compile(r"^```(.*)\n((?:.*\n)*?)```$", re.MULTILINE)
_SENTENCE = re.compile(r"(?<=[.])\s")
_SEVERITY = re.compile(r"^\*\*(Warning|Hint)\.\*\* ")
_SEVERITIES = {"Warning": "warning", "Hint": "info"}


class Example(NamedTuple):
    """An example on the page: the info string of its block, such as `net`, and its text."""

    info: str
    text: str


class Section(NamedTuple):
    """The section on one code; `body` is its Markdown without the heading."""

    code: str
    group: str
    body: str

    @property
    def severity(self) -> str:
        """The severity of the code: `error`, `warning` or `info`."""
        marked = _SEVERITY.match(self.body)
        return _SEVERITIES[marked[1]] if marked else "error"

    @property
    def text(self) -> str:
        """The Markdown before the examples, without the severity."""
        return _SEVERITY.sub("", _EXAMPLES.split(self.body)[0]).strip()

    @property
    def summary(self) -> str:
        """The first sentence of the text."""
        paragraph = " ".join(self.text.split("\n\n")[0].split())
        return _SENTENCE.split(paragraph)[0]

    @property
    def wrong(self) -> list[Example]:
        """The files or commands that cause the diagnostic."""
        return self._examples("Wrong")

    @property
    def right(self) -> list[Example]:
        """The same files or commands, corrected."""
        return self._examples("Right")

    def _examples(self, kind: str) -> list[Example]:
        parts = _EXAMPLES.split(self.body)
        texts = dict(zip(parts[1::2], parts[2::2], strict=True))
        found = _FENCED.findall(texts.get(kind, ""))
        return [Example(info, text.rstrip("\n")) for info, text in found]


def sections() -> list[Section]:
    """All sections of the page, in its order."""
    found = []
    groups = _GROUP.split(_page())
    for group, content in zip(groups[1::2], groups[2::2], strict=True):
        parts = _SECTION.split(content)
        for code, body in zip(parts[1::2], parts[2::2], strict=True):
            found.append(Section(code, group, body.strip()))
    return found


def _page() -> str:
    with open(os.path.join(resource("docs"), "diagnostics.md"), encoding="utf-8") as file:
        return file.read()


def plain(markdown: str) -> str:
    """A Markdown text without links and emphasis; names stay in backticks."""
    return re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", markdown).replace("**", "")
