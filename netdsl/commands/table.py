"""Prints the results of `check`: a table and totals for each net, or one line for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.analysis.figures import SHOW, USUAL, figure, totals
from netdsl.commands.common import terminal_width
from netdsl.commands.output import say, say_styled
from netdsl.draw.table import TableLine, layer_table, table_of

if TYPE_CHECKING:
    import argparse

    from netdsl.commands.checked import Checked


def print_nets(checked: list[Checked], arguments: argparse.Namespace) -> None:
    """Print the table of each net that has no errors; with depth 0, one line for each."""
    width = terminal_width()
    valid = [c for c in checked if c.summary is not None]
    if arguments.depth == 0:
        print_overview(checked)
        return
    for i, item in enumerate(valid):
        if i:
            say("")
        _print_net(width, item, arguments)


def print_overview(checked: list[Checked]) -> None:
    """Print one line for each net that has no errors."""
    valid = [c for c in checked if c.summary is not None]
    if valid:
        _print_lines(_overview(valid, terminal_width()))


def _print_lines(lines: list[TableLine]) -> None:
    for line in lines:
        say_styled((line.text, line.style))


def _overview(checked: list[Checked], width: int) -> list[TableLine]:
    rows = []
    for item in checked:
        summary = item.summary
        assert summary is not None
        outputs = ", ".join(str(o.value.type) for o in summary.graph.outputs)
        params, depth = figure(summary.totals.params), figure(summary.totals.depth)
        macs = summary.macs_of_multiples().partition(" for ")[0] or figure(summary.totals.macs)
        rows.append([item.label, outputs, params, macs, depth])
    return table_of(["net", "output", "params", "MACs", "depth"], rows, right=2, width=width)


def _print_net(width: int, item: Checked, arguments: argparse.Namespace) -> None:
    summary = item.summary
    assert summary is not None
    inputs = ", ".join(f"{v.name} {v.type}" for v in summary.graph.inputs)
    say_styled((item.label, "bold"), (f"  {inputs}", ""))
    columns = arguments.columns or (*USUAL, *(c for c in SHOW if c in arguments.show))
    _print_lines(layer_table(summary, width, arguments.depth, columns, arguments.only))
    say("")
    for label, text in totals(summary, item.proven, item.asked, units="units" in columns):
        say_styled((f"{label:<16}", "bold"), (text, ""))
