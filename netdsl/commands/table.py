"""The layer table of `check` for the terminal."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from netdsl.ir.types import Sym, compact, shape_text

if TYPE_CHECKING:
    import argparse

    from netdsl.analysis.summary import Row, Summary
    from netdsl.commands.check import Checked

SHOW = ("weights", "units", "memory", "field")
NARROW = 80
MAX_FORMULA = 28


def console() -> Console:
    """Standard output as rich sees it: the terminal's width, 80 columns elsewhere unless COLUMNS says otherwise."""
    width = None if sys.stdout.isatty() or os.environ.get("COLUMNS") else NARROW
    return Console(width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)


def print_nets(checked: list[Checked], arguments: argparse.Namespace) -> None:
    """Print the table of each net; with depth 0 one line for each."""
    out = console()
    good = [c for c in checked if c.summary is not None]
    if arguments.depth == 0:
        out.print(_overview(good))
        return
    for i, item in enumerate(good):
        if i:
            out.print()
        _print_net(out, item, arguments)


def _overview(checked: list[Checked]) -> Table:
    table = Table("net", "output", Column("params", justify="right"), Column("MACs", justify="right"), Column("depth", justify="right"), box=SIMPLE_HEAD, pad_edge=False)
    for item in checked:
        summary = item.summary
        assert summary is not None
        outputs = ", ".join(str(o.value.type) for o in summary.graph.outputs)
        table.add_row(Text(item.name), Text(outputs), figure(summary.totals.params), figure(summary.totals.macs), figure(summary.totals.depth))
    return table


def _print_net(out: Console, item: Checked, arguments: argparse.Namespace) -> None:
    summary = item.summary
    assert summary is not None
    inputs = ", ".join(f"{v.name} {v.type}" for v in summary.graph.inputs)
    out.print(Text.assemble((item.name, "bold"), f"  {inputs}"), soft_wrap=True)
    table = Table("layer", "kind", "output", Column("params", justify="right"), Column("MACs", justify="right"), box=SIMPLE_HEAD, pad_edge=False)
    shown = [c for c in SHOW if c in arguments.show]
    for column in shown:
        table.add_column(column, justify="right")
    for row in summary.rows(arguments.depth):
        extra = [_extra(row, c) for c in shown]
        name = Text(row.name, style="dim" if row.aux else "")
        table.add_row(name, row.kind, shape_text(row.shape), figure(row.params), figure(row.macs), *extra)
    out.print(table)
    for label, text in _totals(summary, item):
        out.print(Text.assemble((f"{label:<16}", "bold"), text), soft_wrap=True)


def _extra(row: Row, column: str) -> str:
    match column:
        case "weights":
            return figure(row.weights)
        case "units":
            return figure(row.units)
        case "memory":
            return memory(row.bytes)
    return "x".join(figure(d) for d in row.field)


def _totals(summary: Summary, item: Checked) -> list[tuple[str, str]]:
    t = summary.totals
    frozen = f" ({t.params - t.trainable:,} frozen)" if t.trainable != t.params else ""
    lines = [("params", f"{t.params:,}{frozen}"), ("MACs", long_figure(t.macs))]
    simple = summary.macs_of_multiples()
    if simple:
        lines[-1] = ("MACs", simple)
    if summary.aux_params:
        lines.append(("auxiliary heads", f"{summary.aux_params:,} params, in training only"))
    lines.append(("weights", f"{t.weights:,} in {t.depth} layers deep"))
    lines.append(("memory", f"{memory(4 * t.params)} params, {memory(t.activation_bytes)} activations, {memory(t.peak_bytes)} at the peak"))
    if summary.valid_for:
        lines.append(("valid for", summary.valid_for))
    if item.proven:
        lines.append(("expect", f"{item.proven} of {item.proven} hold"))
    return lines


def figure(value: int | Sym) -> str:
    """A figure for a table cell: thousands separated; a dash for none; long formulas cut short."""
    if isinstance(value, Sym):
        text = compact(value)
        return text if len(text) <= MAX_FORMULA else f"f({', '.join(sorted(value.symbols()))})"
    return f"{value:,}" if value else "-"


def long_figure(value: int | Sym) -> str:
    """A figure with its formula in full."""
    return compact(value) if isinstance(value, Sym) else f"{value:,}"


def memory(value: int | Sym) -> str:
    """Bytes in units that people read."""
    if isinstance(value, Sym):
        return f"{figure(value)} B" if len(compact(value)) <= MAX_FORMULA else figure(value)
    size = float(value)
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return ""
