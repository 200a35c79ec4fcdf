"""Writes changed texts back to their files, and prints what changed."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.commands.output import say_difference
from netdsl.errors import NetdslError
from netdsl.files import replacing

if TYPE_CHECKING:
    from netdsl.source import SourceFile

_MARK = b"\xef\xbb\xbf"


def has_mark(name: str) -> bool:
    """Whether a file begins with a byte order mark, which `library.read` drops."""
    with open(name, "rb") as file:
        return file.read(len(_MARK)) == _MARK


def write_text(name: str, text: str) -> None:
    """Replace the text of a file; links are followed, and the permissions stay.

    Raises `NetdslError` if the file is read-only, and `OSError`.
    """
    path = os.path.realpath(name)
    if not os.access(path, os.W_OK):
        raise NetdslError("cannot-write", f"`{name}` is read-only")
    with replacing(Path(path), stat.S_IMODE(os.stat(path).st_mode)) as temporary:
        temporary.write_bytes(text.encode())


def print_difference(name: str, source: SourceFile, text: str) -> None:
    """Print the changes of a file as a unified diff, which `patch` can apply."""
    from difflib import unified_diff  # few runs need it

    before = source.text
    if name != "-" and has_mark(name):
        before = _MARK.decode() + before
    for line in unified_diff(_lines(before), _lines(text), source.name, source.name):
        say_difference(line)


def _lines(text: str) -> list[str]:
    """The lines with their line breaks; `splitlines` would also split at other characters."""
    *lines, last = text.split("\n")
    return [f"{line}\n" for line in lines] + ([last] if last else [])
