"""`netdsl diff`: what changed between two nets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.commands.common import parse_defines, split_name
from netdsl.commands.output import say, say_styled
from netdsl.diff.difference import Difference
from netdsl.diff.wording import details_of, title_of
from netdsl.driver import compile_picked, open_program

if TYPE_CHECKING:
    import argparse


def run(arguments: argparse.Namespace) -> int:
    """Print what changed; returns 1 if `--fail-if` holds."""
    nets = []
    for word in (arguments.before, arguments.after):
        file, net = split_name(word)
        nets.append(compile_picked(open_program(file, parse_defines(arguments.define)), net))
    difference = Difference(*nets)
    say_styled((nets[1].graph.name, "bold"), (f"  {arguments.before} → {arguments.after}", ""))
    for cause in difference.causes:
        say(f"  {title_of(cause)}")
        for line in details_of(cause):
            say(f"    {line}")
    return 0
