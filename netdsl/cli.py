"""The command line: parses the arguments, runs the command, and turns failures into exit codes.

The module of a command is imported when the command runs, so that `check` loads nothing heavy.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from contextlib import suppress
from functools import cache, partial
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

from netdsl.commands.arguments import COMMANDS
from netdsl.commands.common import UsageError, terminal_width
from netdsl.limits import check_environment
from netdsl.process.stops import Stopped, leave_on_stop, raise_on_stop
from netdsl.process.streams import open_standard
from netdsl.source import printable
from netdsl.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

STOPPED = 128  # the exit code is this plus the number of the signal that ended a command
CLEANS_UP = ("draw", "fmt", "train")  # after a signal, these save or remove what they have begun
UNWATCHED = ("check", "explain", "layers", "nets")  # a signal ends these at once: there is nothing to clean up


DESCRIPTION = (
    "netdsl compiles a text that describes a neural network into checked shapes, counts, a PyTorch"
    " module and an ONNX model."
)
EPILOG = """
examples:
  netdsl check lenet5
  netdsl draw lenet5 -o lenet5.svg
  netdsl export resnet:ResNet50 -o resnet50.onnx

`netdsl COMMAND --help` explains a command.

exit codes:
  0    success
  1    something is wrong with a text, an `expect` line, weights, data or a file
  2    the command line is wrong
  70   netdsl itself failed
  130  interrupted
  143  terminated
""".strip()


class _HelpFormatter(argparse.HelpFormatter):
    """Wraps the paragraphs of a text, but keeps the lines of examples as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = []
        for paragraph in text.split("\n\n"):
            if "\n" in paragraph:
                paragraphs.append(paragraph)
            else:
                paragraphs.append(super()._fill_text(paragraph, width, indent))
        return "\n\n".join(paragraphs)

    def _format_action(self, action: argparse.Action) -> str:
        """List the commands like options, without the line `COMMAND` above them."""
        text = super()._format_action(action)
        if action.nargs == argparse.PARSER:
            return "".join(line[2:] for line in text.splitlines(keepends=True)[1:])
        return text


class _ArgumentParser(argparse.ArgumentParser):
    """A parser whose messages cannot control the terminal: arguments may be names of files."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


@cache
def build_parser(command: str | None = None) -> argparse.ArgumentParser:
    """The parser of all commands, or of one, which starts faster.

    It is cached for callers that run several commands in one process.
    """
    # Without a given width, argparse would ask for that of the terminal at every option.
    formatter = partial(_HelpFormatter, width=terminal_width() - 2)
    parser = _ArgumentParser(
        prog="netdsl",
        usage="netdsl COMMAND [options]",
        description=DESCRIPTION,
        epilog=EPILOG,
        allow_abbrev=False,
        formatter_class=formatter,
    )
    parser.add_argument(
        "--version",
        action="version",
        version=f"netdsl {__version__}",
        help="show the version and exit",
    )
    commands = parser.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", required=True, prog="netdsl"
    )

    def add(
        name: str, summary: str, usage: str, description: str, examples: str
    ) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            usage=f"netdsl {name} {usage}".rstrip(),
            help=summary,
            description=description,
            epilog=_epilog(examples),
            allow_abbrev=False,
            formatter_class=formatter,
        )

    for name, declare in COMMANDS.items():
        if command in (None, name):
            declare(add)
    return parser


def _parse(argv: list[str]) -> argparse.Namespace:
    command = None
    if argv and argv[0] in COMMANDS:
        command = argv[0]
    return build_parser(command).parse_args(argv)


def _epilog(examples: str) -> str:
    lines = [f"  {line.strip()}" for line in examples.strip().splitlines()]
    return "\n".join(["examples:", *lines])


def main(argv: list[str] | None = None) -> None:
    """Run a command and exit with its code."""
    # The objects of imported modules live as long as the process, so the collector skips them.
    gc.freeze()
    gc.enable()
    gc.set_threshold(100_000, 20, 100)
    leave_on_stop()
    open_standard()
    if argv is None:
        argv = sys.argv[1:]
    code = _guarded(argv, _perform_watched)
    leave_on_stop()
    if code > STOPPED:  # the user is waiting, and libraries may clean up slowly
        with suppress(OSError):
            sys.stdout.flush()
        os._exit(code)
    sys.exit(code)


def run(argv: list[str]) -> int:
    """Run a command in this process and return its exit code.

    No traceback reaches the user: an error is reported as a diagnostic.
    """
    return _guarded(argv, _perform)


def _guarded(argv: list[str], perform: Callable[[argparse.Namespace], int]) -> int:
    try:
        try:
            arguments = _parse(argv)
            _check_together(arguments)
            check_environment()
            code = perform(arguments)
            sys.stdout.flush()
        except SystemExit as stop:  # argparse has printed an error, or the help
            sys.stdout.flush()
            code = int(stop.code or 0)
    except BaseException as error:
        code = _report(error, argv)
    return code


def _check_together(arguments: argparse.Namespace) -> None:
    """Refuse an option that has no effect without another; raises `UsageError`."""
    if getattr(arguments, "allow_nonfinite", False) and not arguments.weights:
        raise UsageError("--allow-nonfinite needs --weights")


def _report(error: BaseException, argv: list[str]) -> int:
    try:
        code: int = _failures().report(error, argv)
    except Stopped as stop:
        code = _failures().report(stop, argv)
    except (MemoryError, ImportError, SystemError, OSError):  # there is no memory for a message
        os.write(2, b"netdsl: the system has too little memory or too many open files\n")
        code = 1
    return code


def _failures() -> ModuleType:
    return import_module("netdsl.commands.failures")


def _module_of(arguments: argparse.Namespace) -> ModuleType:
    """The module that runs a command; it is imported only now, so that `check` starts quickly."""
    return import_module(f"netdsl.commands.{arguments.command}")


def _perform(arguments: argparse.Namespace) -> int:
    code: int = _module_of(arguments).run(arguments)
    return code


def _perform_watched(arguments: argparse.Namespace) -> int:
    """Run a command in a child process, unless it can run in this one (`UNWATCHED`)."""
    if arguments.command in UNWATCHED:
        return _perform(arguments)
    _failures()  # loaded now, while there is memory for it
    watched = import_module("netdsl.process.watch").watched
    code: int = watched(
        lambda: _perform_stoppable(arguments),
        _output_folders(arguments),
        patient=arguments.command == "train",
    )
    return code


def _output_folders(arguments: argparse.Namespace) -> list[str]:
    """The folders in which a killed command can leave temporary files."""
    output = getattr(arguments, "output", None)
    return [os.path.dirname(output)] if output else []


def _perform_stoppable(arguments: argparse.Namespace) -> int:
    """Run a command that a signal ends at once, or after it has cleaned up (`CLEANS_UP`)."""
    module = _module_of(arguments)
    if arguments.command in CLEANS_UP:  # not while a library loads: it would crash
        raise_on_stop()
    code: int = module.run(arguments)
    return code


if __name__ == "__main__":
    main()
