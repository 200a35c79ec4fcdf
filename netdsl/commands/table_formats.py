"""Prints the layer table as CSV, for programs, and as Markdown, for documents."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from netdsl.commands.output import say
from netdsl.commands.table import by_size, choice_of, outputs_of, overview
from netdsl.draw.rows import HEADS, WORDS, cell, raw_cell
from netdsl.draw.table import filled, flat_lines

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from netdsl.analysis.summary import Row, Summary
    from netdsl.commands.checked import Checked
    from netdsl.draw.rows import Choice, ShownRow


def print_nets(checked: list[Checked], arguments: argparse.Namespace) -> None:
    """Print the tables of nets without errors; with depth 0, one table of all nets."""
    summaries = [c.summary for c in checked if c.summary is not None]
    if not summaries:
        return
    choice = choice_of(arguments)
    if arguments.depth == 0:
        summaries = by_size(summaries, arguments.sort)
    match arguments.csv, arguments.depth == 0:
        case True, True:
            _say_csv(_csv_overview(summaries))
        case True, False:
            _say_csv(_csv_rows(summaries, choice))
        case False, True:
            table = overview(summaries)
            rows = [[n.text, *r] for n, r in zip(table.names, table.cells(None), strict=True)]
            _say_markdown([table.heads, *rows], table.right)
        case False, False:
            _print_markdown(summaries, choice)


def _csv_rows(summaries: list[Summary], choice: Choice) -> list[list[str]]:
    """The tables as one. If there are several nets, the first column is the name of the net."""
    tables = [(summary.graph.name, flat_lines(summary, choice)) for summary in summaries]
    columns = filled([line for _, lines in tables for line in lines], choice)
    rows = [["net", "layer", *columns]]
    for name, lines in tables:
        rows += [[name, *_cells(line, columns, raw_cell)] for line in lines]
    if len(tables) == 1:
        return [row[1:] for row in rows]
    return rows


def _csv_overview(summaries: list[Summary]) -> list[list[str]]:
    """One row for each net."""
    rows = [["net", "output", "params", "macs", "depth"]]
    for summary in summaries:
        t = summary.totals
        figures = [str(t.params), str(t.macs), str(t.depth)]
        rows.append([summary.graph.name, outputs_of(summary), *figures])
    return rows


def _say_csv(rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    say(*text.getvalue().splitlines())


def _print_markdown(summaries: list[Summary], choice: Choice) -> None:
    """Print the table of each net; if there are several, each has a heading."""
    for number, summary in enumerate(summaries):
        if number:
            say("")
        if len(summaries) > 1:
            say(f"### {summary.graph.name}", "")
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
        say(f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |")
