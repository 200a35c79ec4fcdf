"""Reports why a command failed and gives its exit code: users never see a traceback."""

from __future__ import annotations

import os
import signal
import sys
import time
from importlib import import_module
from pathlib import Path

from netdsl.commands.common import UsageError, print_diagnostics
from netdsl.commands.output import note, note_lines
from netdsl.diagnostics import Diagnostic
from netdsl.errors import CannotWriteError, NetdslError
from netdsl.limits import WrongLimit
from netdsl.process.memory import MEMORY, is_out_of_memory
from netdsl.process.stops import Stopped, stop_word
from netdsl.process.streams import OUTPUT, discard_output
from netdsl.process.watch import CrashedError
from netdsl.version import __version__

FAULT = 70  # the exit code of a fault of netdsl: EX_SOFTWARE of sysexits.h
_LESS = "give smaller sizes or batches, or raise the memory limit (`ulimit -v`)"


def report(error: BaseException, words: list[str]) -> int:
    """Print why the command, given as its words, failed; returns its exit code."""
    match error:
        case Stopped():
            note(stop_word(error.number))
            return 128 + error.number
        case KeyboardInterrupt():
            note("interrupted")
            return 128 + signal.SIGINT
        case UsageError():
            note(f"netdsl: {error}")
            return 2
        case WrongLimit():
            note(f"netdsl: {error.diagnostics[0].message}")
            return 2
        case BrokenPipeError():  # whoever read the output has seen enough
            discard_output()
            return 0
    if isinstance(error, CannotWriteError) and error.filename == OUTPUT:
        discard_output()
    diagnostics = _diagnostics(error)
    if not diagnostics:
        return _report_fault(error, words)
    print_diagnostics(diagnostics)
    return 1


def _diagnostics(error: BaseException) -> list[Diagnostic]:
    """The diagnostics of an error, or none if it is a fault of netdsl."""
    if isinstance(error, NetdslError):
        return error.diagnostics
    if isinstance(error, CannotWriteError):
        return [Diagnostic("cannot-write", f"{error.filename}: {error.strerror}")]
    if is_out_of_memory(error):
        lines = [line for line in str(error).splitlines() if MEMORY.search(line)]
        said = " ".join((lines or [str(error)])[0].split())[:200]
        message = "there is not enough memory" + (f": {said}" if said else "")
        return [Diagnostic("out-of-memory", message, help=_LESS)]
    if isinstance(error, CrashedError) and error.number == signal.SIGKILL:
        message = "the system ended the process with SIGKILL"
        help_ = "most likely the memory was full: give smaller sizes or batches"
        return [Diagnostic("killed", message, help=help_)]
    if isinstance(error, OSError) and error.filename is not None:
        return [Diagnostic("cannot-read", f"{error.filename}: {error.strerror}")]
    if isinstance(error, OSError):
        return [Diagnostic("system-error", f"the system refuses a request: {error}")]
    return []


def _report_fault(error: BaseException, words: list[str]) -> int:
    """Report that netdsl itself failed, and write the details to the user's log folder."""
    details = _details(error, words)
    if os.environ.get("NETDSL_DEBUG") == "1":
        place = "the details are above"
        note_lines(details)
    else:
        place = _written(details)
    said = " ".join(str(error).split())[:200]
    kind = "crash" if isinstance(error, CrashedError) else type(error).__name__
    message = f"`netdsl {words[0] if words else ''}` failed: {kind}" + (f": {said}" if said else "")
    help_ = f"netdsl or a library that it uses is at fault; please report it: {place}"
    print_diagnostics([Diagnostic("internal-error", message, help=help_)])
    return FAULT


def _details(error: BaseException, words: list[str]) -> str:
    system = import_module("platform").platform()  # few commands need these modules
    head = f"netdsl {__version__}, Python {sys.version}, {system}\ncommand: {words!r}\n\n"
    if isinstance(error, CrashedError):
        return f"{head}{error}\n{error.details}\n"
    return head + "".join(import_module("traceback").format_exception(error))


def _written(details: str) -> str:
    """Write the details to a new file in the log folder, else to standard error; returns where."""
    try:
        folder = Path(import_module("platformdirs").user_log_path("netdsl", ensure_exists=True))
        path = folder / f"fault-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
        path.write_text(details, encoding="utf-8", errors="backslashreplace")
    except OSError:
        note_lines(details)
        return "the details are above, because the log folder cannot be written"
    return f"the details are in {path}"
