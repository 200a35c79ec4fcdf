"""`netdsl check`: prints the table, the totals and the valid sizes, and checks `expect` lines."""

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
from netdsl.commands.table_options import check_table_options
from netdsl.diagnostics import MAX_ERRORS, Diagnostic
from netdsl.driver import Compiled, check_expects, compile_net, open_program
from netdsl.errors import NetdslError
from netdsl.render import as_github, as_json, as_sarif
from netdsl.version import __version__

if TYPE_CHECKING:
    import argparse

    from netdsl.elaborate.program import Program


def run(arguments: argparse.Namespace) -> int:
    """Check the named nets; returns the exit code."""
    check_table_options(arguments)
    diagnostics: list[Diagnostic] = []
    checked: list[Checked] = []
    try:
        file, net = split_name(arguments.file)
        program = open_program(file, parse_defines(arguments.define))
        diagnostics += program.reporter.diagnostics
        for name in _names(program, net):
            checked.append(_check(program, name, arguments, diagnostics))
            if sum(d.severity == "error" for d in diagnostics) >= MAX_ERRORS:
                message = f"stopped after {MAX_ERRORS} errors"
                diagnostics.append(Diagnostic("too-many-errors", message, severity="note"))
                break
    except NetdslError as error:
        _add_new(diagnostics, error.diagnostics)
    _report(arguments, checked, diagnostics)
    return int(_has_errors(diagnostics))


def _check_kinds(arguments: argparse.Namespace, summaries: list[Summary]) -> None:
    """Raise `UsageError` if no net has a row of a kind that `--only` names."""
    if not arguments.only:
        return
    kinds = {row.kind for s in summaries for row in s.rows(arguments.depth, field=False)}
    for kind in arguments.only:
        if kind not in kinds:
            raise UsageError(
                f"--only {kind}: no row has this kind; the kinds are {', '.join(sorted(kinds))}"
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
        return []  # the file has only blocks: it is valid, and there is no net to show
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
        if checked.proven or broken:
            checked.asked = len(compiled.expects)
        _add_new(diagnostics, broken)
        if compiled.train is not None:
            from netdsl.train.section import read_config  # few nets have one

            read_config(compiled)
    except NetdslError as error:
        _add_new(diagnostics, error.diagnostics)
    return checked


def _add_new(diagnostics: list[Diagnostic], more: list[Diagnostic]) -> None:
    """Add diagnostics, without those that another net of the same file has already caused."""
    diagnostics += [d for d in more if not _is_in(diagnostics, d)]


def _is_in(diagnostics: list[Diagnostic], new: Diagnostic) -> bool:
    return any(
        (d.code, d.span, d.message) == (new.code, new.span, new.message) for d in diagnostics
    )


def _has_errors(diagnostics: list[Diagnostic]) -> bool:
    return any(d.severity == "error" for d in diagnostics)


def _report(
    arguments: argparse.Namespace, checked: list[Checked], diagnostics: list[Diagnostic]
) -> None:
    summaries = [c.summary for c in checked if c.summary is not None]
    if summaries and not _has_errors(diagnostics):  # errors matter more than a wrong `--only`
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
            if arguments.csv or arguments.markdown:
                from netdsl.commands.table_formats import print_nets
            else:
                from netdsl.commands.table import print_nets

            print_nets(checked, arguments)
            sys.stdout.flush()
            print_diagnostics(diagnostics)
