"""`netdsl page`: writes the playground as files for a web server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.commands.output import say
from netdsl.page.site import write

if TYPE_CHECKING:
    import argparse


def run(arguments: argparse.Namespace) -> int:
    """Write the files; returns the exit code."""
    count = write(Path(arguments.output))
    say(f"wrote {count} files to {arguments.output}; any web server can serve them, for example")
    say(f"  python -m http.server --directory {arguments.output}")
    return 0
