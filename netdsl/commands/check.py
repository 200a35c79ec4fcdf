"""`netdsl check`: the table, the totals, the valid sizes, the `expect` lines."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from netdsl.analysis.summary import Summary
from netdsl.commands.checked import Checked
from netdsl.commands.common import (
    UsageError,
    parse_defines,
    parse_inputs,
    print_diagnostics,
    split_name,
)
from netdsl.commands.output import say, say_json
from netdsl.diagnostics import MAX_ERRORS, Diagnostic
from netdsl.driver import Compiled, check_expects, compile_net, open_program
from netdsl.errors import NetdslError
from netdsl.render import as_github, as_json, as_sarif
from netdsl.version import __version__

if TYPE_CHECKING:
    import argparse

    from netdsl.elaborate.program import Program


def run(arguments: argparse.Namespace) -> int:
    """Check the nets that are named; returns the exit code."""
    _refuse_unused(arguments)
    diagnostics: list[Diagnostic] = []
    checked: list[Checked] = []
    try:
        file, net = split_name(arguments.file)
        program = open_program(file, parse_defines(arguments.define))
        diagnostics += program.reporter.diagnostics
        for name in _names(program, net):
            result = _check(program, name, arguments, diagnostics)
            checked.append(result)
            if sum(d.severity == "error" for d in diagnostics) >= MAX_ERRORS:
                diagnostics.append(
                    Diagnostic(
                        "too-many-errors", f"stopped after {MAX_ERRORS} errors", severity="note"
                    )
                )
                break
    except NetdslError as error:
        diagnostics += [d for d in error.diagnostics if not _known(d, diagnostics)]
    _report(arguments, checked, diagnostics)
    return 1 if any(d.severity == "error" for d in diagnostics) else 0


def _refuse_unused(arguments: argparse.Namespace) -> None:
    """Options that a format has no use for are wrong usage:

    JSON has rows to choose, and every column of them; the others have diagnostics alone.
    """
    taken = {"text": ("depth", "only", "show", "columns"), "json": ("depth", "only")}.get(
        arguments.format, ()
    )
    for option in ("depth", "only", "show", "columns"):
        if option not in taken and getattr(arguments, option) not in (None, ()):
            has = "has every column" if arguments.format == "json" else "has no table"
            raise UsageError(f"--{option} is for the table: --format {arguments.format} {has}")


def _check_kinds(arguments: argparse.Namespace, summaries: list[Summary]) -> None:
    """Whether the nets have rows of the kinds that `--only` names."""
    kinds = (
        {r.kind for s in summaries for r in s.rows(arguments.depth, field=False)}
        if arguments.only
        else set()
    )
    for kind in arguments.only:
        if kind not in kinds:
            raise UsageError(
                f"--only {kind}: there is no row of that kind; there are {', '.join(sorted(kinds))}"
            )


def _names(program: Program, net: str | None) -> list[str]:
    if net is not None:
        return [program.pick(net)]
    nets = program.nets()
    if nets:
        return nets
    if program.module.own and not any(
        getattr(d, "is_net", True) for d in program.module.definitions.values()
    ):
        return []  # a file of blocks alone: its text is right, and there is no net to show
    return [program.pick(None)]


def _check(
    program: Program, name: str, arguments: argparse.Namespace, diagnostics: list[Diagnostic]
) -> Checked:
    checked = Checked(name)
    try:
        checked.sizes = parse_inputs(arguments.input)
        compiled: Compiled = compile_net(program, name, checked.sizes)
        checked.summary = Summary(compiled.graph, compiled.costs, compiled.valid_for)
        checked.proven, broken = check_expects(compiled)
        checked.asked = len(compiled.expects) if checked.proven or broken else 0
        diagnostics += [d for d in broken if not _known(d, diagnostics)]
        if compiled.train is not None:
            from netdsl.train.section import read_config  # few nets have one

            read_config(compiled)
    except NetdslError as error:
        diagnostics += [d for d in error.diagnostics if not _known(d, diagnostics)]
    return checked


def _known(diagnostic: Diagnostic, diagnostics: list[Diagnostic]) -> bool:
    """Whether an equal diagnostic is in the list already, perhaps from another net of the file."""
    return any(
        (d.code, d.span, d.message) == (diagnostic.code, diagnostic.span, diagnostic.message)
        for d in diagnostics
    )


def _report(
    arguments: argparse.Namespace, checked: list[Checked], diagnostics: list[Diagnostic]
) -> None:
    summaries = [c.summary for c in checked if c.summary is not None]
    if summaries and not any(
        d.severity == "error" for d in diagnostics
    ):  # else they are what is to be read first
        _check_kinds(arguments, summaries)
    match arguments.format:
        case "json":
            nets = [s.as_json(arguments.depth, arguments.only) for s in summaries]
            say_json({"nets": nets, "diagnostics": [as_json(d) for d in diagnostics]}, indent=2)
        case "sarif":
            say_json(as_sarif(diagnostics, __version__), indent=2)
        case "github":
            for diagnostic in diagnostics:
                say(as_github(diagnostic))
        case _:
            from netdsl.commands.table import print_nets

            print_nets(checked, arguments)
            sys.stdout.flush()
            print_diagnostics(diagnostics)
