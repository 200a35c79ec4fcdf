"""The command line: parses the arguments, runs the command, and turns failures into exit codes.

The module of a command is imported when the command runs, so that `check` loads nothing heavy.
"""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

from netdsl.commands.common import UsageError
from netdsl.commands.output import Printing, print_as
from netdsl.commands.parser import parse
from netdsl.limits import check_environment
from netdsl.process.stops import Stopped, leave_on_stop, raise_on_stop
from netdsl.process.streams import open_standard

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from types import ModuleType

STOPPED = 128  # the exit code is this plus the number of the signal that ended a command
CLEANS_UP = (
    "compare",
    "data",
    "draw",
    "fmt",
    "import",
    "look",
    "page",
    "train",
    "view",
)  # after a signal, these save or remove what they have begun
PATIENT = ("compare", "train", "view")  # they save the state of a training, however long that takes
# A signal ends these at once: there is nothing to clean up.
UNWATCHED = ("check", "completion", "diff", "explain", "help", "layers", "lsp", "nets", "runs")

MODULES = MappingProxyType({"import": "import_model"})  # where the name of a command is no module's


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
    # The user is waiting, and libraries may clean up slowly; threads of PyTorch's stores abort.
    if code > STOPPED or _is_one_of_many():
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
            print_as(Printing())
            arguments = parse(argv)
            arguments.words = argv
            print_as(_printing(arguments))
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


def _printing(arguments: argparse.Namespace) -> Printing:
    return Printing(
        quiet=arguments.quiet,
        color=arguments.color,
        is_file=getattr(arguments, "output", None) == "-",
        json=getattr(arguments, "format", None) == "json",
    )


def _check_together(arguments: argparse.Namespace) -> None:
    """Refuse an option that has no effect without another; raises `UsageError`."""
    if getattr(arguments, "allow_nonfinite", False) and not arguments.weights:
        raise UsageError("--allow-nonfinite needs --weights")


def _report(error: BaseException, argv: list[str]) -> int:
    try:
        code: int = _failures().report(error, argv)
    except Stopped as stop:
        code = _failures().report(stop, argv)
    except ModuleNotFoundError as missing:
        first = error if isinstance(error, ModuleNotFoundError) else missing
        name, _, _ = str(first.name).partition(".")
        message = f"netdsl: the package `{name}` is not installed: run `pip install netdsl`"
        os.write(2, f"{message}\n".encode())
        code = 1
    except (MemoryError, ImportError, SystemError, OSError):  # there is no memory for a message
        os.write(2, b"netdsl: the system has too little memory or too many open files\n")
        code = 1
    return code


def _failures() -> ModuleType:
    return import_module("netdsl.commands.failures")


def _is_one_of_many() -> bool:
    """Whether a launcher such as `torchrun` has started this process as one of several."""
    return os.environ.get("WORLD_SIZE", "1") != "1"


def _module_of(arguments: argparse.Namespace) -> ModuleType:
    """The module that runs a command; it is imported only now, so that `check` starts quickly."""
    name = MODULES.get(arguments.command, arguments.command)
    return import_module(f"netdsl.commands.{name}")


def _perform(arguments: argparse.Namespace) -> int:
    code: int = _module_of(arguments).run(arguments)
    return code


def _perform_watched(arguments: argparse.Namespace) -> int:
    """Run a command in a child process, unless it can run in this one (`UNWATCHED`).

    Of several processes, the launcher watches each.
    """
    if arguments.command in UNWATCHED:
        return _perform(arguments)
    if _is_one_of_many() or getattr(arguments, "nproc", None) is not None:
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # it prints advice to programmers
        return _perform_stoppable(arguments)
    _failures()  # loaded now, while there is memory for it
    watched = import_module("netdsl.process.watch").watched
    code: int = watched(
        lambda: _perform_stoppable(arguments),
        _output_folders(arguments),
        patient=arguments.command in PATIENT,
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
