"""`netdsl check`: prints the table, the totals and the valid sizes, and checks `expect` lines."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NamedTuple

from netdsl.analysis.figures import PARALLEL
from netdsl.analysis.lint.names import Names
from netdsl.analysis.lint.warnings import warnings_of
from netdsl.checking import Checked, Findings, Place, names_to_check, stopped
from netdsl.commands.common import (
    UsageError,
    net_files,
    parse_defines,
    parse_inputs,
    print_diagnostics,
    split_name,
)
from netdsl.commands.foreign import LINES, is_model, open_file
from netdsl.commands.output import note, say, say_always, say_json
from netdsl.commands.parallel_options import check_parallel_options
from netdsl.commands.table_options import TABLE_OPTIONS, check_table_options, is_given
from netdsl.diagnostics import MAX_ERRORS, Diagnostic, nearest
from netdsl.driver import program_of
from netdsl.errors import NetdslError
from netdsl.library import library_file, library_names, open_source, source_path
from netdsl.render import as_github, as_json, as_sarif
from netdsl.version import __version__
from netdsl.words import counted

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from netdsl.analysis.summary import Summary
    from netdsl.elaborate.program import Program
    from netdsl.source import SourceFile


NOUNS = {"error": "error", "warning": "warning", "info": "hint"}  # by severity
_DENIED = {"errors": ("error",), "warnings": ("error", "warning")}


class Wanted(NamedTuple):
    """A file to check, and the one net of it that is meant, if not all.

    A file that was found in a folder may have no net: others may import it. The one net of a file
    that is named as a whole, too, need only exist.
    """

    file: str
    net: str | None
    is_found: bool = False
    is_inside: bool = False


class Results(NamedTuple):
    """What was checked, and what was found.

    `several` tells whether the user gave a folder or more than one name. `used` are the places of
    what other files than their own use.
    """

    files: list[Wanted]
    checked: list[Checked]
    findings: Findings
    used: set[Place]
    several: bool


def run(arguments: argparse.Namespace) -> int:
    """Check every net that is named; returns the exit code."""
    check_table_options(arguments)
    check_parallel_options(arguments)
    if arguments.fix and "-" in arguments.files:
        raise UsageError("--fix changes files; standard input cannot be changed")
    results = Results([], [], Findings(), set(), several=_are_several(arguments.files))
    for wanted in _wanted_files(arguments.files, results.findings):
        results.files.append(wanted)
        try:
            results.checked.extend(_check_file(wanted, arguments, results))
        except NetdslError as error:
            diagnostics = _of_format(wanted.file, error.diagnostics)
            _advise_net(wanted.file, arguments.files, diagnostics[0])
            results.findings.add(wanted.file, diagnostics)
    results.findings.forget_unused(results.used)
    _report(arguments, results)
    return int(any(results.findings.count(severity) for severity in _DENIED[arguments.deny]))


def _of_format(file: str, diagnostics: list[Diagnostic]) -> list[Diagnostic]:
    """The errors of a file; of a file of another format, one error is enough."""
    suffix = os.path.splitext(file)[1]
    if suffix not in ("", ".net", ".txt") and diagnostics[0].code == "syntax-error":
        diagnostics[0].help = f"`{file}` does not end in `.net`: is it a description of nets?"
        return diagnostics[:1]
    return diagnostics


def _advise_net(name: str, files: list[str], diagnostic: Diagnostic) -> None:
    """Advice for `check FILE NET`, where the name of a net follows its file."""
    before = files[files.index(name) - 1] if name in files[1:] else ""
    if diagnostic.code != "file-not-found" or not name.isidentifier() or not os.path.isfile(before):
        return
    if nearest(name, library_names()) is None:
        diagnostic.help = f"for a net of the file, write `{before}:{name}`"


# ---- what to check


def _are_several(names: list[str]) -> bool:
    return len(names) > 1 or _is_folder(names[0])


def _is_folder(name: str) -> bool:
    """Whether a name is that of a folder; a name from the library takes precedence."""
    return os.path.isdir(name) and library_file(name) is None


def _wanted_files(names: list[str], findings: Findings) -> Iterator[Wanted]:
    """The files that the user names, each once; folders without any are reported."""
    whole = {source_path(name) for name in names if split_name(name)[1] is None}
    known: set[tuple[str, str | None]] = set()
    for name in names:
        file, net = split_name(name)
        files = [file]
        is_folder = net is None and _is_folder(file)
        if is_folder:
            files, errors = net_files(file)
            findings.add(file, errors)
        for path in files:
            place = source_path(path)
            if (place, net) not in known:
                known.add((place, net))
                yield Wanted(path, net, is_folder, net is not None and place in whole)


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


def _names(program: Program, wanted: Wanted) -> list[str]:
    if wanted.net is not None:
        name = program.pick(wanted.net)
        return [] if wanted.is_inside else [name]
    if wanted.is_found:
        return program.nets()
    return names_to_check(program)


def _check_file(
    wanted: Wanted, arguments: argparse.Namespace, results: Results
) -> Iterator[Checked]:
    """Check the nets of a file, until it has too many errors; raises `NetdslError`."""
    if arguments.fix and not is_model(wanted.file):
        _fix(wanted, arguments)
    program = open_file(wanted.file, arguments)
    yield from _check_program(program, wanted, arguments, results)


def _check_program(
    program: Program, wanted: Wanted, arguments: argparse.Namespace, results: Results
) -> Iterator[Checked]:
    findings = results.findings
    before = findings.count("error")
    # A model is opened with the sizes that the user gives.
    sizes = {} if is_model(wanted.file) else parse_inputs(arguments.input)
    findings.add(wanted.file, program.reporter.diagnostics)
    results.used.update(_used_of_imports(program))
    nets: list[Checked] = []
    for name in _names(program, wanted):
        label = f"{wanted.file}:{name}" if results.several else name
        nets.append(Checked(name, label))
        yield nets[-1]
        findings.add(program.source.name, nets[-1].build(program, sizes))
        if findings.count("error") - before >= MAX_ERRORS:
            findings.add(wanted.file, [stopped()])
            return
    warnings = _warnings(program, nets, arguments, complete=wanted.net is None)
    findings.add_warnings(wanted.file, warnings)


def _used_of_imports(program: Program) -> Iterator[Place]:
    """The blocks and `let`s of other files that a file uses."""
    imports = program.module.imports
    if not imports:
        return
    names = Names().of(program.module.tree)
    for _, imported in imports:
        path = imported.source.path
        for let in imported.tree.lets:
            if let.name in names:
                yield path, let.span.start
        for definition in imported.tree.definitions:
            if definition.name in names:
                yield path, definition.name_span.start


def _fix(wanted: Wanted, arguments: argparse.Namespace) -> None:
    """Write a file with the certain fixes of its errors, and print what changed.

    Raises `NetdslError` if the file cannot be read or written.
    """
    from netdsl.commands.texts import print_difference  # few runs fix anything
    from netdsl.files import write_text
    from netdsl.fixes import fix_errors

    def diagnose(source: SourceFile) -> list[Diagnostic]:
        results = Results([], [], Findings(), set(), several=False)
        try:
            program = program_of(source, parse_defines(arguments.define))
            list(_check_program(program, wanted, arguments, results))
        except NetdslError as error:
            results.findings.add(wanted.file, error.diagnostics)
        return results.findings.diagnostics

    source = open_source(wanted.file)
    fixed = fix_errors(source, diagnose)
    if not fixed.applied or source.path is None:
        return
    if arguments.format == "text" and not arguments.quiet:
        print_difference(source.path, source, fixed.source.text)
    write_text(source.path, fixed.source.text)
    note(f"fixed {counted(fixed.applied, 'error')} in {source.name}")


def _warnings(
    program: Program, checked: list[Checked], arguments: argparse.Namespace, *, complete: bool
) -> list[Diagnostic]:
    """The warnings about the nets, and the hints with `--lint all`; none if a net has errors."""
    nets = [item.compiled for item in checked if item.compiled is not None]
    if len(nets) < len(checked):
        return []
    with_hints = arguments.lint == "all"
    return warnings_of(program.module, nets, with_hints=with_hints, complete=complete)


# ---- the report


def _report(arguments: argparse.Namespace, results: Results) -> None:
    summaries = [c.summary for c in results.checked if c.summary is not None]
    diagnostics = results.findings.diagnostics
    # Errors matter more than a wrong `--only`.
    if summaries and not results.findings.count("error"):
        _check_kinds(arguments, summaries)
    match arguments.format:
        case "json":
            nets = [_net_as_json(c, c.summary, arguments) for c in results.checked if c.summary]
            say_json({"nets": nets, "diagnostics": [as_json(d) for d in diagnostics]}, indent=2)
        case "sarif":
            from netdsl.commands.manual import rule_pages  # only this format needs it

            say_json(as_sarif(diagnostics, __version__, rule_pages()), indent=2)
        case "github":
            for diagnostic in diagnostics:
                say_always(as_github(diagnostic))
        case _:
            _report_text(arguments, results)


def _net_as_json(
    checked: Checked, summary: Summary, arguments: argparse.Namespace
) -> dict[str, object]:
    net = summary.as_json(arguments.depth, arguments.only)
    if PARALLEL in arguments.show and checked.compiled is not None:
        from netdsl.commands.parallel import parallel_json  # few runs have these figures

        net[PARALLEL] = parallel_json(checked.compiled, arguments)
    return net


def _report_text(arguments: argparse.Namespace, results: Results) -> None:
    """Print the tables and the diagnostics; for several files, a table with a line for each net."""
    for_programs = arguments.csv or arguments.markdown
    if for_programs:
        from netdsl.commands.table_formats import print_nets
    else:
        from netdsl.commands.table import print_nets

    if results.several and not any(is_given(arguments, option) for option in TABLE_OPTIONS):
        arguments.depth = 0
    print_nets(results.checked, arguments)
    sys.stdout.flush()
    shown = results.findings.diagnostics
    if arguments.quiet:
        shown = [d for d in shown if d.severity in (*_DENIED[arguments.deny], "note")]
    print_diagnostics(shown)
    for file in dict.fromkeys(d.span.file.name for d in shown if d.span is not None):
        if is_model(file):
            note("")
            note(LINES.format(file))
    _point_to_explanations(results.findings.diagnostics)
    if results.several and not for_programs:
        if any(checked.summary for checked in results.checked):
            say("")
        say(_conclusion(results))


def _point_to_explanations(diagnostics: list[Diagnostic]) -> None:
    """Print which command explains the codes that were reported."""
    found = {d.code: NOUNS[d.severity] for d in diagnostics if d.severity in NOUNS}
    if not found:
        return
    note("")
    if len(found) == 1:
        ((code, noun),) = found.items()
        note(f"`netdsl explain {code}` explains this {noun}")
    else:
        note(f"`netdsl explain CODE` explains a code: {', '.join(found)}")


def _conclusion(results: Results) -> str:
    """The line that ends the report about several files."""
    nets, files = len(results.checked), len({wanted.file for wanted in results.files})
    counts = {noun: results.findings.count(severity) for severity, noun in NOUNS.items()}
    found = [counted(count, noun) for noun, count in counts.items() if count]
    return f"{counted(nets, 'net')} in {counted(files, 'file')}: {', '.join(found) or 'no errors'}"
