"""`netdsl help`: explains a command, or a name of a `train` section."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.commands.common import UsageError
from netdsl.commands.output import say_always
from netdsl.commands.parser import build_parser

if TYPE_CHECKING:
    import argparse


def run(arguments: argparse.Namespace) -> int:
    """Print the help of the topic, or of netdsl itself; returns the exit code."""
    parser = build_parser()
    if arguments.topic is not None:
        if arguments.topic not in parser.commands:
            from netdsl.commands.meant import unknown_command  # only errors need it
            from netdsl.commands.training_help import topic_of  # no command needs it

            lines = topic_of(arguments.topic)
            if lines is not None:
                say_always(*lines)
                return 0
            raise UsageError(unknown_command(arguments.topic))
        parser = parser.commands[arguments.topic]
    say_always(*parser.format_help().splitlines())
    return 0
