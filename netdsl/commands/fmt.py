"""`netdsl fmt`: files into the canonical layout, or a word on those that are not in it."""

from __future__ import annotations

import os
import stat
import sys
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from netdsl import library
from netdsl.commands.common import print_diagnostics
from netdsl.commands.output import say
from netdsl.diagnostics import Diagnostic
from netdsl.errors import NetdslError
from netdsl.files import replacing
from netdsl.layout.format import format_source
from netdsl.source import Span

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from netdsl.source import SourceFile

_MARK = b"\xef\xbb\xbf"


def run(arguments: argparse.Namespace) -> int:
    """Format each file; one that cannot be is reported and left as it is, and the others go on."""
    found: list[Diagnostic] = []
    for name in arguments.files:
        try:
            for file in _files(name):
                found += _format(file, check=arguments.check)
        except NetdslError as fault:
            found.append(fault.diagnostic)
    print_diagnostics(found)
    return 1 if found else 0


def _files(name: str) -> Iterator[str]:
    """The file of that name, or every .net file in the folder of that name."""
    if name == "-" or not os.path.isdir(name):
        yield name
        return
    found = []
    for folder, inside, files in os.walk(name):
        inside[:] = [f for f in inside if not f.startswith(".")]
        found += [
            os.path.join(folder, f) for f in files if f.endswith(".net") and not f.startswith(".")
        ]
    if not found:
        raise NetdslError("file-not-found", f"there is no .net file in `{name}`")
    yield from sorted(found)


def _format(name: str, *, check: bool) -> list[Diagnostic]:
    try:
        source = library.open_source("-") if name == "-" else library.read(name)
        text = format_source(source)
        changes = text != source.text or (name != "-" and _marked(name))
        if check:
            return [_difference(source, text)] if changes else []
        if name == "-":
            sys.stdout.buffer.write(text.encode())
        elif changes:
            _write(name, text)
            say(f"formatted {name}")
    except NetdslError as error:
        return error.diagnostics
    except OSError as error:
        return [Diagnostic("cannot-write", f"{name}: {error.strerror or error}")]
    return []


def _marked(name: str) -> bool:
    """Whether a file begins with a byte order mark, which reading drops."""
    with open(name, "rb") as file:
        return file.read(len(_MARK)) == _MARK


def _write(name: str, text: str) -> None:
    """Put the text in the file's place; a link stays one, permissions stay."""
    path = os.path.realpath(name)
    if not os.access(path, os.W_OK):
        raise NetdslError("cannot-write", f"`{name}` is read-only")
    with replacing(Path(path), stat.S_IMODE(os.stat(path).st_mode)) as temporary:
        temporary.write_bytes(text.encode())


def _difference(source: SourceFile, text: str) -> Diagnostic:
    """That a file would change, and the first line that would."""
    place = 0
    span = None
    for one, other in zip_longest(source.text.split("\n"), text.split("\n")):
        if one != other:
            span = Span(source, place, place + len((one or "").rstrip("\r")))
            break
        place += len(one or "") + 1
    return Diagnostic(
        "not-formatted",
        f"`{source.name}` is not in the canonical layout",
        span,
        help=f"`netdsl fmt {source.name}` lays it out",
    )
