"""The layer table as text, for a terminal, a file or a notebook."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from netdsl.analysis.figures import MAX_FORMULA, SHOW, totals
from netdsl.analysis.sizes import example_of
from netdsl.draw.columns import STAR, RowName, Table, TableLine, laid_out, wrapped
from netdsl.draw.rows import (
    HEADS,
    WORDS,
    Choice,
    ShownRow,
    cell,
    has_formula,
    number_in,
    with_sizes,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netdsl.analysis.sizes import ExampleSizes
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
    example = None if width is None else example_of(summary.graph)
    texts = [line.text for line in layer_table(lines, choice, width, example)]
    shown = total_lines(totals(summary, most=longest(width), example=example), width)
    notes = explained(texts, example)
    formulas = left_out([*texts, *(text for _, text in shown)])
    if formulas:
        notes.append(f"{formulas}: formulas that do not fit here")
    notes = [line for note in notes for line in wrapped(note, width, "; ", " ")]
    texts = [*notes, *texts, "", *(label + text for label, text in shown)]
    return "".join(f"{text}\n" for text in texts)


def layer_table(
    lines: list[ShownRow], choice: Choice, width: int | None, example: ExampleSizes | None = None
) -> list[TableLine]:
    """The table with these lines; without a `width`, it is as wide as its rows.

    Where the formulas of a column do not fit, the column has its numbers for the sizes of an
    `example`: they can be compared, and a formula that is cut off says nothing. Without an example
    they become `f(H, W)`.
    """
    return laid_out(_table(lines, filled(lines, choice), example), width)


def explained(texts: list[str], example: ExampleSizes | None) -> list[str]:
    """A line that explains the star after the heads of a table, if it has one."""
    if example is None or not any(word.endswith(STAR) for text in texts for word in text.split()):
        return []
    return [f"{STAR} for {example.inputs}: the formulas do not fit here; a file or a pipe has them"]


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


def _table(
    lines: list[ShownRow], columns: tuple[str, ...], example: ExampleSizes | None = None
) -> Table:
    shown = [column for column in columns if column != "from"]

    def marks(most: int | None) -> list[bool]:
        if example is None:
            return [False for _ in shown]
        return [any(has_formula(line.row, column, most) for line in lines) for column in shown]

    def cells(most: int | None) -> list[list[str]]:
        made = []
        for column, is_marked in zip(shown, marks(most), strict=True):
            sizes = example.sizes if is_marked and example is not None else None
            rows = [line.row if sizes is None else with_sizes(line.row, sizes) for line in lines]
            made.append([cell(row, column, most) for row in rows])
        return [list(row) for row in zip(*made, strict=True)] or [[] for _ in lines]

    notes = []
    if "from" in columns:
        notes = [", ".join(line.sources) for line in lines]
    return Table(
        ["layer", *(HEADS.get(column, column) for column in shown)],
        1 + sum(column in WORDS for column in shown),
        [RowName(line.name, line.indent, line.group) for line in lines],
        cells,
        notes,
        [line.style for line in lines],
        max(sum(column in SHOW for column in shown), 1),
        marks,
    )
