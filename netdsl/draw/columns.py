"""Lays out a table in columns so that it fits into a terminal without losing anything.

If a table is too wide, these steps are tried in turn:

1. The gaps between the columns shrink from 3 blanks to 1, or to 2 if a formula is beside a figure.
2. The last column, `from`, which few rows fill, moves to lines below these rows.
3. Columns with formulas get numbers instead: first those with long formulas, in the end all.
4. Names are shortened at the front, if they remain different: `…downsample.0`.
5. Shapes with formulas get numbers, too.
6. The last columns move to another table below, so that they can still be compared.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from netdsl.analysis.figures import MAX_FORMULA
from netdsl.render import width_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Cells = list[list[str]]

GAPS = (3, 2, 1)  # blanks between columns, by preference
MOST = (None, MAX_FORMULA, 20, 16, 12, 0)  # characters in a formula, by preference
SIZED = -1  # the same, without formulas in shapes either
WIDEST = 100  # of a column; a longer formula passes its end, and the other rows stay narrow
LEAST = 8  # no name is shortened below this width
INDENT = 4  # of the lines below a row
NOTE = "from"  # the head of the column with notes
STAR = "*"  # after the head of a column that has numbers instead of formulas
NOTHING = ("", "-")  # cells without a value
APART = 2  # blanks between figures if some are formulas
FORMULA_SIGNS = "⌊⌈ "
KEPT = "\u00a0"  # a blank where no line ends
_FORMULA = re.compile(r"f\([\w, ]+\)")
BETWEEN = " " * GAPS[0]  # of the texts below a row


class TableLine(NamedTuple):
    """A line of a table and its style on a terminal: `bold`, `dim` or plain."""

    text: str
    style: str = ""


class RowName(NamedTuple):
    """The first cell of a row. Only names of the same group must be different."""

    text: str
    indent: int = 0
    group: str = ""


class Table(NamedTuple):
    """What a table shows.

    `cells` makes the cells after the name of each row, with formulas of at most that many
    characters. `marks` tells which of these columns then have numbers instead: their heads get a
    star. The columns from number `right` onwards are figures; the last `extra` of them move to
    another table together. `notes` are the texts of a last column, or empty for a table without
    one. Each row has a style.
    """

    heads: list[str]
    right: int
    names: list[RowName]
    cells: Callable[[int | None], Cells]
    notes: list[str]
    styles: list[str]
    extra: int = 1
    marks: Callable[[int | None], list[bool]] | None = None

    def marked(self, most: int | None) -> Table:
        """The table with its heads for formulas of at most `most` characters."""
        if self.marks is None:
            return self
        marks = (False, *self.marks(most))
        pairs = zip(self.heads, marks, strict=True)
        return self._replace(heads=[head + STAR * is_marked for head, is_marked in pairs])


def laid_out(table: Table, width: int | None) -> list[TableLine]:
    """The lines of a table: its head, a rule, and its rows; then those of the table below it.

    Without a `width`, every row is one line, however long it is. If a formula is longer than a
    column may be wide, it moves the cells after it, and only in its row. rich's own table would
    take a tenth of a millisecond for each row, which is noticeable for some thousand rows.
    """
    if width is None:
        return _with_notes_beside(table, table.cells(None)).narrowed().lines(GAPS[0])
    count = len(table.heads) - 1
    for kept in dict.fromkeys((count, *range(max(count - table.extra, 1), 0, -1))):
        for grid in _ways(_part(table, 0, kept), width):
            if lines := grid.fitted(width):
                return [*lines, *_rest(table, kept, width)]
    # A terminal that is narrower than a name and a figure breaks the lines itself.
    return [*grid.lines(GAPS[-1], width), *_rest(table, 1, width)]


def _rest(table: Table, kept: int, width: int) -> list[TableLine]:
    """The lines of the table below, with the columns that are not kept in the first one."""
    count = len(table.heads) - 1
    if kept == count:
        return []
    return [TableLine(""), *laid_out(_part(table, kept, count), width)]


def _ways(table: Table, width: int) -> Iterator[_Grid]:
    """The cells of a table in the ways that are tried, with all columns beside each other."""
    for most in (*MOST, SIZED):
        cells, headed = table.cells(most), table.marked(most)
        if table.notes:
            yield _with_notes_beside(headed, cells)
        yield (narrow := _Grid(headed, cells, _below(table)))
        if most in (0, SIZED):
            names = shortened(table.names, width - narrow.width(GAPS[-1]) + narrow.widths[0])
            if names is not None:
                yield _Grid(headed._replace(names=names), cells, _below(table))


def _below(table: Table) -> list[str]:
    """The notes as texts below the rows."""
    return [note and f"{NOTE} {note}" for note in table.notes]


def _with_notes_beside(table: Table, cells: Cells) -> _Grid:
    """The table with its notes as the last column."""
    if not table.notes:
        return _Grid(table, cells)
    cells = [[*row, note] for row, note in zip(cells, table.notes, strict=True)]
    return _Grid(table._replace(heads=[*table.heads, NOTE]), cells)


def _part(table: Table, first: int, last: int) -> Table:
    """The table with the columns after the name from number `first` to before `last`.

    Notes are in the part with the first column. Other parts have no rows without a value.
    """
    rows = list(range(len(table.names)))
    if first:
        values = [row[first:last] for row in table.cells(None)]
        rows = [n for n in rows if any(cell not in NOTHING for cell in values[n])]

    def cells(most: int | None) -> Cells:
        whole = table.cells(most)
        return [whole[n][first:last] for n in rows]

    def marks(most: int | None) -> list[bool]:
        return [] if table.marks is None else table.marks(most)[first:last]

    return table._replace(
        heads=[table.heads[0], *table.heads[1:][first:last]],
        right=max(table.right - first, 1),
        names=[table.names[n] for n in rows],
        cells=cells,
        notes=[] if first else table.notes,
        styles=[table.styles[n] for n in rows],
        extra=1,
        marks=table.marks and marks,
    )


class _Grid:
    """The cells of a table, the widths of its columns, and the texts below its rows."""

    def __init__(self, table: Table, cells: Cells, below: list[str] | None = None) -> None:
        self.table = table
        self.below = below or []
        names = [" " * name.indent + name.text for name in table.names]
        self.rows = [[name, *row] for name, row in zip(names, cells, strict=True)]
        columns = zip(table.heads, *self.rows, strict=True)
        self.widths = [max(map(width_of, column)) for column in columns]
        figures = [cell for row in self.rows for cell in row[table.right :]]
        self.has_formulas = any(any(sign in cell for sign in FORMULA_SIGNS) for cell in figures)

    def narrowed(self) -> _Grid:
        """The same, with no column wider than its widest cell of usual width."""
        if max(self.widths) > WIDEST:
            columns = zip(self.table.heads, *self.rows, strict=True)
            self.widths = [_usual_width(list(map(width_of, column))) for column in columns]
        return self

    def width(self, gap: int) -> int:
        """The width of the table with that gap between its columns."""
        return sum(self.widths) + sum(map(len, self._between(gap)))

    def _between(self, gap: int) -> list[str]:
        """The blanks before each column but the first: two if a formula is beside a figure."""
        gaps = []
        for number in range(1, len(self.widths)):
            is_figure = number > self.table.right and self.has_formulas
            gaps.append(" " * (max(gap, APART) if is_figure else gap))
        return gaps

    def _joined(self, cells: list[str], gap: int) -> str:
        first, *others = self._padded(cells)
        pairs = zip(self._between(gap), others, strict=True)
        return (first + "".join(blanks + cell for blanks, cell in pairs)).rstrip()

    def fitted(self, width: int) -> list[TableLine]:
        """The lines of the table with the widest gaps that fit; none if it is too wide."""
        fitting = (gap for gap in GAPS if self.width(gap) <= width)
        gap = next(fitting, None)
        return [] if gap is None else self.lines(gap, width)

    def lines(self, gap: int, width: int | None = None) -> list[TableLine]:
        """The lines of the table; the texts below rows are broken to fit into `width`."""
        made = [
            TableLine(self._joined(self.table.heads, gap), "bold"),
            TableLine("─" * self.width(gap)),
        ]
        for number, row in enumerate(self.rows):
            text = self._joined(row, gap)
            made.append(TableLine(text, self.table.styles[number]))
            if self.below and self.below[number]:
                indent = " " * (self.table.names[number].indent + INDENT)
                texts = wrapped(
                    self.below[number], width and width - len(indent), BETWEEN, ", ", " "
                )
                made += [TableLine(indent + text, "dim") for text in texts]
        return made

    def _padded(self, cells: list[str]) -> Iterator[str]:
        """Cells with blanks: words on the left of their columns, figures on the right."""
        for number, (cell, width) in enumerate(zip(cells, self.widths, strict=True)):
            blanks = " " * (width - width_of(cell))
            if number < self.table.right or self.table.heads[number] == NOTE:
                yield cell + blanks
            else:
                yield blanks + cell


def _usual_width(widths: list[int]) -> int:
    """The width of the widest cell, apart from those that are wider than any column."""
    return max(width for width in widths if width <= WIDEST)


def wrapped(text: str, width: int | None, *separators: str) -> list[str]:
    """The text in lines of at most `width` columns.

    It is broken after the first separator, after the next one where this is not enough, and so on.
    """
    if width is None or width_of(text) <= width or not separators:
        return [text]
    separator, *others = separators
    if separator == " ":
        text = _FORMULA.sub(lambda match: match[0].replace(" ", KEPT), text)
    comma = separator.rstrip()
    lines: list[str] = []
    pieces = text.split(separator)
    for number, piece in enumerate(pieces):
        if lines and width_of(longer := f"{lines[-1]}{separator}{piece}{comma}") <= width:
            lines[-1] = longer.removesuffix(comma)
            continue
        if lines:
            lines[-1] += comma
        is_last = number == len(pieces) - 1
        lines += wrapped(piece, width if is_last else width - len(comma), *others)
    return [line.replace(KEPT, " ") for line in lines]


def shortened(names: list[RowName], width: int) -> list[RowName] | None:
    """The names cut at the front to at most `width` columns; None if two would be equal."""
    return _cut_to(names, width, _between_parts) or _cut_to(names, width, _anywhere)


def _cut_to(
    names: list[RowName], width: int, cut: Callable[[str, int], str]
) -> list[RowName] | None:
    made: list[RowName] = []
    owners: dict[tuple[str, str], str] = {}  # the whole names, by group and short name
    for name in names:
        room = width - name.indent
        text = name.text
        if width_of(text) > room:
            if room < LEAST:
                return None
            text = cut(text, room)
        if owners.setdefault((name.group, text), name.text) != name.text:
            return None
        made.append(name._replace(text=text))
    return made


def _between_parts(text: str, room: int) -> str:
    """The longest end of whole labels, folders or words that fits, or else the letters that fit."""
    last = text[-room:]
    ends = (last[n + 1 :] for n, sign in enumerate(last) if sign in "./_")
    fitting = (f"…{end}" for end in ends if width_of(end) < room)
    return next(fitting, None) or _anywhere(text, room)


def _anywhere(text: str, room: int) -> str:
    text = text[-room:]
    while width_of(text) >= room:
        text = text[1:]
    return f"…{text}"
