"""`netdsl diff`: what changed between two nets, and which weights still load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.commands.common import (
    UsageError,
    parse_defines,
    parse_inputs,
    print_diagnostics,
    split_name,
    suffix_of,
)
from netdsl.commands.output import say, say_json, say_styled
from netdsl.diff.difference import NetDifference
from netdsl.diff.jsonable import json_of
from netdsl.diff.sides import Side, couples_of, open_side
from netdsl.diff.text import SAME, names_with_arrow, report_of
from netdsl.diff.words import is_committed, split_committed
from netdsl.draw.columns import wrapped
from netdsl.render import as_json, output_width

if TYPE_CHECKING:
    import argparse

    from netdsl.diagnostics import Diagnostic
    from netdsl.diff.failing import FailCondition
    from netdsl.diff.text import ReportLine
    from netdsl.driver import Compiled

INDENT = 2
LEAST = 20  # columns of a text
LABEL = 13  # columns of a label and the gap after it, at least


def run(arguments: argparse.Namespace) -> int:
    """Print what changed; returns 1 if the condition of `--fail-if` is true for a net."""
    words = arguments.before, arguments.after
    if words == ("-", "-"):
        raise UsageError("A and B are both -: standard input is only one text")
    if arguments.output is not None and suffix_of(arguments.output) != ".html":
        raise UsageError(f"-o takes a name that ends in .html, not `{arguments.output}`")
    condition = _condition(arguments.fail_if)
    defines, inputs = parse_defines(arguments.define), parse_inputs(arguments.input)
    before, after = (open_side(*_split(word), defines, inputs, words) for word in words)
    couples = couples_of(before, after)
    differences = [NetDifference(a, b) for a, b in couples if a is not None and b is not None]
    broken: list[Diagnostic] = []
    if condition is not None:
        broken = [condition.error(d).diagnostic for d in differences if condition.holds(d)]
    added = [b for a, b in couples if a is None and b is not None]
    removed = [a for a, b in couples if b is None and a is not None]
    if arguments.output is not None:
        _write(arguments.output, differences, (before.word, after.word))
    if arguments.format == "json":
        found = {
            "nets": [json_of(difference) for difference in differences],
            "added": [net.graph.name for net in added],
            "removed": [net.graph.name for net in removed],
            "diagnostics": [as_json(diagnostic) for diagnostic in broken],
        }
        say_json(found, indent=2)
    else:
        _print(differences, (before, after))
        _print_alone("only in", after, added)
        _print_alone("only in", before, removed)
        print_diagnostics(broken)
    return int(bool(broken))


def _split(word: str) -> tuple[str, str | None]:
    """The file and the net that a word names."""
    if is_committed(word):
        return split_committed(word)
    return split_name(word)


def _condition(text: str | None) -> FailCondition | None:
    if text is None:
        return None
    from netdsl.diff.failing import FailCondition  # few runs have a condition

    return FailCondition(text)


def _write(name: str, differences: list[NetDifference], files: tuple[str, str]) -> None:
    """Write the page; names from files cannot be markup in it."""
    from pathlib import Path  # few runs write a page

    from netdsl.diff.page import page_of  # few runs write a page
    from netdsl.files import replacing

    with replacing(Path(name)) as temporary:
        temporary.write_text(page_of(differences, files), encoding="utf-8")


# ---- text


def _print(differences: list[NetDifference], sides: tuple[Side, Side]) -> None:
    """Print each difference; nets that are the same share the last line."""
    width = output_width()
    same = [d for d in differences if d.is_empty and not d.asides]
    others = [d for d in differences if d not in same]
    for number, difference in enumerate(others):
        if number:
            say("")
        _print_heading(difference, sides)
        lines = report_of(difference)
        column = max(LABEL, *(len(line.label) + INDENT for line in lines))
        for line in lines:
            _print_line(line, width, column)
    if same:
        if others:
            say("")
        names = ", ".join(difference.nets[1].graph.name for difference in same)
        say(*wrapped(f"{names}: {SAME}", width, ", ", " "))


def _print_heading(difference: NetDifference, sides: tuple[Side, Side]) -> None:
    old, new = (net.graph.name for net in difference.nets)
    files = names_with_arrow(*(side.word for side in sides))
    say_styled((names_with_arrow(old, new), "bold"), (f"  {files}", ""))


def _print_line(line: ReportLine, width: int | None, column: int) -> None:
    """Print a line with its label in a column of that width; long texts are broken."""
    start = " " * INDENT * line.indent
    if line.indent == 0:
        say_styled((line.text, line.style))
        return
    label = " " * (column - INDENT)
    if line.indent == 1:
        label = f"{line.label:<{column}}" * bool(line.label)
    room = width and max(LEAST, width - len(start) - len(label) - INDENT)
    first, *rest = wrapped(line.text, room, ", ", " ")
    say_styled((f"{start}{label}", "dim"), (first, line.style))
    say(*(" " * (len(start) + len(label) + INDENT) + text for text in rest))


def _print_alone(words: str, side: Side, nets: list[Compiled]) -> None:
    for net in nets:
        totals = net.costs.totals()
        say(f"{net.graph.name}: {words} {side.word} ({totals.params:,} params)")
