"""Reads the sections of Darknet's `.cfg` files.

A section is `[kind]` and lines `key=value`. As in Darknet's `read_cfg` and `read_option` (parser.c,
option_list.c), white space has no meaning, and a line that begins with `#` or `;` is a comment.
"""

from __future__ import annotations

import re
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

from netdsl.importers.described import wrong
from netdsl.source import Span, printable

if TYPE_CHECKING:
    from netdsl.source import SourceFile

LARGEST = 10**9  # of an integer


class Option(NamedTuple):
    """A value as it is written, and the place of its line."""

    text: str
    span: Span


class CfgSection(NamedTuple):
    """A section with its options; `span` is the place of its head.

    `again` are the further values of keys that are given more than once.
    """

    kind: str
    options: dict[str, Option]
    again: list[tuple[str, Option]]
    span: Span

    def at(self, key: str) -> Span:
        """The place of an option, or of the head if the option is missing."""
        option = self.options.get(key)
        return option.span if option is not None else self.span

    def integer(self, key: str, default: int | None = None, least: int = 0) -> int:
        """An integer; raises `NetdslError` if it is none, too small, or missing and required."""
        option = self.options.get(key)
        if option is None:
            if default is None:
                raise wrong(f"[{self.kind}] has no `{key}`", self.span)
            return default
        if not re.fullmatch(r"[+-]?\d{1,10}", option.text) or abs(int(option.text)) > LARGEST:
            found = printable(option.text)[:40]
            raise wrong(f"`{key}` takes an integer, found `{found}`", option.span)
        value = int(option.text)
        if value < least:
            raise wrong(f"`{key}` is {value}, it must be at least {least}", option.span)
        return value

    def integers(self, key: str) -> list[int]:
        """A required list of integers with commas between them."""
        option = self.options.get(key)
        if option is None:
            raise wrong(f"[{self.kind}] has no `{key}`", self.span)
        if not re.fullmatch(r"[+-]?\d{1,9}(,[+-]?\d{1,9})*,?", option.text):
            found = printable(option.text)[:40]
            raise wrong(f"`{key}` takes integers, found `{found}`", option.span)
        return [int(part) for part in option.text.split(",") if part]

    def number(self, key: str, default: float) -> float:
        """A number."""
        option = self.options.get(key)
        if option is None:
            return default
        try:
            value = float(option.text)
        except ValueError:
            value = float("nan")
        if not isfinite(value):
            raise wrong(
                f"`{key}` takes a number, found `{printable(option.text)[:40]}`", option.span
            )
        return value

    def word(self, key: str, default: str) -> str:
        """A word."""
        option = self.options.get(key)
        return option.text if option is not None else default


def read_sections(source: SourceFile) -> list[CfgSection]:
    """The sections of a file in their order; raises `NetdslError` at the first wrong line."""
    sections: list[CfgSection] = []
    start = 0
    for raw in source.text.splitlines(keepends=True):
        body = raw.rstrip("\r\n")
        left = len(body) - len(body.lstrip())
        span = Span(source, start + left, start + max(left, len(body.rstrip())))
        start += len(raw)
        line = re.sub(r"\s+", "", body.partition("#")[0])
        if not line or line[0] == ";":
            continue
        if line[0] == "[":
            if not line.endswith("]") or len(line) < len("[x]"):
                raise wrong(f"`{printable(line)[:40]}` is not a section such as `[net]`", span)
            sections.append(CfgSection(printable(line[1:-1])[:40], {}, [], span))
            continue
        key, equals, value = line.partition("=")
        if not (key and equals and value):
            raise wrong(f"`{printable(line)[:40]}` is neither a section nor `key=value`", span)
        if not sections:
            raise wrong(f"`{printable(line)[:40]}` is in no section", span, "begin with `[net]`")
        if key in sections[-1].options:
            sections[-1].again.append((key, Option(value, span)))
        else:
            sections[-1].options[key] = Option(value, span)
    if not sections:
        raise wrong("the file has no section", Span(source, 0, 0), "begin with `[net]`")
    return sections
