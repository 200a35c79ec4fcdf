"""The layer table as text, for a terminal or a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.analysis.figures import USUAL, figure, memory, totals
from netdsl.ir.types import Sym, shape_text
from netdsl.render import cut_to, width_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.analysis.summary import Row, Summary

HEADS = {"macs": "MACs"}  # columns whose head is not their name
NARROW = 80
GAP = 3  # blanks between columns
LEAST = 6  # what a column of names keeps
MANY = 7  # from more columns than that on, one blank stands between them


class TableLine(NamedTuple):
    """A line of a table and its style on a terminal: `bold`, `dim` or plain."""

    text: str
    style: str = ""


def table_text(summary: Summary, depth: int | None = None) -> str:
    """Table and totals as plain text of 80 columns."""
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
    """The rows of a net, of the kinds in `only` where there are any; with more columns than usual,
    figures are shortened where not all fits in full.
    """
    rows = summary.rows(depth, only, field="field" in columns)
    # Names to the left, figures to the right: the order is that of the request otherwise.
    columns = tuple(sorted(columns, key=lambda c: c not in ("kind", "output")))
    heads = ["layer", *(HEADS.get(c, c) for c in columns)]
    right = 1 + sum(c in ("kind", "output") for c in columns)
    cells = _cells(rows, columns, figure)
    if (
        set(columns) - set(USUAL)
        and sum(_widths(heads, cells)) + _gap(len(heads)) * (len(heads) - 1) > width
    ):
        cells = _cells(rows, columns, brief)
    return table_of(
        heads,
        cells,
        right=right,
        width=width,
        dim=frozenset(i for i, r in enumerate(rows) if r.aux),
    )


def _cells(
    rows: list[Row], columns: tuple[str, ...], number: Callable[[int | Sym], str]
) -> list[list[str]]:
    return [[r.name, *(_cell(r, c, number) for c in columns)] for r in rows]


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
    for unit in ("", "K", "M", "G", "T"):
        if size < 1000 or unit == "T":
            return f"{size:.0f}{unit}" if size >= 100 or not unit else f"{size:.3g}{unit}"
        size /= 1000
    return ""


def table_of(
    heads: list[str],
    rows: list[list[str]],
    *,
    right: int,
    width: int,
    dim: frozenset[int] = frozenset(),
) -> list[TableLine]:
    """A table whose columns from `right` on are figures; the rows numbered in `dim` are drawn dim.

    The lines are laid out here: rich's own table takes a tenth of a millisecond for each, which is
    felt at some thousand rows.
    """
    gap = _gap(len(heads))
    rows = _fitted(heads, rows, right, width - gap * (len(heads) - 1))
    widths = _widths(heads, rows)
    head, *lines = [
        (" " * gap)
        .join(_pad(c, w, left=i >= right) for i, (c, w) in enumerate(zip(r, widths, strict=True)))
        .rstrip()
        for r in [heads, *rows]
    ]
    rule = "─" * (sum(widths) + gap * (len(heads) - 1))
    body = [TableLine(line, "dim" if number in dim else "") for number, line in enumerate(lines)]
    return [TableLine(head, "bold"), TableLine(rule), *body]


def _pad(text: str, width: int, *, left: bool) -> str:
    blanks = " " * (width - width_of(text))
    return blanks + text if left else text + blanks


def _gap(columns: int) -> int:
    return 1 if columns > MANY else GAP


def _widths(heads: list[str], rows: list[list[str]]) -> list[int]:
    return [max(map(width_of, column)) for column in zip(heads, *rows, strict=True)]


def _fitted(heads: list[str], rows: list[list[str]], right: int, width: int) -> list[list[str]]:
    """The cells cut so that the table fits: the widest column of names or formulas first, figures
    never.
    """
    widths = _widths(heads, rows)
    while sum(widths) > width:
        widest = max(range(right), key=widths.__getitem__)
        if widths[widest] <= LEAST:
            break
        widths[widest] -= 1
    return [
        [
            c if width_of(c) <= w or i >= right else cut_to(c, w - 1) + "…"
            for i, (c, w) in enumerate(zip(r, widths, strict=True))
        ]
        for r in rows
    ]
