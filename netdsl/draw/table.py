"""The layer table as text, for a terminal or a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.analysis.figures import USUAL, figure, memory, totals
from netdsl.ir.types import Sym, shape_text
from netdsl.render import cut_to, width_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netdsl.analysis.summary import Row, Summary

HEADS = {"macs": "MACs"}  # column heads that differ from the names of the columns
NARROW = 80  # columns of text
GAP = 3  # blanks between columns
LEAST = 6  # the width below which no column of names is cut
UNITS = ("", "K", "M", "G", "T")
MANY = 7  # more columns than this have only one blank between them


class TableLine(NamedTuple):
    """A line of a table and its style on a terminal: `bold`, `dim` or plain."""

    text: str
    style: str = ""


def table_text(summary: Summary, depth: int | None = None) -> str:
    """The table and the totals as plain text, 80 columns wide."""
    lines = [line.text for line in layer_table(summary, NARROW, depth)]
    lines += ["", *(f"{label:<16}{text}" for label, text in totals(summary))]
    return "".join(f"{line}\n" for line in lines)


def layer_table(
    summary: Summary,
    width: int,
    depth: int | None = None,
    columns: tuple[str, ...] = USUAL,
    only: tuple[str, ...] = (),
) -> list[TableLine]:
    """The table of a net's layers.

    With `only`, it has only the rows of these kinds. If there are more columns than usual and the
    table would be wider than `width`, its figures are shortened.
    """
    rows = summary.rows(depth, only, field="field" in columns)
    # Names are to the left of figures; apart from that, the order is that of the request.
    columns = tuple(sorted(columns, key=lambda column: column not in ("kind", "output")))
    heads = ["layer", *(HEADS.get(column, column) for column in columns)]
    right = 1 + sum(column in ("kind", "output") for column in columns)
    cells = _cells(rows, columns, figure)
    if set(columns) - set(USUAL) and sum(_widths(heads, cells)) + _gaps(len(heads)) > width:
        cells = _cells(rows, columns, brief)
    dim = frozenset(number for number, row in enumerate(rows) if row.aux)
    return table_of(heads, cells, right=right, width=width, dim=dim)


def _cells(
    rows: list[Row], columns: tuple[str, ...], number: Callable[[int | Sym], str]
) -> list[list[str]]:
    return [[row.name, *(_cell(row, column, number) for column in columns)] for row in rows]


def _cell(row: Row, column: str, number: Callable[[int | Sym], str]) -> str:
    match column:
        case "kind":
            return row.kind
        case "output":
            return shape_text(row.shape)
        case "memory":
            return memory(row.bytes)
        case "field":
            return shape_text(row.field)
    value: int | Sym = getattr(row, column)
    return number(value)


def brief(value: int | Sym) -> str:
    """A figure of at most six characters: `1.35M`."""
    if isinstance(value, Sym) or value == 0:
        return figure(value)
    size = float(value)
    unit = 0
    while size >= 1000 and unit < len(UNITS) - 1:
        size /= 1000
        unit += 1
    if unit == 0 or size >= 100:
        return f"{size:.0f}{UNITS[unit]}"
    return f"{size:.3g}{UNITS[unit]}"


def table_of(
    heads: list[str],
    rows: list[list[str]],
    *,
    right: int,
    width: int,
    dim: frozenset[int] = frozenset(),
) -> list[TableLine]:
    """The lines of a table: its head, a rule, and its rows; the rows in `dim` are dim.

    The columns from number `right` onwards are figures. rich's own table would take a tenth of a
    millisecond for each row, which is noticeable for some thousand rows.
    """
    rows = _fitted(heads, rows, right, width - _gaps(len(heads)))
    widths = _widths(heads, rows)
    gap = " " * _gap(len(heads))
    head, *lines = [gap.join(_padded(cells, widths, right)).rstrip() for cells in [heads, *rows]]
    rule = "─" * (sum(widths) + _gaps(len(heads)))
    body = [TableLine(line, "dim" if number in dim else "") for number, line in enumerate(lines)]
    return [TableLine(head, "bold"), TableLine(rule), *body]


def _padded(cells: list[str], widths: list[int], right: int) -> Iterator[str]:
    """The cells of a row with blanks: names on the left of their columns, figures on the right."""
    for number, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        blanks = " " * (width - width_of(cell))
        yield cell + blanks if number < right else blanks + cell


def _gap(columns: int) -> int:
    """The number of blanks between two columns."""
    return 1 if columns > MANY else GAP


def _gaps(columns: int) -> int:
    """The number of blanks between all columns."""
    return _gap(columns) * (columns - 1)


def _widths(heads: list[str], rows: list[list[str]]) -> list[int]:
    return [max(map(width_of, column)) for column in zip(heads, *rows, strict=True)]


def _fitted(heads: list[str], rows: list[list[str]], right: int, width: int) -> list[list[str]]:
    """The cells, cut so that the table fits into `width` if possible.

    The widest column of names or formulas is cut first. Figures are never cut.
    """
    widths = _widths(heads, rows)
    while sum(widths) > width:
        widest = max(range(right), key=widths.__getitem__)
        if widths[widest] <= LEAST:
            break
        widths[widest] -= 1
    return [
        [_cut(cell, width) for cell, width in zip(cells[:right], widths, strict=False)]
        + cells[right:]
        for cells in rows
    ]


def _cut(cell: str, width: int) -> str:
    if width_of(cell) <= width:
        return cell
    return cut_to(cell, width - 1) + "…"
