"""`netdsl draw`: draws a net."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.commands.common import UsageError, load_one
from netdsl.commands.output import note, say
from netdsl.draw.formats import SUFFIXES, draw
from netdsl.draw.mermaid import MAX_ARROWS, MAX_LETTERS, is_large
from netdsl.words import counted

if TYPE_CHECKING:
    import argparse


def run(arguments: argparse.Namespace) -> int:
    """Draw the net into the file that `-o` names, in the format of its suffix."""
    path = Path(arguments.output)
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(
            f"-o takes a name that ends in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}, found"
            f" `{path}`"
        )
    compiled = load_one(arguments)
    draw(compiled.graph, path, arguments.depth)
    say(f"{path}: {compiled.graph.name}, {counted(len(compiled.graph.nodes), 'layer')}")
    if path.suffix.lower() == ".mmd" and is_large(path.read_text(encoding="utf-8")):
        most = f"at most {MAX_ARROWS} arrows and {MAX_LETTERS:,} characters"
        note(f"note: GitHub and other viewers draw {most}; fold blocks with --depth")
    return 0
