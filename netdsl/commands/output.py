"""Prints everything that goes to a terminal; names from files cannot steer it."""

from __future__ import annotations

import os
import sys
from typing import Any

from netdsl.source import printable

_STYLES = {"bold": "\x1b[1m", "dim": "\x1b[2m"}


def use_colour(stream: object) -> bool:
    """Whether to print colours: only on a terminal, and without `NO_COLOR` in the environment."""
    return not os.environ.get("NO_COLOR") and getattr(stream, "isatty", bool)()


def say(*lines: str) -> None:
    """Print lines of results."""
    for line in lines:
        print(printable(line, "\t"))


def say_styled(*pieces: tuple[str, str]) -> None:
    """Print a line of texts, each with its style: `bold`, `dim` or plain."""
    coloured = use_colour(sys.stdout)
    shown = []
    for text, style in pieces:
        safe = printable(text, "\t")
        shown.append(f"{_STYLES[style]}{safe}\x1b[0m" if style and coloured else safe)
    print("".join(shown))


def note(line: str) -> None:
    """Print a line that is not a result to standard error."""
    print(printable(line, "\t"), file=sys.stderr)


def note_lines(text: str) -> None:
    """Print a text that has no control characters to standard error."""
    print(text, end="", file=sys.stderr)


def say_json(value: Any, indent: int | None = None) -> None:
    """Print a value as JSON. Letters stay as they are; control characters are escaped."""
    import json  # only these formats need it

    text = json.dumps(value, indent=indent, ensure_ascii=False)
    if not text.replace("\n", "").isprintable():
        text = "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)
    print(text)
