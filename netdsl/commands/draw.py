"""`netdsl draw`: draws a net."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.commands.common import UsageError
from netdsl.commands.destinations import destination, format_of
from netdsl.commands.foreign import load_net_or_model
from netdsl.commands.output import note, say
from netdsl.draw.dot import folding_of
from netdsl.draw.formats import SUFFIXES, draw
from netdsl.draw.mermaid import MAX_ARROWS, MAX_LETTERS, is_large
from netdsl.draw.options import SCENES, DrawOptions
from netdsl.words import counted

if TYPE_CHECKING:
    import argparse


def run(arguments: argparse.Namespace) -> int:
    """Draw the net into the file that `-o` names, in the format of its suffix."""
    suffix = format_of(arguments.output, arguments.to, SUFFIXES)
    if suffix == ".mmd" and arguments.style in SCENES:
        raise UsageError(f"Mermaid cannot draw `--style {arguments.style}`: write .svg or .png")
    if arguments.field and (suffix == ".mmd" or arguments.style == "neurons"):
        raise UsageError("--field shades pixels, which Mermaid and `--style neurons` do not draw")
    compiled = load_net_or_model(arguments)
    options = DrawOptions(
        depth=arguments.depth,
        style=arguments.style,
        direction=arguments.direction,
        theme=arguments.theme,
        dpi=arguments.dpi,
        program=arguments.program or "",
        units=arguments.units or 0,
        field=arguments.field or "",
    )
    with destination(arguments.output, suffix) as path:
        draw(compiled.graph, path, options)
        if suffix == ".mmd" and is_large(path.read_text(encoding="utf-8")):
            most = f"at most {MAX_ARROWS} arrows and {MAX_LETTERS:,} characters"
            note(f"note: GitHub and other viewers draw {most}; fold blocks with --depth")
        folded = folding_of(compiled.graph, options)
        if arguments.depth is None and folded and suffix != ".mmd":
            note(
                f"note: large nets are folded: blocks deeper than level {folded} are one box each;"
                " --depth N draws more or fewer"
            )
    layers = counted(len(compiled.graph.nodes), "layer")
    say(f"{Path(arguments.output)}: {compiled.graph.name}, {layers}")
    return 0
