"""Positions as the Language Server Protocol has them: lines and characters in UTF-16, from 0."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netdsl.source import SourceFile, Span

    Json = dict[str, Any]

_BEYOND = re.compile("[\U00010000-\U0010ffff]")  # characters that UTF-16 counts as two


class Offsets:
    """Converts offsets of a text between characters and UTF-16."""

    def __init__(self, text: str) -> None:
        # The characters that count twice, by their places in characters and in UTF-16.
        self.places = [match.start() for match in _BEYOND.finditer(text)]
        self.wide = [place + i for i, place in enumerate(self.places)]

    def to_utf16(self, offset: int) -> int:
        """The offset in UTF-16 of an offset in characters."""
        return offset + bisect_right(self.places, offset - 1)

    def from_utf16(self, offset: int) -> int:
        """The offset in characters of an offset in UTF-16."""
        return offset - bisect_right(self.wide, offset - 1)


def position(source: SourceFile, offset: int) -> Json:
    """An offset as a position of the protocol."""
    place = source.location(offset)
    before = source.text[source.start_of(place.line) : offset]
    return {"line": place.line - 1, "character": Offsets(before).to_utf16(len(before))}


def range_of(span: Span) -> Json:
    """A stretch of a file as a range of the protocol."""
    return {"start": position(span.file, span.start), "end": position(span.file, span.end)}


def offset_of(source: SourceFile, place: Json) -> int:
    """The offset of a position of the protocol; one beyond the end of a line is the end."""
    line = int(place["line"]) + 1
    text = source.line(line)
    if not text and line > source.text.count("\n") + 1:
        return len(source.text)
    inside = Offsets(text).from_utf16(int(place["character"]))
    return source.start_of(line) + min(inside, len(text))
