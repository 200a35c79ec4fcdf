"""Prints what changed in a text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.commands.output import say_difference
from netdsl.files import MARK, has_mark

if TYPE_CHECKING:
    from netdsl.source import SourceFile


def print_difference(name: str, source: SourceFile, text: str) -> None:
    """Print the changes of a file as a unified diff, which `patch` can apply."""
    from difflib import unified_diff  # few runs need it

    before = source.text
    if name != "-" and has_mark(name):
        before = MARK.decode() + before
    for line in unified_diff(_lines(before), _lines(text), source.name, source.name):
        say_difference(line)


def _lines(text: str) -> list[str]:
    """The lines with their line breaks; `splitlines` would also split at other characters."""
    *lines, last = text.split("\n")
    return [f"{line}\n" for line in lines] + ([last] if last else [])
