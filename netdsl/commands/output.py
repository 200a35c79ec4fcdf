"""The only way to a terminal: names out of files are printed without what could steer it."""

from __future__ import annotations

import json
import sys
from typing import Any

from netdsl.source import printable


def say(*lines: str) -> None:
    """Print lines of results."""
    for line in lines:
        print(printable(line, "\t"))


def note(line: str) -> None:
    """Print a line that is no result, to standard error."""
    print(printable(line, "\t"), file=sys.stderr)


def note_lines(text: str) -> None:
    """Print a text that is printable already, to standard error."""
    print(text, end="", file=sys.stderr)


def say_json(value: Any, indent: int | None = None) -> None:
    """Print a value as JSON. Letters stay as they are; what could steer a terminal is escaped."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    if not text.replace("\n", "").isprintable():
        text = "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)
    print(text)
