"""Prints everything that commands print; names from files cannot control the terminal."""

from __future__ import annotations

import os
import sys

from netdsl.source import printable

_STYLES = {"bold": "\x1b[1m", "dim": "\x1b[2m"}


def use_colour(stream: object) -> bool:
    """Whether to print colours: only on a terminal, and without `NO_COLOR` in the environment."""
    return not os.environ.get("NO_COLOR") and getattr(stream, "isatty", bool)()


def say(*lines: str) -> None:
    """Print result lines to standard output."""
    for line in lines:
        print(printable(line, "\t"))


def say_styled(*pieces: tuple[str, str]) -> None:
    """Print one line of pieces, each a text and its style: `bold`, `dim` or an empty string."""
    coloured = use_colour(sys.stdout)
    line = ""
    for text, style in pieces:
        shown = printable(text, "\t")
        if style and coloured:
            shown = f"{_STYLES[style]}{shown}\x1b[0m"
        line += shown
    print(line)


def note(line: str) -> None:
    """Print a line that is not a result to standard error."""
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
