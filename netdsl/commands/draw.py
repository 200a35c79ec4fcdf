"""`netdsl draw`: the picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.backends.dot import SUFFIXES, draw
from netdsl.commands.common import UsageError, fail, load_one

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
    return 0
