"""`netdsl fmt`: brings files into the canonical layout, or reports those that are not in it."""

from __future__ import annotations

import os
import stat
import sys
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from netdsl import library
from netdsl.commands.common import net_files, print_diagnostics
from netdsl.commands.output import say
from netdsl.diagnostics import Diagnostic
from netdsl.errors import NetdslError
from netdsl.files import replacing
from netdsl.layout.format import format_source
from netdsl.source import Span

if TYPE_CHECKING:
    import argparse

    from netdsl.source import SourceFile

_MARK = b"\xef\xbb\xbf"


def run(arguments: argparse.Namespace) -> int:
    """Format each file; a file with an error is reported and left as it is."""
    diagnostics: list[Diagnostic] = []
    for name in arguments.files:
        files = [name]
        if name != "-" and os.path.isdir(name):
            files, errors = net_files(name)
            diagnostics += errors
        for file in files:
            diagnostics += _format(file, check=arguments.check)
    print_diagnostics(diagnostics)
    return int(bool(diagnostics))


def _format(name: str, *, check: bool) -> list[Diagnostic]:
    try:
        source = library.open_source("-") if name == "-" else library.read(name)
        text = format_source(source)
        changes = text != source.text or (name != "-" and _has_mark(name))
        if check and changes:
            return [_difference(source, text)]
        if not check:
            _replace(name, text, changes=changes)
    except NetdslError as error:
        return error.diagnostics
    except OSError as error:
        return [Diagnostic("cannot-write", f"{name}: {error.strerror or error}")]
    return []


def _replace(name: str, text: str, *, changes: bool) -> None:
    """Put the formatted text in place of a file, or print that of standard input."""
    if name == "-":
        sys.stdout.buffer.write(text.encode())
    elif changes:
        _write(name, text)
        say(f"formatted {name}")


def _has_mark(name: str) -> bool:
    """Whether a file begins with a byte order mark, which `library.read` drops."""
    with open(name, "rb") as file:
        return file.read(len(_MARK)) == _MARK


def _write(name: str, text: str) -> None:
    """Replace the file's text; links are followed, and the permissions stay."""
    path = os.path.realpath(name)
    if not os.access(path, os.W_OK):
        raise NetdslError("cannot-write", f"`{name}` is read-only")
    with replacing(Path(path), stat.S_IMODE(os.stat(path).st_mode)) as temporary:
        temporary.write_bytes(text.encode())


def _difference(source: SourceFile, text: str) -> Diagnostic:
    """The diagnostic for a file that would change; it points at the first line that would."""
    place = 0
    span = None
    for line, formatted in zip_longest(source.text.split("\n"), text.split("\n")):
        length = len((line or "").rstrip("\r"))
        if line != formatted:
            span = Span(source, place, place + length)
            break
        place += len(line or "") + 1
    return Diagnostic(
        "not-formatted",
        f"`{source.name}` is not in the canonical layout",
        span,
        help=f"`netdsl fmt {source.name}` formats it",
    )
