"""`netdsl view`: opens a file in the playground, which saves it on every change."""

from __future__ import annotations

import errno
import threading
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.commands.common import UsageError, split_name
from netdsl.commands.output import say, say_always
from netdsl.driver import program_of
from netdsl.library import open_source
from netdsl.page.server import Server
from netdsl.page.training import Training

if TYPE_CHECKING:
    import argparse


def run(arguments: argparse.Namespace) -> int:
    """Serve the page until the user stops the command; returns the exit code."""
    source, net = None, None
    if arguments.file is not None:
        name, net = split_name(arguments.file)
        source = open_source(name)
        if net is not None:
            net = program_of(source).pick(net)
    training = Training(Path("runs"))
    try:
        server = Server(source, training, arguments.port, net)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        message = f"--port {arguments.port}: another program uses this port"
        raise UsageError(message) from None
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
