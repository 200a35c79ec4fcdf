"""Prints everything that commands print; names from files cannot control the terminal."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

from netdsl.source import printable

_CHANGES = {"-": "\x1b[31m", "+": "\x1b[32m", "@": "\x1b[36m"}  # the colours of a diff
_STYLES = {"bold": "\x1b[1m", "dim": "\x1b[2m"}


class Printing(NamedTuple):
    """How a command prints.

    If `quiet`, it prints only errors, and results that are for programs. `color` is `auto`,
    `always` or `never`. With `is_file`, standard output is the file that the command writes, and
    nothing else may be printed there. With `json`, results and errors are JSON.
    """

    quiet: bool = False
    color: str = "auto"
    is_file: bool = False
    json: bool = False

    @property
    def hides_text(self) -> bool:
        """Whether results for people are not printed."""
        return self.quiet or self.is_file or self.json


_printing = Printing()


def print_as(printing: Printing) -> None:
    """Choose how the command that runs next in this process prints."""
    global _printing
    _printing = printing


def printing() -> Printing:
    """How the command prints that runs."""
    return _printing


def use_colour(stream: object) -> bool:
    """Whether to print colours.

    Unless `--color` decides it, colours are printed on a terminal, or if `FORCE_COLOR` is in the
    environment; and never if `NO_COLOR` is.
    """
    if _printing.color != "auto":
        return _printing.color == "always"
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or getattr(stream, "isatty", bool)()


def say(*lines: str) -> None:
    """Print results for people to standard output."""
    if not _printing.hides_text:
        say_always(*lines)


def say_always(*lines: str) -> None:
    """Print lines to standard output that the user asked for, even with `--quiet`."""
    for line in lines:
        print(printable(line, "\t"))


def say_styled(*pieces: tuple[str, str]) -> None:
    """Print one line of pieces, each a text and its style: `bold`, `dim` or an empty string."""
    if _printing.hides_text:
        return
    coloured = use_colour(sys.stdout)
    line = ""
    for text, style in pieces:
        shown = printable(text, "\t")
        if style and coloured:
            shown = f"{_STYLES[style]}{shown}\x1b[0m"
        line += shown
    print(line)


def say_difference(line: str) -> None:
    """Print a line of a unified diff, which has its line break unless it ends a file without one.

    On a terminal, unprintable characters are replaced; elsewhere the line stays as it is, so that
    the diff can be applied.
    """
    shown, line_break, _ = line.partition("\n")
    if sys.stdout.isatty():
        shown = printable(shown, "\t")
    if use_colour(sys.stdout) and shown[:1] in _CHANGES:
        shown = f"{_CHANGES[shown[0]]}{shown}\x1b[0m"
    print(shown)
    if not line_break:
        print("\\ No newline at end of file")


def note(line: str) -> None:
    """Print a line that is neither a result nor an error to standard error."""
    if not _printing.quiet:
        complain(line)


def complain(line: str) -> None:
    """Print an error to standard error."""
    print(printable(line, "\t"), file=sys.stderr)


def note_lines(text: str) -> None:
    """Print a text to standard error; its control characters are already replaced."""
    print(text, end="", file=sys.stderr)


def say_json(value: object, indent: int | None = None) -> None:
    """Print a value as JSON; only control characters are escaped."""
    import json  # only these formats need it

    text = json.dumps(value, indent=indent, ensure_ascii=False)
    if not text.replace("\n", "").isprintable():
        text = "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)
    print(text)
