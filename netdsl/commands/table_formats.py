"""Prints the layer table as CSV, for programs, and as Markdown, for documents."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

from netdsl.commands.output import say_always
from netdsl.commands.table import by_size, choice_of, labelled, overview
from netdsl.draw.rows import HEADS, WORDS, cell, raw_cell, raw_shape
from netdsl.draw.table import filled, flat_lines

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from netdsl.analysis.summary import Row, Summary
    from netdsl.checking import Checked
    from netdsl.draw.rows import Choice, ShownRow


def print_nets(checked: list[Checked], arguments: argparse.Namespace) -> None:
    """Print the tables of nets without errors; with depth 0, one table of all nets."""
    nets = labelled(checked)
    if not nets:
        return
    if arguments.depth == 0:
        nets = by_size(nets, arguments.sort)
    match arguments.csv, arguments.depth == 0:
        case True, True:
            _say_csv(_csv_overview(nets))
        case True, False:
            _say_csv(_csv_rows(nets, choice_of(arguments)))
        case False, True:
            table = overview(nets)
            rows = [[n.text, *r] for n, r in zip(table.names, table.cells(None), strict=True)]
            _say_markdown([table.heads, *rows], table.right)
        case False, False:
            _print_markdown(nets, choice_of(arguments))


def _csv_rows(nets: list[tuple[str, Summary]], choice: Choice) -> list[list[str]]:
    """The tables as one, with the same columns for every net; the first is the net's name."""
    tables = [(label, flat_lines(summary, choice)) for label, summary in nets]
    columns = choice.wanted
    rows = [["net", "layer", *columns]]
    for label, lines in tables:
        rows += [[label, *_cells(line, columns, raw_cell)] for line in lines]
    return rows


def _csv_overview(nets: list[tuple[str, Summary]]) -> list[list[str]]:
    """One row for each net."""
    rows = [["net", "output", "params", "macs", "depth"]]
    for label, summary in nets:
        t = summary.totals
        figures = [str(t.params), str(t.macs), str(t.depth)]
        outputs = ", ".join(raw_shape(o.value.type.shape) for o in summary.graph.outputs)
        rows.append([label, outputs, *figures])
    return rows


def _say_csv(rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    say_always(*text.getvalue().splitlines())


def _print_markdown(nets: list[tuple[str, Summary]], choice: Choice) -> None:
    """Print the table of each net; if there are several, each has a heading."""
    for number, (label, summary) in enumerate(nets):
        if number:
            say_always("")
        if len(nets) > 1:
            say_always(f"### {label}", "")
        _print_rows(summary, choice)


def _print_rows(summary: Summary, choice: Choice) -> None:
    lines = flat_lines(summary, choice)
    columns = filled(lines, choice)
    heads = ["layer", *(HEADS.get(column, column) for column in columns)]

    def shown(row: Row, column: str) -> str:
        return cell(row, column, None)

    rows = [_cells(line, columns, shown) for line in lines]
    _say_markdown([heads, *rows], 1 + sum(column in WORDS for column in columns))


def _cells(
    line: ShownRow, columns: tuple[str, ...], text_of: Callable[[Row, str], str]
) -> list[str]:
    """The name of a line, and its cells."""
    cells = [line.name]
    for column in columns:
        if column == "from":
            cells.append(", ".join(line.sources))
        else:
            cells.append(text_of(line.row, column))
    return cells


def _say_markdown(rows: list[list[str]], right: int) -> None:
    """Print a table; the columns from number `right` onwards are figures, except `from`."""
    heads, *others = rows
    rules = []
    for number, head in enumerate(heads):
        rules.append("---" if number < right or head == "from" else "---:")
    for row in [heads, rules, *others]:
        say_always(f"| {' | '.join(map(_escaped, row))} |")


def _escaped(cell: str) -> str:
    """A cell whose signs are not read as Markdown."""
    return re.sub(r"([*_`<\\])", r"\\\1", cell).replace("|", "&#124;")
