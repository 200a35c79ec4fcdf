"""Source files and positions in them."""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

BRIEF = 40  # characters of a text in a message


def printable(text: str, but: str = "") -> str:
    """The text with U+FFFD for unprintable characters, which could control a terminal.

    The characters in `but` stay.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in but else "\ufffd" for c in text)


def is_utf8(name: str) -> bool:
    """Whether the name of a file is valid text: Python represents other bytes by surrogates."""
    return not any("\ud800" <= c <= "\udfff" for c in name)


class Location(NamedTuple):
    """A position for people: both numbers count from 1."""

    line: int
    column: int


class SourceFile:
    """The text of one `.net` file and the name that messages give it."""

    __slots__ = ("_starts", "name", "path", "text")

    def __init__(self, name: str, text: str, path: str | None = None) -> None:
        self.name = name
        self.text = text
        self.path = path
        self._starts: list[int] | None = None

    def __reduce__(self) -> tuple[object, ...]:
        return SourceFile, (self.name, self.text, self.path)

    @property
    def key(self) -> str:
        """What distinguishes the file from others: its path, or its name if it has none."""
        return self.path or self.name

    def location(self, offset: int) -> Location:
        """Line and column of a character offset."""
        starts = self._line_starts()
        line = bisect_right(starts, offset)
        return Location(line, offset - starts[line - 1] + 1)

    def line(self, number: int) -> str:
        """The text of a line (numbered from 1) without its line break; empty past the end."""
        starts = self._line_starts()
        if not 1 <= number <= len(starts):
            return ""
        end = len(self.text)
        if number < len(starts):
            end = starts[number]
        return self.text[starts[number - 1] : end].rstrip("\r\n")

    def start_of(self, number: int) -> int:
        """The offset of the first character of a line, numbered from 1."""
        return self._line_starts()[number - 1]

    def _line_starts(self) -> list[int]:
        if self._starts is None:
            self._starts = [0, *(i + 1 for i, c in enumerate(self.text) if c == "\n")]
        return self._starts


class Span(NamedTuple):
    """A stretch of a file: character offsets, the end not included."""

    file: SourceFile
    start: int
    end: int

    @property
    def first(self) -> Location:
        """Where the stretch begins."""
        return self.file.location(self.start)

    @property
    def last(self) -> Location:
        """The position just after the stretch."""
        return self.file.location(max(self.start, self.end))

    @property
    def text(self) -> str:
        """The characters of the stretch."""
        return self.file.text[self.start : self.end]

    def contains(self, part: Span) -> bool:
        """Whether another stretch is inside this one."""
        return self.file is part.file and self.start <= part.start and part.end <= self.end

    @property
    def brief(self) -> str:
        """The text for a message, cut after `BRIEF` characters."""
        return self.text if len(self.text) <= BRIEF else f"{self.text[:BRIEF]}..."
