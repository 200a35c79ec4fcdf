"""`netdsl view`: opens a file in the playground, which saves it on every change."""

from __future__ import annotations

import threading
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.commands.output import say, say_always
from netdsl.library import open_source
from netdsl.page.server import Server
from netdsl.page.training import Training

if TYPE_CHECKING:
    import argparse


def run(arguments: argparse.Namespace) -> int:
    """Serve the page until the user stops the command; returns the exit code."""
    source = None if arguments.file is None else open_source(arguments.file)
    training = Training(Path("runs"))
    server = Server(source, training, arguments.port)
    try:
        say_always(server.address)
        say("Ctrl+C ends the command")
        if not arguments.no_browser:
            threading.Thread(target=webbrowser.open, args=(server.address,), daemon=True).start()
        server.serve_forever()
    finally:
        server.closing.set()
        server.server_close()
        training.close()
    return 0
