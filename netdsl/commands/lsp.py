"""`netdsl lsp`: the language server, on standard input and output."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from netdsl.lsp.server import LanguageServer

if TYPE_CHECKING:
    import argparse


def run(_: argparse.Namespace) -> int:
    """Serve an editor until it ends the connection; returns the exit code."""
    return LanguageServer(sys.stdin.buffer, sys.stdout.buffer).run()
