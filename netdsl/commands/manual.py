"""The manual's page of diagnostics, `docs/diagnostics.md`, as data."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from netdsl.library import resource
from netdsl.render import RulePage

_GROUP = re.compile(r"^## (.+)\n", re.MULTILINE)
_SECTION = re.compile(r"^### `([a-z-]+)`\n", re.MULTILINE)
BLOCKS = re.compile(r"^(```.*\n(?:.*\n)*?```)$", re.MULTILINE)  # of code
_EXAMPLES = re.compile(r"^(Wrong|Right):\n", re.MULTILINE)
_FENCED = re.compile(r"^```(.*)\n((?:.*\n)*?)```$", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]+)\]\(([^)]+)\)")
_BREAK = re.compile(r"(?<=\S)\n(?!- ) *(?=\S)")  # inside a paragraph or an item of a list
_SENTENCE = re.compile(r"(?<=[.])\s")
_SEVERITY = re.compile(r"^\*\*(Warning|Hint|Note)\.\*\* ")
_SEVERITIES = {"Warning": "warning", "Hint": "info", "Note": "note"}


class Example(NamedTuple):
    """An example on the page: the info string of its block, such as `net`, and its text."""

    info: str
    text: str


class Section(NamedTuple):
    """The section on one code.

    `severity` is `error`, `warning`, `info` or `note`, and `body` the Markdown without the heading.
    """

    code: str
    group: str
    severity: str
    body: str

    @property
    def text(self) -> str:
        """The Markdown before the examples."""
        return _EXAMPLES.split(self.body)[0].strip()

    @property
    def summary(self) -> str:
        """The first sentence of the text."""
        return _SENTENCE.split(" ".join(self.text.split()))[0]

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
            found.append(_section(code, group, body.strip()))
    return found


def rule_pages() -> dict[str, RulePage]:
    """The sections by code, in the form of SARIF's rules."""
    return {s.code: RulePage(plain(s.summary), plain(s.text), plain(s.body)) for s in sections()}


def _section(code: str, group: str, body: str) -> Section:
    marked = _SEVERITY.match(body)
    if marked is None:
        return Section(code, group, "error", _unwrapped(body))
    return Section(code, group, _SEVERITIES[marked[1]], _unwrapped(body[marked.end() :]))


def _unwrapped(markdown: str) -> str:
    """A Markdown text with one line for each paragraph and each item of a list.

    Blocks of code stay as they are.
    """
    return "".join(
        part if part.startswith("```") else _BREAK.sub(" ", part) for part in BLOCKS.split(markdown)
    )


def _page() -> str:
    with open(os.path.join(resource("docs"), "diagnostics.md"), encoding="utf-8") as file:
        return file.read()


def plain(markdown: str) -> str:
    """A Markdown text without links; the addresses of web pages stay, in parentheses."""
    return "".join(
        part if part.startswith("```") else _LINK.sub(_without_link, part)
        for part in BLOCKS.split(markdown)
    )


def _without_link(link: re.Match[str]) -> str:
    return f"{link[1]} ({link[2]})" if link[2].startswith("https:") else link[1]
