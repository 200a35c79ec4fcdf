"""What the layer table shows: its columns, its lines, and the cells of a line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from netdsl.analysis.figures import FIGURES, SHOW, USUAL, figure, is_long, memory
from netdsl.ir.types import Sym, shape_text, subs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netdsl.analysis.summary import Row

WORDS = ("kind", "window", "output")  # columns of text, which are to the left of the figures
_FACTOR = re.compile(r"\w+|floor\([^*]*\)")
LONGEST_NAME = 16  # characters of a shared weight in a cell
HEADS = {"macs": "MACs"}  # heads that differ from the names of their columns


class Choice(NamedTuple):
    """What a table shows: which rows, in which order, and which columns.

    Without `columns`, these are the usual columns and those of `more`. `depth` and `only` are as in
    `Summary.rows`. With `sort`, the rows are sorted by that column, the largest first.
    """

    columns: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    depth: int | None = None
    only: tuple[str, ...] = ()
    sort: str = ""

    @property
    def wanted(self) -> tuple[str, ...]:
        """The columns in the order of the table, before empty ones are left out."""
        columns = self.columns or (*USUAL, *(c for c in SHOW if c in self.more))
        if self.sort:
            columns = (*columns, self.sort)
        if not self.columns and (self.sort or self.only):
            # The line above is another one than in the net, so every row would have an entry.
            columns = tuple(column for column in columns if column != "from")
        return arranged(columns)


class ShownRow(NamedTuple):
    """A line of the table, before it is laid out.

    `sources` are the names of what the row takes, unless this is the line above. Only lines of the
    same `group` need different names.
    """

    name: str
    row: Row
    sources: tuple[str, ...]
    indent: int = 0
    group: str = ""
    style: str = ""


def arranged(columns: tuple[str, ...]) -> tuple[str, ...]:
    """The columns in the order of a table: words, figures, and what a row takes.

    Apart from that, the order is that of the request.
    """
    return tuple(sorted(dict.fromkeys(columns), key=_place))


def _place(column: str) -> int:
    if column in WORDS:
        return 0
    return 1 + (column == "from")


def cell(row: Row, column: str, most: int | None) -> str:
    """The text of a cell, with a formula of at most `most` characters."""
    match column:
        case "kind":
            return row.operation or row.kind
        case "params" if row.shares:
            return _shared(row)
        case "window":
            return row.window
        case "output":
            return output_text(row)
        case "memory":
            return memory(row.bytes, most)
        case "field":
            return shape_text(row.field) if row.field else "-"
    text = figure(number_in(row, column), most)
    if column == "macs" and row.at_least:
        return f"≥ {text}" if row.macs else "?"
    return text


def has_formula(row: Row, column: str, most: int | None) -> bool:
    """Whether a cell needs a formula of more than `most` characters.

    A shape is short enough as long as `most` is not negative.
    """
    if column in FIGURES:
        return is_long(number_in(row, column), most)
    if column != "output" or most is None or most >= 0:
        return False
    shapes = (row.shape, *(shape for _, shape in row.results))
    return any(isinstance(size, Sym) for shape in shapes for size in shape)


def with_sizes(row: Row, sizes: Mapping[str, int]) -> Row:
    """The row with its shapes and figures for sizes of the open axes."""

    def shape_at(shape: tuple[int | Sym, ...]) -> tuple[int | Sym, ...]:
        return tuple(subs(size, sizes) for size in shape)

    return row._replace(
        shape=shape_at(row.shape),
        results=tuple((name, shape_at(shape)) for name, shape in row.results),
        macs=subs(row.macs, sizes),
        units=subs(row.units, sizes),
        bytes=subs(row.bytes, sizes),
    )


def _shared(row: Row) -> str:
    """The params of a layer that uses a weight of another one: that weight, and its own."""
    name = ".".join(row.shares[0].split(".")[-2:])
    if len(name) > LONGEST_NAME or len(row.shares) > 1:
        name = "shared"
    return f"{row.params:,} + {name}" if row.params else name


def output_text(row: Row) -> str:
    """The shape of a row's result, and those of its further results: `10x64, h: 64`."""
    further = [f"{name}: {shape_text(shape)}" for name, shape in row.results]
    return ", ".join([shape_text(row.shape), *further])


def number_in(row: Row, column: str) -> int | Sym:
    """The number in a column of figures."""
    value: int | Sym = getattr(row, "bytes" if column == "memory" else column)
    return value


def raw_cell(row: Row, column: str) -> str:
    """The text of a cell for programs: numbers without commas, whole formulas, bytes."""
    if column == "macs" and row.at_least and not row.macs:
        return ""
    if column in FIGURES:
        return str(number_in(row, column))
    if column == "kind":
        return row.kind
    if column == "output":
        shapes = [("", row.shape), *((f"{name}: ", shape) for name, shape in row.results)]
        return ", ".join(name + raw_shape(shape) for name, shape in shapes)
    return cell(row, column, None)


def raw_shape(shape: tuple[int | Sym, ...]) -> str:
    """A shape for programs, with formulas as JSON has them: `8xfloor((H + 1) / 2)`."""
    sizes = [str(size) for size in shape]
    return "x".join(s if _FACTOR.fullmatch(s) else f"({s})" for s in sizes) or "scalar"
