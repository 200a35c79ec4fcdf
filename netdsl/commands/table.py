"""Prints the results of `check`: a table and totals for each net, or one line for each."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from netdsl.analysis.figures import PARALLEL, figure, totals
from netdsl.analysis.sizes import example_inputs, example_of
from netdsl.commands.common import UsageError
from netdsl.commands.output import say, say_styled
from netdsl.draw.columns import WIDEST, RowName, Table, TableLine, laid_out, wrapped
from netdsl.draw.rows import HEADS, Choice, number_in
from netdsl.draw.table import (
    AT,
    at_sizes,
    explained,
    flat_lines,
    layer_table,
    left_out,
    longest,
    size_at,
    total_lines,
)
from netdsl.ir.types import Sym
from netdsl.render import output_width

if TYPE_CHECKING:
    import argparse

    from netdsl.analysis.summary import Summary
    from netdsl.checking import Checked
    from netdsl.ir.graph import Graph


LONG = 100  # lines, after which a terminal gets a hint at shorter tables


def print_nets(checked: list[Checked], arguments: argparse.Namespace) -> None:
    """Print the table of each net that has no errors; with depth 0, one line for each."""
    valid = [c for c in checked if c.summary is not None]
    width = output_width()
    if arguments.side_by_side:
        # Errors are reported below, and are why there is only one net.
        if len(valid) == len(checked) and not (len(valid) < 2 <= len(arguments.files)):
            _print_side_by_side(valid, width)
        return
    if valid and arguments.depth == 0:
        nets = by_size(labelled(valid), arguments.sort)
        _print_overview(nets, width, arguments.sort)
        return
    rows = 0
    for i, item in enumerate(valid):
        if i:
            say("")
        rows += _print_net(width, item, arguments)
    if width is not None and rows > LONG and arguments.depth is None:
        say("")
        _print_notes([_shorter(valid)], width)


def _shorter(nets: list[Checked]) -> str:
    """How to print less than long tables."""
    if len(nets) > 1:
        return "--depth 0 prints one line for each net, --depth 1 one for each block"
    return "--depth 1 prints one line for each block"


def _print_side_by_side(valid: list[Checked], width: int | None) -> None:
    """Print the layers of nets beside each other."""
    from netdsl.draw.side_by_side import MOST_LAYERS, side_by_side  # few tables are like this

    nets = [(label, summary.graph) for label, summary in labelled(valid)]
    long = [label for label, graph in nets if len(graph.nodes) > MOST_LAYERS]
    if long:
        raise UsageError(f"--side-by-side compares nets of up to {MOST_LAYERS} layers: {long[0]}")
    if len(nets) < 2:
        raise UsageError("--side-by-side compares nets: name a file with several, or several nets")
    for line in side_by_side(nets, width):
        say(line)


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


def _print_overview(nets: list[tuple[str, Summary]], width: int | None, sort: str) -> None:
    shown = laid_out(overview(nets, WIDEST), width)
    _print_lines(shown)
    notes = []
    formulas = left_out([line.text for line in shown])
    if formulas:
        way = "--csv prints them, --input SIZES gives numbers"
        notes.append(f"{formulas}: formulas that do not fit here; {way}")
    if sort:
        values = [getattr(summary.totals, sort) for _, summary in nets]
        notes += _sizes_of_order(sort, values)
    if notes:
        say("")
        _print_notes(notes, width)


def overview(nets: list[tuple[str, Summary]], longest: int | None = None) -> Table:
    """The table with one line for each net; `longest` limits the characters of a formula."""

    def cells(most: int | None) -> list[list[str]]:
        return [_figures(summary, longest if most is None else most) for _, summary in nets]

    names = [RowName(label) for label, _ in nets]
    heads = ["net", "output", "params", "MACs", "depth"]
    return Table(heads, 2, names, cells, [], [""] * len(names))


def _figures(summary: Summary, most: int | None) -> list[str]:
    t = summary.totals
    macs = summary.macs_of_multiples()
    if not macs or (most is not None and len(macs) > most):
        macs = figure(t.macs, most)
    if summary.uncounted:
        macs = f"≥ {macs}"
    return [outputs_of(summary), figure(t.params), macs, figure(t.depth)]


def outputs_of(summary: Summary) -> str:
    """The sizes of a net's outputs."""
    return ", ".join(str(output.value.type) for output in summary.graph.outputs)


def _print_lines(lines: list[TableLine]) -> None:
    for line in lines:
        say_styled((line.text, line.style))


def _print_net(width: int | None, item: Checked, arguments: argparse.Namespace) -> int:
    """Print the table of a net, and return its number of lines."""
    summary, choice = item.summary, choice_of(arguments)
    assert summary is not None
    lines_of = flat_lines
    if _is_tree(arguments):
        from netdsl.draw.tree import tree_lines as lines_of  # files and pipes get flat tables
    rows = lines_of(summary, choice)
    order = []
    if choice.sort:
        order = _sizes_of_order(choice.sort, [number_in(line.row, choice.sort) for line in rows])
    if order and width is not None:
        rows, order = (
            at_sizes(rows, choice.sort, summary.graph.symbols),
            [f"{order[0]}, as printed"],
        )
    example = None if width is None else example_of(summary.graph)
    shown = layer_table(rows, choice, width, example)
    units = "units" in choice.wanted
    lines = totals(
        summary,
        item.proven,
        item.asked,
        deferred=item.deferred,
        units=units,
        most=longest(width),
        example=example,
    )
    lines += _unchecked(item, arguments)
    texts = [line.text for line in shown]
    notes = explained(texts, example)
    notes += _left_out([*texts, *(text for _, text in lines)], summary.graph)
    notes += order
    _print_heading(item.label, summary.graph, width)
    _print_notes(notes, width)
    _print_lines(shown)
    say("")
    for label, text in total_lines(lines, width):
        say_styled((label, "bold"), (text, ""))
    if PARALLEL in arguments.show and item.compiled is not None:
        from netdsl.commands.parallel import print_parallel  # few tables have these figures

        print_parallel(item.compiled, arguments, width)
    return len(shown)


def _print_heading(label: str, graph: Graph, width: int | None) -> None:
    """Print the name of a net and its inputs."""
    inputs = ", ".join(f"{v.name} {v.type}" for v in graph.inputs)
    first, *others = wrapped(inputs, width and width - len(label) - 2, ", ")
    say_styled((label, "bold"), (f"  {first}", ""))
    say(*(" " * (len(label) + 2) + other for other in others))


def _print_notes(notes: list[str], width: int | None) -> None:
    for note in notes:
        say(*wrapped(note, width, "; ", " "))


def _unchecked(item: Checked, arguments: argparse.Namespace) -> list[tuple[str, str]]:
    """A line of the totals that tells why the `expect` lines of a net were not checked."""
    options = (("--input", arguments.input), ("-D", arguments.define))
    given = [option for option, values in options if values]
    if not given or item.compiled is None or not item.compiled.expects:
        return []
    changes = "changes" if len(given) == 1 else "change"
    return [("expect", f"not checked, because {' and '.join(given)} {changes} the net")]


def _left_out(texts: list[str], graph: Graph) -> list[str]:
    """A line that explains `f(H, W)` and how to get numbers, if a table contains it."""
    formulas = left_out(texts)
    if not formulas:
        return []
    return [f"{formulas}: formulas that do not fit here; {example_inputs(graph)} gives numbers"]


def _sizes_of_order(column: str, values: list[int | Sym]) -> list[str]:
    """A line that names the sizes for which rows are sorted, if a figure depends on them."""
    symbols = {s for value in values if isinstance(value, Sym) for s in value.symbols()}
    if not symbols:
        return []
    sizes = " = ".join([*sorted(symbols), str(AT)])
    return [f"sorted by {HEADS.get(column, column)} for {sizes}"]
