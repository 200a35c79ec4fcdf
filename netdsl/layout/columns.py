"""The columns of the canonical layout.

Tables that the author aligned stay aligned, and so do comments after code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.layout.pieces import ARROW

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.layout.lines import Line
    from netdsl.layout.pieces import Piece

# The pieces that can be aligned; the first piece after a label can too.
_MARKS = (ARROW, "EQUAL", "COMPARE", "LBRACE", "AT")


class Columns:
    """Gives each piece its column, and joins the pieces of each line to text."""

    def __init__(self, pieces: list[Piece], lines: list[Line]) -> None:
        self.pieces, self.lines = pieces, lines
        self.columns = [0] * len(pieces)
        for run in self._runs():
            self._place(run)

    def text(self) -> list[str]:
        """Every line of the file, without line breaks."""
        rows: list[_Row] = []
        item = 0
        for line in self.lines:
            item += line.frame < 0
            rows += self._rows(line, item)
        _align_comments(rows)
        return [row.text() for row in rows]

    def _rows(self, line: Line, item: int) -> Iterator[_Row]:
        """The comments above a line, the line, and the comments that go on below it."""
        margin = " " * (self._at(line.above_anchor) + line.above_offset)
        for comment in line.above:
            yield _Row((margin + comment).rstrip(), item)
        last = self.pieces[line.last]
        first, *below = last.comments or [""]
        if self.pieces[line.first].kind != "END":
            yield _Row(self._code(line), item, first, last.comment_column)
        for comment in below:
            yield _Row("", item, comment, last.comment_column)

    def _at(self, anchor: int) -> int:
        return self.columns[anchor] if anchor >= 0 else 0

    def _code(self, line: Line) -> str:
        parts = [" " * self.columns[line.first], self.pieces[line.first].text]
        for piece in self.pieces[line.first + 1 : line.last + 1]:
            parts += [" " * piece.space, piece.text]
        return "".join(parts)

    def _runs(self) -> Iterator[list[Line]]:
        """Groups of adjacent lines inside the same bracket, with no comment between them."""
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
        """Set the columns of a run: each line by itself, then moved right to be aligned."""
        for line in run:
            self.columns[line.first] = self._at(line.anchor) + line.offset
            self._set_columns(line)
        moved = [0] * len(run)
        for group in sorted(self._groups(run), key=lambda group: self.pieces[group[0][1]].column):
            target = max(self.columns[i] + moved[number] for number, i in group)
            for number, i in group:
                distance = target - self.columns[i] - moved[number]
                moved[number] += distance
                self.pieces[i].space += distance
        for line in run:
            self._set_columns(line)

    def _set_columns(self, line: Line) -> None:
        """Set the columns of all pieces of a line after its first."""
        for i in range(line.first + 1, line.last + 1):
            before = self.pieces[i - 1]
            self.columns[i] = self.columns[i - 1] + len(before.text) + self.pieces[i].space

    def _groups(self, run: list[Line]) -> list[list[tuple[int, int]]]:
        """The pieces that the author aligned, each as (number of its line in the run, piece).

        The pieces of a group have one kind and were in one column, and at least one of them had
        more than one blank before it.
        """
        groups: dict[tuple[str, int], list[tuple[int, int]]] = {}
        for number, line in enumerate(run):
            for i in self._candidates(line):
                kind = self.pieces[i].kind
                if kind not in _MARKS:
                    kind = "LABEL"
                groups.setdefault((kind, self.pieces[i].column), []).append((number, i))
        return [
            group
            for group in groups.values()
            if len(group) > 1 and any(self.pieces[i].pad > 1 for _, i in group)
        ]

    def _candidates(self, line: Line) -> list[int]:
        """The pieces of a line that can be aligned; none if the author had it on several lines."""
        if self.pieces[line.first].line != self.pieces[line.last].line:
            return []
        return [
            i
            for i in range(line.first + 1, line.last + 1)
            if self.pieces[i].space
            and (self.pieces[i].kind in _MARKS or self.pieces[i - 1].kind == "LABEL")
        ]


class _Row:
    """A line of the file: its code, and the comment after it.

    `item` is the number of the definition it belongs to, and `column` the comment's column: first
    the author's, then that of the layout.
    """

    def __init__(self, code: str, item: int, comment: str = "", column: int = 0) -> None:
        self.code, self.item, self.comment, self.column = code, item, comment, column

    def text(self) -> str:
        """The whole line."""
        if not self.comment:
            return self.code
        return self.code.ljust(self.column) + self.comment


def _align_comments(rows: list[_Row]) -> None:
    """Keep each comment in the author's column, or move it right to make room for the code.

    Comments of one definition that shared a column still share one.
    """
    groups: dict[tuple[int, int], list[_Row]] = {}
    for row in rows:
        if row.comment:
            groups.setdefault((row.item, row.column), []).append(row)
    for group in groups.values():
        column = max(group[0].column, *(len(row.code) + 2 for row in group if row.code), 0)
        for row in group:
            row.column = column
