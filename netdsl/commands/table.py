"""Prints the results of `check`: a table and totals for each net, or one line for each."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from netdsl.analysis.figures import figure, totals
from netdsl.commands.output import say, say_styled
from netdsl.draw.columns import RowName, Table, TableLine, laid_out, wrapped
from netdsl.draw.rows import Choice
from netdsl.draw.table import flat_lines, layer_table, longest, size_at, total_lines
from netdsl.render import output_width

if TYPE_CHECKING:
    import argparse

    from netdsl.analysis.summary import Summary
    from netdsl.commands.checked import Checked


def print_nets(checked: list[Checked], arguments: argparse.Namespace) -> None:
    """Print the table of each net that has no errors; with depth 0, one line for each."""
    valid = [c for c in checked if c.summary is not None]
    width = output_width()
    if valid and arguments.depth == 0:
        nets = by_size(labelled(valid), arguments.sort)
        _print_lines(laid_out(overview(nets), width))
        return
    for i, item in enumerate(valid):
        if i:
            say("")
        _print_net(width, item, arguments)


def labelled(checked: list[Checked]) -> list[tuple[str, Summary]]:
    """The nets without errors, each with its name in tables."""
    return [(c.label, c.summary) for c in checked if c.summary is not None]


def choice_of(arguments: argparse.Namespace) -> Choice:
    """What the tables show."""
    return Choice(
        columns=arguments.columns,
        more=arguments.show,
        depth=arguments.depth,
        only=arguments.only,
        sort=arguments.sort,
    )


def _is_tree(arguments: argparse.Namespace) -> bool:
    """Whether blocks are shown as a tree: on a terminal, unless the options need single rows."""
    others = (arguments.flat, arguments.sort, arguments.only)
    return bool(arguments.tree) or (sys.stdout.isatty() and not any(others))


def by_size(nets: list[tuple[str, Summary]], total: str) -> list[tuple[str, Summary]]:
    """The nets with the largest totals first; without the name of a total, in their order."""
    if not total:
        return nets
    return sorted(
        nets,
        key=lambda net: size_at(getattr(net[1].totals, total), net[1].graph.symbols),
        reverse=True,
    )


def overview(nets: list[tuple[str, Summary]]) -> Table:
    """The table with one line for each net."""

    def cells(most: int | None) -> list[list[str]]:
        return [_figures(summary, most) for _, summary in nets]

    names = [RowName(label) for label, _ in nets]
    heads = ["net", "output", "params", "MACs", "depth"]
    return Table(heads, 2, names, cells, [], [""] * len(names))


def _figures(summary: Summary, most: int | None) -> list[str]:
    t = summary.totals
    macs = summary.macs_of_multiples().partition(" for ")[0]
    if not macs or (most is not None and len(macs) > most):
        macs = figure(t.macs, most)
    return [outputs_of(summary), figure(t.params), macs, figure(t.depth)]


def outputs_of(summary: Summary) -> str:
    """The sizes of a net's outputs."""
    return ", ".join(str(output.value.type) for output in summary.graph.outputs)


def _print_lines(lines: list[TableLine]) -> None:
    for line in lines:
        say_styled((line.text, line.style))


def _print_net(width: int | None, item: Checked, arguments: argparse.Namespace) -> None:
    summary, choice = item.summary, choice_of(arguments)
    assert summary is not None
    lines_of = flat_lines
    if _is_tree(arguments):
        from netdsl.draw.tree import tree_lines as lines_of  # files and pipes get flat tables
    inputs = ", ".join(f"{v.name} {v.type}" for v in summary.graph.inputs)
    first, *others = wrapped(inputs, width and width - len(item.label) - 2, ", ")
    say_styled((item.label, "bold"), (f"  {first}", ""))
    say(*(" " * (len(item.label) + 2) + other for other in others))
    shown = layer_table(lines_of(summary, choice), choice, width)
    _print_lines(shown)
    say("")
    units = "units" in choice.wanted
    lines = totals(summary, item.proven, item.asked, units=units, most=longest(width))
    if width is not None:
        lines += _left_out([line.text for line in shown])
    for label, text in total_lines(lines, width):
        say_styled((label, "bold"), (text, ""))


def _left_out(texts: list[str]) -> list[tuple[str, str]]:
    """A line that explains `f(H, W)`, if a table contains it."""
    for text in texts:
        found = re.search(r"(?<!\S)f\([\w, ]+\)", text)
        if found is not None:
            return [(found[0], "formulas that do not fit here; --input SIZES gives numbers")]
    return []
