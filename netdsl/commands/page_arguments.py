"""The commands of the playground and of editors; like `arguments`, this imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.commands.options import natural

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.commands.options import Add


def _view(add: Add) -> None:
    command = add(
        "view",
        "edit a file in the browser, beside its table and picture, and train its nets",
        "[options] [FILE[:NET]]",
        "Open a file in the playground: its text, the table, the picture and the errors side by"
        " side, as one types. The page saves the file on every change, and can train its nets with"
        " PyTorch. It is served on this machine only, until the command is stopped.",
        """
        netdsl view net.net
        netdsl view lenet5
        netdsl view
        """,
    )
    command.add_argument(
        "file",
        nargs="?",
        metavar="FILE[:NET]",
        help="a .net file, or a name from the library such as lenet5, which is not saved (default:"
        " the examples)",
    )
    command.add_argument(
        "--port",
        type=_port,
        default=0,
        metavar="N",
        help="the port of the server (default: any free one)",
    )
    command.add_argument(
        "--no-browser",
        action="store_true",
        help="print the address of the page, but do not open it",
    )


def _page(add: Add) -> None:
    command = add(
        "page",
        "write the playground as files for a web server",
        "[options] -o DIR",
        "Write the playground as a folder of static files. The compiler runs in the visitor's"
        " browser, so any web server can serve them, such as `python -m http.server"
        " --directory site/`.",
        """
        netdsl page -o site/
        """,
    )
    command.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="DIR",
        help="the folder to write: a new or empty one, or one with an older playground, which is"
        " replaced",
    )


def _lsp(add: Add) -> None:
    add(
        "lsp",
        "serve an editor: errors, completion, reference, shapes at the ends of lines",
        "[options]",
        "Run the language server. An editor starts it and talks to it on standard input and output,"
        " in the Language Server Protocol.",
        """
        netdsl lsp
        """,
    )


def _port(text: str) -> int:
    """A port; raises `argparse.ArgumentTypeError`."""
    return natural(text, 1, 65535)


PAGE_COMMANDS: dict[str, Callable[[Add], None]] = {
    "view": _view,
    "page": _page,
    "lsp": _lsp,
}
