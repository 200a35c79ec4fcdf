"""What `check --fix` does to a text: the errors that it finds, and their fixes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.driver import check_expects, compile_net, program_of
from netdsl.errors import NetdslError
from netdsl.train.fit import errors_of_section

if TYPE_CHECKING:
    from netdsl.diagnostics import Diagnostic
    from netdsl.elaborate.program import Program
    from netdsl.source import SourceFile


def errors_of(source: SourceFile) -> list[Diagnostic]:
    """The errors of a file and of all its nets."""
    try:
        program = program_of(source)
        found = program.reporter.diagnostics
        nets = program.nets() or [program.pick(None)]
    except NetdslError as error:
        return error.diagnostics
    for name in nets:
        found = found + _errors_of_net(program, name)
    return [d for d in found if d.severity == "error"]


def _errors_of_net(program: Program, name: str) -> list[Diagnostic]:
    try:
        compiled = compile_net(program, name)
        _, broken = check_expects(compiled)
        if compiled.train is not None:
            broken += errors_of_section(compiled)
    except NetdslError as error:
        return error.diagnostics
    return broken
