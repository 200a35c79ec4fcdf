"""The layer table as text, for a terminal, a file or a notebook."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from netdsl.analysis.figures import MAX_FORMULA, SHOW, totals
from netdsl.draw.columns import RowName, Table, TableLine, laid_out, wrapped
from netdsl.draw.rows import HEADS, WORDS, Choice, ShownRow, cell, number_in

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netdsl.analysis.summary import Row, Summary
    from netdsl.ir.types import Sym

LABEL = 16  # columns of the labels of totals
AT = 224  # formulas are compared at this size


def table_text(summary: Summary, depth: int | None = None) -> str:
    """The table and the totals as plain text, with nothing left out, however wide they are."""
    choice = Choice(depth=depth)
    return text_of(summary, flat_lines(summary, choice), choice, None)


def text_of(summary: Summary, lines: list[ShownRow], choice: Choice, width: int | None) -> str:
    """The lines of a table and the totals as plain text."""
    texts = [line.text for line in layer_table(lines, choice, width)]
    shown = total_lines(totals(summary, most=longest(width)), width)
    formulas = left_out([*texts, *(text for _, text in shown)])
    if formulas:
        texts.insert(0, f"{formulas}: formulas that do not fit here")
    texts += ["", *(label + text for label, text in shown)]
    return "".join(f"{text}\n" for text in texts)


def layer_table(lines: list[ShownRow], choice: Choice, width: int | None) -> list[TableLine]:
    """The table with these lines; without a `width`, it is as wide as its rows."""
    return laid_out(_table(lines, filled(lines, choice)), width)


def longest(width: int | None) -> int | None:
    """The most characters of a formula in the totals: no limit without a `width`."""
    return None if width is None else MAX_FORMULA


def total_lines(lines: list[tuple[str, str]], width: int | None) -> list[tuple[str, str]]:
    """The totals with labels of the same width; long texts are broken to fit into `width`."""
    made = []
    for label, text in lines:
        first, *others = wrapped(text, width and width - LABEL, ", ", " ")
        made += [(f"{label:<{LABEL}}", first), *((" " * LABEL, other) for other in others)]
    return made


def flat_lines(summary: Summary, choice: Choice) -> list[ShownRow]:
    """The lines of a table with one row for each layer, or for each part at `choice.depth`."""
    rows = summary.rows(choice.depth, choice.only, field="field" in choice.wanted)
    if choice.sort:
        rows = largest_first(rows, choice.sort, summary.graph.symbols)
    inputs = summary.graph.inputs
    return lines_of(rows, (inputs[0].name,) if len(inputs) == 1 else ())


def lines_of(rows: Iterable[Row], above: tuple[str, ...] = ()) -> list[ShownRow]:
    """Rows as lines of a table; `above` is what the first row takes if it is the line above it."""
    lines: list[ShownRow] = []
    for row in rows:
        sources = () if row.sources == above else row.sources
        lines.append(ShownRow(row.name, row, sources, style="dim" if row.aux else ""))
        above = (row.name,)
    return lines


def largest_first(rows: list[Row], column: str, symbols: list[str]) -> list[Row]:
    """The rows sorted by a column. Formulas are compared for sizes of `AT`."""
    return sorted(rows, key=lambda row: size_at(number_in(row, column), symbols), reverse=True)


def at_sizes(lines: list[ShownRow], column: str, symbols: list[str]) -> list[ShownRow]:
    """The lines with the numbers by which they are sorted, where these depend on open sizes."""
    field = "bytes" if column == "memory" else column

    def numbered(row: Row) -> Row:
        number: dict[str, Any] = {field: size_at(number_in(row, column), symbols)}
        return row._replace(**number)

    return [line._replace(row=numbered(line.row)) for line in lines]


def left_out(texts: list[str]) -> str:
    """What replaces formulas in a table and its totals: `f(H, W)`, or `f(H, W), f(T)`."""
    found = {name for text in texts for name in re.findall(r"(?<!\S)f\([\w, ]+\)", text)}
    return ", ".join(sorted(found))


def size_at(value: int | Sym, symbols: list[str]) -> int:
    """A figure for sizes of `AT`."""
    return value if isinstance(value, int) else value.at(dict.fromkeys(symbols, AT))


def filled(lines: list[ShownRow], choice: Choice) -> tuple[str, ...]:
    """The columns of a table. Only those that were asked for may be empty."""
    empty = set()
    if not choice.columns:
        if not any(line.row.window for line in lines):
            empty.add("window")
        if not any(line.sources for line in lines):
            empty.add("from")
    return tuple(column for column in choice.wanted if column not in empty)


def _table(lines: list[ShownRow], columns: tuple[str, ...]) -> Table:
    shown = [column for column in columns if column != "from"]
    notes = []
    if "from" in columns:
        notes = [", ".join(line.sources) for line in lines]
    return Table(
        ["layer", *(HEADS.get(column, column) for column in shown)],
        1 + sum(column in WORDS for column in shown),
        [RowName(line.name, line.indent, line.group) for line in lines],
        lambda most: [[cell(line.row, column, most) for column in shown] for line in lines],
        notes,
        [line.style for line in lines],
        max(sum(column in SHOW for column in shown), 1),
    )
