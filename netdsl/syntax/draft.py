"""A text with changes that make it readable, whose tokens keep their places in the original."""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING

from netdsl.syntax.lexer import UnexpectedCharacter, UnexpectedToken

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netdsl.syntax.lexer import Token

Change = tuple[int, int, str]  # a text in place of the characters from here to there


class Draft:
    """The original text with changes, which do not overlap."""

    def __init__(self, original: str, changes: Iterable[Change] = ()) -> None:
        self.original = original
        self.changes = sorted(changes)
        self.text = original
        for start, end, written in reversed(self.changes):
            self.text = self.text[:start] + written + self.text[end:]
        self._places = list(self._begin())

    def _begin(self) -> Iterator[int]:
        """Where each change begins in the new text."""
        moved = 0
        for start, end, written in self.changes:
            yield start + moved
            moved += len(written) - (end - start)

    def place(self, offset: int, *, is_end: bool = False) -> int:
        """The place in the original of an offset in the new text.

        What is inside of a change has the place of the characters that the change replaces.
        """
        number = bisect_right(self._places, offset - is_end) - 1
        if number < 0:
            return offset
        start, end, written = self.changes[number]
        inside = offset - self._places[number]
        if inside < len(written) or (is_end and inside == len(written)):
            return end if is_end else start
        return end + inside - len(written)

    def placed(self, tokens: Iterator[Token]) -> Iterator[Token]:
        """The tokens of the new text, with their places in the original."""
        try:
            for token in tokens:
                self._move(token)
                yield token
        except UnexpectedCharacter as error:
            error.start = self.place(error.start)
            raise
        except UnexpectedToken as error:
            self._move(error.token)
            raise

    def _move(self, token: Token) -> None:
        start = token.start_pos
        token.start_pos = self.place(start)
        token.end_pos = self.place(start + len(token), is_end=True)

    def with_changes(self, changes: list[Change]) -> Draft | None:
        """The draft with more changes, or None if they overlap with others."""
        draft = sorted([*self.changes, *changes])
        if any(end > start for (_, end, _), (start, _, _) in pairwise(draft)):
            return None
        return Draft(self.original, draft)

    def without_lines(self, first: int, last: int) -> Draft:
        """The draft without anything in the lines between two offsets except braces."""
        start = self.original.rfind("\n", 0, first) + 1
        end = self.original.find("\n", last)
        if end < 0:
            end = len(self.original)
        kept = [c for c in self.changes if c[1] < start or c[0] > end or c[0] == c[1] == end]
        blank = re.sub(r"[^{}\n]", " ", self.original[start:end])
        return Draft(self.original, [*kept, (start, end, blank)])
