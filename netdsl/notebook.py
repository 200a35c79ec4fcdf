"""`%%netdsl`, a cell of a notebook that is a `.net` file. `%load_ext netdsl` loads it."""

from __future__ import annotations

import os
import shlex
import sys
from argparse import ArgumentParser, ArgumentTypeError
from typing import TYPE_CHECKING, NoReturn

from IPython.core.error import UsageError

from netdsl.analysis.lint.warnings import warnings_of
from netdsl.api_net import Net
from netdsl.diagnostics import Reporter
from netdsl.driver import check_expects, compile_net, program_of
from netdsl.errors import CompileError, NetdslError
from netdsl.limits import check_environment
from netdsl.render import render_text
from netdsl.source import SourceFile

if TYPE_CHECKING:
    from argparse import Namespace

    from IPython.core.interactiveshell import InteractiveShell

    from netdsl.diagnostics import Diagnostic
    from netdsl.driver import Compiled


class CellError(CompileError):
    """The errors of a cell, which IPython shows without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return str(self).splitlines()


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register the magic `%%netdsl`."""

    def magic(line: str, cell: str) -> Net | list[Net] | None:
        return _run_cell(shell, line, cell)

    magic.__doc__ = _run_cell.__doc__
    shell.register_magic_function(magic, "cell", "netdsl")  # type: ignore[arg-type]


def _run_cell(shell: InteractiveShell, line: str, cell: str) -> Net | list[Net] | None:
    """Compile the cell as a .net file, and bind each net to its name.

        %%netdsl [-D NAME=VALUE]... [--input NAME=SIZES]... [-q]

    -D gives a parameter of the nets a value, as in `-D classes=10`; --input gives an input its
    sizes, as in `--input image=3x224x224`. Both can be given several times.

    A net is shown with its table and picture, unless -q is given. The `expect` lines are checked.
    Errors are shown below the cell, each with its place, and no variable changes.
    """
    arguments = _options(line)
    check_environment()
    # The first line, which has the magic, counts in the line numbers of the cell.
    source = SourceFile("<cell>", f"\n{cell}", os.path.abspath("<cell>"))
    nets, warnings = _compiled(source, arguments)
    sys.stderr.writelines(render_text(warning) for warning in warnings)
    shell.user_ns.update({net.name: net for net in nets})
    if arguments.quiet:
        return None
    return nets[0] if len(nets) == 1 else nets


class _OptionParser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"%%netdsl: {message}")


def _options(line: str) -> Namespace:
    parser = _OptionParser("%%netdsl", add_help=False)
    parser.add_argument("-D", dest="defines", type=_define, action="append", default=[])
    parser.add_argument("--input", dest="inputs", type=_input, action="append", default=[])
    parser.add_argument("-q", "--quiet", action="store_true")
    try:
        words = shlex.split(line)
    except ValueError as error:  # a quote is not closed
        parser.error(str(error).lower())
    return parser.parse_args(words)


def _compiled(source: SourceFile, arguments: Namespace) -> tuple[list[Net], list[Diagnostic]]:
    """The nets of a cell, and the warnings about them; raises `CellError` with all errors."""
    reporter = Reporter()
    nets: list[Compiled] = []
    try:
        program = program_of(source, dict(arguments.defines))
        for name in program.nets() or [program.pick(None)]:
            try:
                nets.append(compile_net(program, name, dict(arguments.inputs)))
                found = check_expects(nets[-1])[1]
            except NetdslError as error:
                found = error.diagnostics
            for diagnostic in found:
                reporter.add(diagnostic)
    except NetdslError as error:
        raise CellError.of(error.diagnostics) from None
    if reporter.errors:
        raise CellError.of(reporter.diagnostics)
    return list(map(Net, nets)), warnings_of(program.module, nets, complete=True)


def _define(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip().isidentifier():
        raise ArgumentTypeError(f"it takes NAME=VALUE, found `{text}`")
    return name.strip(), value.strip()


def _input(text: str) -> tuple[str, tuple[int, ...]]:
    name, _, sizes = text.rpartition("=")
    if not all(size.isdecimal() for size in sizes.split("x")):
        raise ArgumentTypeError(f"it takes NAME=SIZES such as image=3x224x224, found `{text}`")
    return name.strip(), tuple(map(int, sizes.split("x")))
