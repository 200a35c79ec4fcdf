"""Makes the standard streams safe to use, even if they are closed, full or limited to ASCII."""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import TYPE_CHECKING

from netdsl.errors import CannotWriteError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

OUTPUT = "standard output"
_IN_ASCII = {"─": "-", "²": "^2", "³": "^3", "⌊": "floor(", "⌋": ")", "⌈": "ceil(", "⌉": ")"}


class _Output(io.FileIO):
    """Standard output, whose errors name it."""

    def write(self, data: ReadableBuffer) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise CannotWriteError(error.errno, error.strerror, OUTPUT) from error


class _Messages(io.FileIO):
    """Standard error; text that it cannot take is lost, because there is no other place for it."""

    def write(self, data: ReadableBuffer) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def open_standard() -> None:
    """Make `sys.stdout` and `sys.stderr` of this process safe to print to."""
    codecs.register_error("netdsl", in_ascii)
    if sys.platform == "win32":  # Windows consoles need streams of their own
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="netdsl")
        return
    _reserve()
    sys.stdout = _text(_Output(1, "w", closefd=False), sys.stdout)
    sys.stderr = _text(_Messages(2, "w", closefd=False), sys.stderr)


def discard_output() -> None:
    """Discard all further output: nobody reads it, or it cannot be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def in_ascii(error: UnicodeError) -> tuple[str, int]:
    """Replace signs that an encoding lacks: our own by ASCII, all others by JSON's escapes."""
    import json  # few runs need it

    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end]
    return "".join(_IN_ASCII.get(c) or json.dumps(c)[1:-1] for c in lacking), error.end


def _reserve() -> None:
    """Occupy the descriptors that the caller closed, so that the next open file cannot get them.

    Each is opened in the wrong direction, so that using it still fails as with a closed one.
    """
    for descriptor, mode in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_RDONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, mode)  # gets the lowest free number, which is this one


def _text(raw: io.FileIO, before: object) -> io.TextIOWrapper:
    """A text stream over `raw` with the settings of the one before."""
    encoding, each_line = "utf-8", raw.fileno() == 2
    if isinstance(before, io.TextIOWrapper):
        encoding = before.encoding
        each_line |= before.line_buffering or before.write_through
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, "netdsl", None, each_line)
