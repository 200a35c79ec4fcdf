"""The lines of the canonical layout, and what each one's indentation is measured from."""

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
    """Pieces `first` to `last`, set `offset` blanks right of piece `anchor` (-1: of the margin);
    `frame` is the bracket around it.
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
    """An open bracket: the piece that sets its line's indentation, and its contents so far."""

    open: int
    base: int
    arm: int = -1
    statement: int = -1
    going_on: int = -1  # the last line of the statement that begins with `->`


class Structure:
    """Breaks the pieces into lines; bodies on one line that would be too wide are opened on the
    way.

    Widths are taken without the blanks that align one line with another, so that the next run
    decides the same.
    """

    def __init__(self, breaks: Breaks) -> None:
        self.breaks, self.pieces = breaks, breaks.pieces
        self.lines: list[Line] = []
        self._columns = [0] * len(self.pieces)
        self._widths = list(accumulate(p.space + len(p.text) for p in self.pieces))
        self._frames = [_Frame(-1, -1)]
        self._closed = self._frames[0]
        self._base = self._end = 0
        for i in range(len(self.pieces)):
            self._piece(i)

    def _piece(self, i: int) -> None:
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
                # What follows belongs to the line on which the bracket was opened.
                self._base = self._closed.base

    def _begin(self, i: int, frame: _Frame) -> None:
        anchor, offset = self._indentation(i, frame)
        closes = self.pieces[i].kind in CLOSE
        above = self._inside(frame) if closes else (anchor, offset)
        within = self._frames[-2] if closes else frame
        self.lines.append(Line(i, i, anchor, offset, within.open, self._above(i, frame), *above))
        self._columns[i] = (self._columns[anchor] if anchor >= 0 else 0) + offset
        self._base = i

    def _indentation(self, i: int, frame: _Frame) -> tuple[int, int]:
        kind = self.pieces[i].kind
        if kind in CLOSE:
            return frame.base, 0
        if kind == "ELSE":
            return self._closed.base, 0
        if kind == ARROW:
            before = self.lines[-1].first
            anchor = before if self.pieces[before].kind == "RBRACE" else frame.going_on
            frame.going_on = i
            return (anchor, 0) if anchor >= 0 else (frame.statement, INDENT)
        if frame.arm >= 0 and kind != "VBAR":
            return frame.arm, 2
        return self._inside(frame)

    def _inside(self, frame: _Frame) -> tuple[int, int]:
        """Where what stands in a bracket begins."""
        if frame.open < 0:
            return -1, 0
        return (
            (frame.base, INDENT) if self.breaks.form[frame.open] == BLOCK else (frame.open + 1, 0)
        )

    def _above(self, i: int, frame: _Frame) -> list[str]:
        """The comment lines before a line, with one blank line where the author had some and a
        reader wants one.
        """
        piece, before = self.pieces[i], self.pieces[i - 1].kind if i else "LBRACE"
        in_body = frame.open < 0 or self.pieces[frame.open].kind == "LBRACE"
        kept = (
            [c for c in piece.above if c]
            if not in_body or piece.kind in (ARROW, "ELSE")
            else piece.above
        )
        found = [c for n, c in enumerate(kept) if c or (n and kept[n - 1])]
        if kept and not kept[0] and before not in ("LBRACE", "VBAR"):
            found.insert(0, "")
        while found and not found[-1] and (piece.kind in CLOSE or piece.kind == "END"):
            found.pop()
        return found

    def _fit(self, brace: int) -> None:
        """Open a body on one line, at that line's end, that makes the line too wide."""
        chain = self.breaks.chain(brace)
        if self.breaks.form[brace] != ONE or chain[0] != brace:
            return
        if self._end <= brace:
            self._end = next(k for k in range(brace + 1, len(self.pieces)) if self.breaks.before[k])
        right = self._columns[brace] + 1 + self._widths[self._end - 1] - self._widths[brace]
        at_end = self.breaks.match[chain[-1]] + 1 == self._end
        if (
            right > WIDTH
            and at_end
            and self._columns[brace] < WIDTH
            and self.breaks.match[brace] > brace + 1
        ):
            for other in chain:
                self.breaks.open(other)
            self._end = brace + 1
