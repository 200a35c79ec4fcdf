"""What `check` prints on the terminal: the table and the totals of each net, or one line for each."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from netdsl.analysis.figures import SHOW, USUAL, figure, totals
from netdsl.backends.table import Line, layer_table, table_of
from netdsl.commands.common import terminal_width, use_colour

if TYPE_CHECKING:
    import argparse

    from netdsl.commands.check import Checked

_STYLES = {"bold": "\x1b[1m", "dim": "\x1b[2m"}


def print_nets(checked: list[Checked], arguments: argparse.Namespace) -> None:
    """Print the table of each net; with depth 0 one line for each."""
    width = terminal_width()
    good = [c for c in checked if c.summary is not None]
    if arguments.depth == 0:
        _print_lines(_overview(good, width))
        return
    for i, item in enumerate(good):
        if i:
            print()
        _print_net(width, item, arguments)


def _print_lines(lines: list[Line]) -> None:
    for line in lines:
        print(_painted(line.text, line.style))


def _painted(text: str, style: str) -> str:
    return f"{_STYLES[style]}{text}\x1b[0m" if style and use_colour(sys.stdout) else text


def _overview(checked: list[Checked], width: int) -> list[Line]:
    rows = []
    for item in checked:
        summary = item.summary
        assert summary is not None
        outputs = ", ".join(str(o.value.type) for o in summary.graph.outputs)
        t = summary.totals
        rows.append([item.name, outputs, figure(t.params), summary.macs_of_multiples().partition(" for ")[0] or figure(t.macs), figure(t.depth)])
    return table_of(["net", "output", "params", "MACs", "depth"], rows, right=2, width=width)


def _print_net(width: int, item: Checked, arguments: argparse.Namespace) -> None:
    summary = item.summary
    assert summary is not None
    inputs = ", ".join(f"{v.name} {v.type}" for v in summary.graph.inputs)
    print(f"{_painted(item.name, 'bold')}  {inputs}")
    columns = arguments.columns or (*USUAL, *(c for c in SHOW if c in arguments.show))
    _print_lines(layer_table(summary, width, arguments.depth, columns, arguments.only))
    print()
    for label, text in totals(summary, item.proven, item.asked, units="units" in columns):
        print(_painted(f"{label:<16}", "bold") + text)
