"""The columns of the canonical layout: tables that the author aligned stay aligned, comments after
code too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.layout.pieces import ARROW

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.layout.lines import Line
    from netdsl.layout.pieces import Piece

# What stands in columns, beside what follows a label.
_MARKS = (ARROW, "EQUAL", "COMPARE", "LBRACE", "AT")


class Columns:
    """The text of laid out lines, without their breaks."""

    def __init__(self, pieces: list[Piece], lines: list[Line]) -> None:
        self.pieces, self.lines = pieces, lines
        self.columns = [0] * len(pieces)
        for run in self._runs():
            self._place(run)

    def text(self) -> list[str]:
        """Every line of the file."""
        rows: list[_Row] = []
        item = 0
        for line in self.lines:
            item += line.frame < 0
            column = self._at(line.above_anchor) + line.above_offset
            rows += [
                _Row(" " * column + comment if comment else "", item) for comment in line.above
            ]
            first, *below = self.pieces[line.last].comments or [""]
            at = self.pieces[line.last].comment_column
            if self.pieces[line.first].kind != "END":
                rows.append(_Row(self._code(line), item, first, at))
            rows += [_Row("", item, comment, at) for comment in below]
        _align_comments(rows)
        return [r.code.ljust(r.column) + r.comment if r.comment else r.code for r in rows]

    def _at(self, anchor: int) -> int:
        return self.columns[anchor] if anchor >= 0 else 0

    def _code(self, line: Line) -> str:
        parts = [" " * self.columns[line.first], self.pieces[line.first].text]
        for piece in self.pieces[line.first + 1 : line.last + 1]:
            parts += [" " * piece.space, piece.text]
        return "".join(parts)

    def _runs(self) -> Iterator[list[Line]]:
        """Lines next to one another in the same bracket."""
        run: list[Line] = []
        for line in self.lines:
            if run and (
                line.frame != run[-1].frame
                or line.above
                or len(self.pieces[run[-1].last].comments) > 1
            ):
                yield run
                run = []
            run.append(line)
        yield run

    def _place(self, run: list[Line]) -> None:
        """Set the columns of a run: those of its lines as they stand alone, then moved right to
        where they align.
        """
        for line in run:
            self.columns[line.first] = self._at(line.anchor) + line.offset
            self._string(line)
        moved = [0] * len(run)
        for group in sorted(self._groups(run), key=lambda g: self.pieces[g[0][1]].column):
            target = max(self.columns[i] + moved[n] for n, i in group)
            for n, i in group:
                by = target - self.columns[i] - moved[n]
                moved[n] += by
                self.pieces[i].space += by
        for line in run:
            self._string(line)

    def _string(self, line: Line) -> None:
        for i in range(line.first + 1, line.last + 1):
            self.columns[i] = (
                self.columns[i - 1] + len(self.pieces[i - 1].text) + self.pieces[i].space
            )

    def _groups(self, run: list[Line]) -> list[list[tuple[int, int]]]:
        """What the author aligned: pieces of one sort in one column, with more than one blank
        before some.
        """
        groups: dict[tuple[str, int], list[tuple[int, int]]] = {}
        for n, line in enumerate(run):
            for i in self._candidates(line):
                piece = self.pieces[i]
                groups.setdefault(
                    (piece.kind if piece.kind in _MARKS else "LABEL", piece.column), []
                ).append((n, i))
        return [
            g for g in groups.values() if len(g) > 1 and any(self.pieces[i].pad > 1 for _, i in g)
        ]

    def _candidates(self, line: Line) -> list[int]:
        """The pieces of a line that can stand in a table; none where the author had them on several
        lines.
        """
        if self.pieces[line.first].line != self.pieces[line.last].line:
            return []
        inside = range(line.first + 1, line.last + 1)
        return [
            i
            for i in inside
            if self.pieces[i].space
            and (self.pieces[i].kind in _MARKS or self.pieces[i - 1].kind == "LABEL")
        ]


class _Row:
    """A line of the file: its code, and the comment after it, which the author had in column
    `column`.
    """

    def __init__(self, code: str, item: int, comment: str = "", column: int = 0) -> None:
        self.code, self.item, self.comment, self.column = code, item, comment, column


def _align_comments(rows: list[_Row]) -> None:
    """A comment stays in its column where that is free.

    Comments of a definition that shared a column go on sharing one.
    """
    groups: dict[tuple[int, int], list[_Row]] = {}
    for row in (r for r in rows if r.comment):
        groups.setdefault((row.item, row.column), []).append(row)
    for group in groups.values():
        column = max(group[0].column, *(len(r.code) + 2 for r in group if r.code), 0)
        for row in group:
            row.column = column
