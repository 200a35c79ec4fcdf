"""Reports why a command failed and gives its exit code: users never see a traceback."""

from __future__ import annotations

import os
import signal
import sys
import time
from importlib import import_module
from pathlib import Path

from netdsl.commands.common import UsageError, print_diagnostics
from netdsl.commands.output import Printing, complain, note_lines, print_as
from netdsl.commands.parser import complaint
from netdsl.diagnostics import Diagnostic
from netdsl.errors import CannotWriteError, NetdslError
from netdsl.limits import WrongLimit
from netdsl.process.memory import MEMORY, is_out_of_memory
from netdsl.process.stops import Stopped, stop_word
from netdsl.process.streams import OUTPUT, discard_output
from netdsl.process.watch import CrashedError
from netdsl.version import __version__

FAULT = 70  # the exit code of an internal error: EX_SOFTWARE of sysexits.h
_MEMORY_HELP = "use smaller sizes or batches, or raise the memory limit (`ulimit -v`)"


def report(error: BaseException, words: list[str]) -> int:
    """Print why a command failed and return the exit code; `words` are its command line."""
    match error:
        case Stopped():
            complain(stop_word(error.number))
            return 128 + error.number
        case KeyboardInterrupt():
            complain("interrupted")
            return 128 + signal.SIGINT
        case UsageError():
            note_lines(complaint(words, str(error)))
            return 2
        case WrongLimit():
            complain(f"netdsl: {error.diagnostics[0].message}")
            return 2
        case BrokenPipeError():  # the reader has closed the output, which is no failure
            discard_output()
            return 0
    if isinstance(error, CannotWriteError) and error.filename == OUTPUT:
        _give_up_output()
    diagnostics = _diagnostics(error)
    if not diagnostics:
        return _report_fault(error, words)
    _print(diagnostics)
    return 1


def _print(diagnostics: list[Diagnostic]) -> None:
    try:
        print_diagnostics(diagnostics)
        sys.stdout.flush()
    except CannotWriteError:  # as JSON, they go to standard output
        _give_up_output()
        print_diagnostics(diagnostics)


def _give_up_output() -> None:
    """Print errors as text to standard error: standard output cannot be written."""
    discard_output()
    print_as(Printing())


def _diagnostics(error: BaseException) -> list[Diagnostic]:
    """The diagnostics of an error, or none if netdsl itself is at fault."""
    if isinstance(error, NetdslError):
        return error.diagnostics
    if isinstance(error, CannotWriteError):
        message = f"{error.filename}: {error.strerror}"
        return [Diagnostic("cannot-write", message, help=error.help)]
    if is_out_of_memory(error):
        message = "there is not enough memory" + _reason(error)
        return [Diagnostic("out-of-memory", message, help=_MEMORY_HELP)]
    if isinstance(error, CrashedError) and error.number == signal.SIGKILL:
        message = "the system ended the process with SIGKILL"
        help_ = "the memory was probably full: use smaller sizes or batches"
        return [Diagnostic("killed", message, help=help_)]
    if isinstance(error, OSError) and error.filename is not None:
        return [Diagnostic("cannot-read", f"{error.filename}: {error.strerror}")]
    if isinstance(error, OSError):
        return [Diagnostic("system-error", f"the system refused a request: {error}")]
    return []


def _reason(error: BaseException) -> str:
    """The line of an error that mentions memory, or else its first words, after a colon."""
    text = str(error)
    lines = [line for line in text.splitlines() if MEMORY.search(line)]
    return _after_colon(lines[0] if lines else text)


def _after_colon(text: str) -> str:
    shown = " ".join(text.split())[:200]
    return f": {shown}" if shown else ""


def _report_fault(error: BaseException, words: list[str]) -> int:
    """Report that netdsl itself failed, and write the details to the user's log folder."""
    details = _details(error, words)
    if os.environ.get("NETDSL_DEBUG") == "1":
        place = "the details are above"
        note_lines(details)
    else:
        place = _written(details)
    kind = "crash" if isinstance(error, CrashedError) else type(error).__name__
    command = "".join(words[:1])
    message = f"`netdsl {command}` failed: {kind}{_after_colon(str(error))}"
    help_ = f"netdsl or a library that it uses is at fault; please report it: {place}"
    _print([Diagnostic("internal-error", message, help=help_)])
    return FAULT


def _details(error: BaseException, words: list[str]) -> str:
    system = import_module("platform").platform()  # few commands need these modules
    head = f"netdsl {__version__}, Python {sys.version}, {system}\ncommand: {words!r}\n\n"
    if isinstance(error, CrashedError):
        return f"{head}{error}\n{error.details}\n"
    return head + "".join(import_module("traceback").format_exception(error))


def _written(details: str) -> str:
    """Write the details to the log folder, or else to standard error; returns their place."""
    try:
        folder = Path(import_module("platformdirs").user_log_path("netdsl", ensure_exists=True))
        path = folder / f"fault-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
        path.write_text(details, encoding="utf-8", errors="backslashreplace")
    except OSError:
        note_lines(details)
        return "the details are above, because the log folder cannot be written"
    return f"the details are in {path}"
