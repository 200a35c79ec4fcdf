"""`netdsl draw`: the picture."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.backends.draw import SUFFIXES, draw
from netdsl.backends.mermaid import MAX_ARROWS, MAX_LETTERS, is_large
from netdsl.commands.common import UsageError, load_one
from netdsl.diagnostics import fail

if TYPE_CHECKING:
    import argparse


def run(arguments: argparse.Namespace) -> int:
    """Draw the net into the file that `-o` names; its suffix says what is made."""
    path = Path(arguments.output)
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"-o takes a name that ends in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}, found `{path}`")
    if arguments.depth is not None and arguments.depth < 0:
        raise UsageError(f"--depth takes 0 or more, found {arguments.depth}")
    _, _, compiled, _ = load_one(arguments)
    try:
        draw(compiled.graph, path, arguments.depth)
    except OSError as error:
        fail("cannot-write", f"{path} cannot be written: {error.strerror or error}")
    print(f"{path}: {compiled.graph.name}, {len(compiled.graph.nodes)} layers")
    if path.suffix.lower() == ".mmd" and is_large(path.read_text(encoding="utf-8")):
        print(f"note: GitHub and others draw {MAX_ARROWS} arrows and {MAX_LETTERS:,} letters at most; fold blocks with --depth", file=sys.stderr)
    return 0
