"""`netdsl nets`: lists the shipped library with its figures."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from netdsl.analysis.conditions import conditions
from netdsl.analysis.figures import figure
from netdsl.analysis.sizes import USUAL
from netdsl.commands.common import print_diagnostics
from netdsl.commands.consoles import listing
from netdsl.commands.output import say_always, say_json
from netdsl.driver import compile_net, open_program
from netdsl.errors import NetdslError
from netdsl.ir.types import subs
from netdsl.library import library_names
from netdsl.render import as_json

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

    from rich.console import Console

    from netdsl.diagnostics import Diagnostic
    from netdsl.elaborate.program import Program
    from netdsl.ir.graph import Graph
    from netdsl.ir.types import Sym

NOTE = f"For one sample at inference; sizes that a net leaves open count as {USUAL}."
INDENT = 2  # of the lines below a file
WIDTHS = (36, 14, 18, 4)  # of the columns
NARROW = (11, 14, 4)  # of the figures on a narrow terminal
LEAST = 8  # of the names there
MOST_LINES = 2  # of a citation
_CITED = re.compile(r".*?\b(?:19|20)\d\d\.")
_SENTENCE = re.compile(r".*?\.(?= |$)")
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")


class NetLine(NamedTuple):
    """The figures of one shipped net; `macs` is None if its open sizes cannot be `USUAL`."""

    name: str
    params: int
    macs: int | None
    year: str

    def as_json(self, file: str, cited: str) -> dict[str, object]:
        """The line under the keys of the JSON output."""
        return {
            "name": self.name.rpartition(":")[2],
            "file": file,
            "net": self.name,
            "params": self.params,
            "macs": self.macs,
            "year": int(self.year) if self.year else None,
            "paper": cited,
        }


class Shipped(NamedTuple):
    """The nets of one shipped file."""

    source: str
    cited: str
    lines: list[NetLine]


def run(arguments: argparse.Namespace) -> int:
    """Print the nets of the library, file by file; returns the exit code."""
    diagnostics: list[Diagnostic] = []
    files = _shipped(diagnostics)
    if arguments.format == "json":
        nets = [line.as_json(f.source, f.cited) for f in files for line in f.lines]
        say_json({"nets": nets, "diagnostics": [as_json(d) for d in diagnostics]}, indent=2)
    elif arguments.quiet:
        for file in files:
            say_always(*(line.name for line in file.lines))
        print_diagnostics(diagnostics)
    else:
        _print(listing(), files)
        print_diagnostics(diagnostics)
    return int(bool(diagnostics))


def _shipped(diagnostics: list[Diagnostic]) -> Iterator[Shipped]:
    """The shipped files one by one; the errors of those that are wrong go to `diagnostics`."""
    for name in library_names():
        try:
            program = open_program(name)
            yield Shipped(program.source.name, paper(program) or name, net_lines(name, program))
        except NetdslError as error:
            diagnostics += error.diagnostics


def _print(out: Console, files: Iterable[Shipped]) -> None:
    _print_head(out)
    for file in files:
        _print_file(out, file)
    out.print(Text(NOTE))


def net_lines(file: str, program: Program) -> list[NetLine]:
    """The nets of a shipped file in the order of the file; raises `NetdslError`."""
    lines = []
    for net in program.nets():
        compiled = compile_net(program, net)
        totals = compiled.costs.totals()
        macs = _macs(compiled.graph, totals.macs)
        year = _year(program.module.definitions[net].doc) or _year(paper(program))
        lines.append(NetLine(f"{file}:{net}", totals.params, macs, year))
    return lines


def _macs(graph: Graph, macs: int | Sym) -> int | None:
    at = dict.fromkeys(graph.symbols, USUAL)
    if not all(condition.holds(at) for condition in conditions(graph)):
        return None
    value = subs(macs, at)
    return value if isinstance(value, int) else None


def _year(text: str) -> str:
    """The last year in a text, which in a citation is that of the paper."""
    return next(reversed(_YEAR.findall(text)), "")


def paper(program: Program) -> str:
    """The citation of the paper, from the file's first comment.

    It is the text up to the first year that ends a sentence, or else the first sentence.
    """
    lines = _first_comment(program.source.text)
    cited = _CITED.match(" ".join(lines[:MOST_LINES]))
    if cited is None:
        cited = _SENTENCE.match(" ".join(lines))
    return cited[0] if cited else ""


def _first_comment(text: str) -> list[str]:
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("#").strip())
    return lines


def _print_file(out: Console, file: Shipped) -> None:
    out.print(Text(file.cited, style="bold"))
    table = _table(out.width)
    for line in file.lines:
        macs = "open" if line.macs is None else figure(line.macs)
        table.add_row(Text(line.name), figure(line.params), macs, line.year)
    out.print(Padding(table, (0, 0, 1, INDENT)))


def _print_head(out: Console) -> None:
    table = _table(out.width)
    table.add_row("net", "params", "MACs", "year")
    out.print(Padding(table, (0, 0, 1, INDENT)), style="dim")


def _table(width: int) -> Table:
    """A table whose columns have the same widths in every file, so that the figures align.

    On a narrow terminal, long names are broken, but no figure is.
    """
    gaps = INDENT + len(WIDTHS)
    names, *figures = WIDTHS
    if width < sum(WIDTHS) + gaps:
        names, *figures = max(width - sum(NARROW) - gaps, LEAST), *NARROW
    params, macs, year = figures
    columns = (
        Column(width=names, overflow="fold"),
        Column(justify="right", width=params, overflow="fold"),
        Column(justify="right", width=macs, overflow="fold"),
        Column(width=year, overflow="fold"),
    )
    return Table(*columns, box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
