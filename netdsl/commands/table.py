"""What `check` prints on the terminal: the table and the totals of each net, or one line for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from netdsl.analysis.figures import SHOW, USUAL, figure, totals
from netdsl.backends.table import layer_table, table_of
from netdsl.commands.consoles import console

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

    from netdsl.commands.check import Checked


def print_nets(checked: list[Checked], arguments: argparse.Namespace) -> None:
    """Print the table of each net; with depth 0 one line for each."""
    out = console()
    good = [c for c in checked if c.summary is not None]
    if arguments.depth == 0:
        out.print(_overview(good, out.width), soft_wrap=True)
        return
    for i, item in enumerate(good):
        if i:
            out.print()
        _print_net(out, item, arguments)


def _overview(checked: list[Checked], width: int) -> Text:
    rows = []
    for item in checked:
        summary = item.summary
        assert summary is not None
        outputs = ", ".join(str(o.value.type) for o in summary.graph.outputs)
        t = summary.totals
        rows.append([item.name, outputs, figure(t.params), summary.macs_of_multiples().partition(" for ")[0] or figure(t.macs), figure(t.depth)])
    return table_of(["net", "output", "params", "MACs", "depth"], rows, right=2, width=width)


def _print_net(out: Console, item: Checked, arguments: argparse.Namespace) -> None:
    summary = item.summary
    assert summary is not None
    inputs = ", ".join(f"{v.name} {v.type}" for v in summary.graph.inputs)
    out.print(Text.assemble((item.name, "bold"), f"  {inputs}"), soft_wrap=True)
    columns = arguments.columns or (*USUAL, *(c for c in SHOW if c in arguments.show))
    out.print(layer_table(summary, out.width, arguments.depth, columns, arguments.only), soft_wrap=True)
    out.print()
    for label, text in totals(summary, item.proven, item.asked, units="units" in columns):
        out.print(Text.assemble((f"{label:<16}", "bold"), text), soft_wrap=True)
