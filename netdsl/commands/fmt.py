"""`netdsl fmt`: brings files into the canonical layout, or reports those that are not in it."""

from __future__ import annotations

import os
import sys
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from netdsl import library
from netdsl.commands.common import UsageError, net_files, print_diagnostics
from netdsl.commands.output import say
from netdsl.commands.texts import print_difference
from netdsl.diagnostics import Diagnostic
from netdsl.errors import NetdslError
from netdsl.files import has_mark, replacing, write_text
from netdsl.layout.format import format_source
from netdsl.source import Span

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from netdsl.source import SourceFile


def run(arguments: argparse.Namespace) -> int:
    """Format each file; a file with an error is reported and left as it is."""
    diagnostics: list[Diagnostic] = []
    files = list(_files(arguments.files, diagnostics))
    _check_options(arguments, files)
    changed = False
    for name in files:
        try:
            layout = _layout(name, arguments)
            changed |= layout.changes
            diagnostics += _finish(layout, arguments)
        except NetdslError as error:
            diagnostics += error.diagnostics
        except OSError as error:
            diagnostics.append(Diagnostic("cannot-write", f"{name}: {error.strerror or error}"))
    sys.stdout.flush()
    print_diagnostics(diagnostics)
    return int(bool(diagnostics) or (arguments.diff and changed))


def _files(names: list[str], diagnostics: list[Diagnostic]) -> Iterator[str]:
    """The named files and those in the named folders; errors are added to `diagnostics`."""
    for name in names:
        if name == "-" or not os.path.isdir(name):
            yield name
            continue
        files, errors = net_files(name)
        diagnostics += errors
        yield from files


def _check_options(arguments: argparse.Namespace, files: list[str]) -> None:
    """Check the options against each other; raises `UsageError`."""
    if arguments.output is None:
        return
    if arguments.check or arguments.diff:
        raise UsageError("-o writes the text, --check and --diff write nothing: leave one out")
    if len(files) > 1:
        raise UsageError(f"-o takes the text of one file, found {len(files)}")


class Layout(NamedTuple):
    """A file as it is and in the canonical layout, and whether these differ."""

    name: str
    source: SourceFile
    text: str
    changes: bool


def _source(name: str, arguments: argparse.Namespace) -> SourceFile:
    """The text of a file, or, for `-o`, of one of the library; raises `NetdslError`."""
    if name == "-" or arguments.output is not None:
        return library.open_source(name)
    if library.library_file(name) is not None and not os.path.exists(name):
        message = f"`{name}` is a file of the library, not one of yours"
        help_ = f"`netdsl fmt {name} -o {name}.net` writes a copy of it"
        raise NetdslError("file-not-found", message, help=help_)
    return library.read(name)


def _layout(name: str, arguments: argparse.Namespace) -> Layout:
    """The layout of a file; raises `NetdslError`."""
    source = _source(name, arguments)
    text = format_source(source)
    changes = text != source.text or (source.path is not None and has_mark(source.path))
    return Layout(name, source, text, changes)


def _finish(layout: Layout, arguments: argparse.Namespace) -> list[Diagnostic]:
    """Do with a formatted text what the options ask for; returns what is wrong."""
    name, text = layout.name, layout.text
    if arguments.diff and layout.changes:
        print_difference(name, layout.source, text)
    if arguments.check and layout.changes:
        return [_difference(layout.source, text)]
    if arguments.check or arguments.diff:
        return []
    output = arguments.output or name
    if output == "-":
        sys.stdout.buffer.write(text.encode())
    elif output != name:
        with replacing(Path(output)) as temporary:
            temporary.write_bytes(text.encode())
        say(f"{output}: {name} in the canonical layout")
    elif layout.changes:
        write_text(name, text)
        say(f"formatted {name}")
    return []


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
