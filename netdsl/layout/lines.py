"""The lines of the canonical layout, and the piece that each line is indented from."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from netdsl.layout.breaks import BLOCK, ONE
from netdsl.layout.pieces import ARROW
from netdsl.syntax.parser import CLOSE, OPEN

if TYPE_CHECKING:
    from netdsl.layout.breaks import Breaks

WIDTH = 120
INDENT = 4


@dataclass(slots=True)
class Line:
    """Pieces `first` to `last`, `offset` blanks to the right of piece `anchor`.

    An anchor of -1 is the margin. `frame` is the innermost bracket around the line, -1 if there is
    none. `above` are the comment lines before it, which have an anchor and offset of their own.
    """

    first: int
    last: int
    anchor: int
    offset: int
    frame: int
    above: list[str]
    above_anchor: int
    above_offset: int


@dataclass(slots=True)
class _Frame:
    """An open bracket, and what was last seen inside it; -1 means nothing yet."""

    open: int
    base: int  # the piece that its contents are indented from
    arm: int = -1  # the `|` of the arm
    statement: int = -1  # the first piece of the statement
    going_on: int = -1  # the last `->` that begins a line of the statement


class Structure:
    """Divides the pieces into lines; a body that would make its line too wide becomes a block.

    Widths do not include the blanks that align one line with another, so that the formatter leaves
    its own output unchanged.
    """

    def __init__(self, breaks: Breaks) -> None:
        self.breaks, self.pieces = breaks, breaks.pieces
        self.lines: list[Line] = []
        self._columns = [0] * len(self.pieces)
        # The width of all pieces up to each one, as if they were on one line.
        self._widths = list(accumulate(piece.space + len(piece.text) for piece in self.pieces))
        self._frames = [_Frame(-1, -1)]
        self._closed = self._frames[0]  # the bracket that was closed last
        self._base = 0  # the piece that a bracket opened next is indented from
        self._end = 0  # the first piece after the line
        for i in range(len(self.pieces)):
            self._add(i)

    def _add(self, i: int) -> None:
        """Add a piece to the line, or begin a new line with it."""
        piece, frame = self.pieces[i], self._frames[-1]
        if i == 0 or self.breaks.before[i]:
            self._begin(i, frame)
        else:
            self._columns[i] = self._columns[i - 1] + len(self.pieces[i - 1].text) + piece.space
            self.lines[-1].last = i
            if i - 1 == self.lines[-1].first and self.pieces[i - 1].kind == "VBAR":
                self._base = i
        if piece.kind == "VBAR":
            frame.arm = i
        elif piece.separated or i == 0 or self.pieces[i - 1].kind in ("LBRACE", "VBAR"):
            frame.statement, frame.going_on = i, -1
        if piece.kind in OPEN:
            self._frames.append(_Frame(i, self._base))
            if piece.kind == "LBRACE":
                self._fit(i)
        elif piece.kind in CLOSE:
            self._closed = self._frames.pop()
            if self._closed.open < self.lines[-1].first:
                # What follows is indented like the line on which the bracket was opened.
                self._base = self._closed.base

    def _begin(self, i: int, frame: _Frame) -> None:
        """Begin a line with a piece."""
        anchor, offset = self._indentation(i, frame)
        above, around = (anchor, offset), frame.open
        if self.pieces[i].kind in CLOSE:
            above = self._inside(frame)
            around = self._frames[-2].open
        self.lines.append(Line(i, i, anchor, offset, around, self._above(i, frame), *above))
        self._columns[i] = offset
        if anchor >= 0:
            self._columns[i] += self._columns[anchor]
        self._base = i

    def _indentation(self, i: int, frame: _Frame) -> tuple[int, int]:
        """The anchor and offset of a line that begins with a piece."""
        kind = self.pieces[i].kind
        if kind in CLOSE:
            return frame.base, 0
        if kind == "ELSE":
            return self._closed.base, 0
        if kind == ARROW:
            anchor = frame.going_on
            frame.going_on = i
            before = self.lines[-1].first
            if self.pieces[before].kind == "RBRACE":
                return before, 0
            if anchor >= 0:
                return anchor, 0
            return frame.statement, INDENT
        if frame.arm >= 0 and kind != "VBAR" and i not in self.breaks.makers:
            return frame.arm, 2
        return self._inside(frame)

    def _inside(self, frame: _Frame) -> tuple[int, int]:
        """The anchor and offset of the contents of a bracket."""
        if frame.open < 0:
            return -1, 0
        if self.breaks.form[frame.open] == BLOCK:
            return frame.base, INDENT
        return frame.open + 1, 0

    def _above(self, i: int, frame: _Frame) -> list[str]:
        """The comment lines before a line, with "" for a blank line.

        Of several blank lines in a row one is kept, and none after an opening or before a closing
        brace, or where the blank line would divide one statement.
        """
        piece = self.pieces[i]
        above = piece.above
        in_body = frame.open < 0 or self.pieces[frame.open].kind == "LBRACE"
        if not in_body or piece.kind in (ARROW, "ELSE"):
            above = [comment for comment in above if comment]
        lines = [line for n, line in enumerate(above) if line or (n and above[n - 1])]
        if above and not above[0] and i and self.pieces[i - 1].kind not in ("LBRACE", "VBAR"):
            lines.insert(0, "")
        while lines and not lines[-1] and (piece.kind in CLOSE or piece.kind == "END"):
            lines.pop()
        return lines

    def _fit(self, brace: int) -> None:
        """Turn a body on one line into a block, if it ends its line and makes it too wide."""
        chain = self.breaks.chain(brace)
        if self.breaks.form[brace] != ONE or chain[0] != brace:
            return
        if self._end <= brace:
            self._end = next(i for i in range(brace + 1, len(self.pieces)) if self.breaks.before[i])
        right = self._columns[brace] + 1 + self._widths[self._end - 1] - self._widths[brace]
        at_end = self.breaks.match[chain[-1]] + 1 == self._end
        is_empty = self.breaks.match[brace] == brace + 1
        if right > WIDTH and at_end and self._columns[brace] < WIDTH and not is_empty:
            for other in chain:
                self.breaks.open(other)
            self._end = brace + 1
