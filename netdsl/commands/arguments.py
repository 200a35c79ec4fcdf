"""The commands and their arguments: each function declares one command with its help.

Every start of netdsl reads this module, so it imports nothing that only the commands need.
`model_arguments` has the commands that write ONNX models and run them, and
`training_arguments` those of training, and `page_arguments` those of the playground.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.commands.diff_arguments import DIFF_COMMANDS
from netdsl.commands.import_arguments import IMPORT_COMMANDS
from netdsl.commands.look_arguments import LOOK_COMMANDS
from netdsl.commands.model_arguments import MODEL_COMMANDS
from netdsl.commands.options import (
    add_format,
    add_input,
    add_net,
    add_nets,
    add_output,
    dots,
    levels,
    units,
)
from netdsl.commands.page_arguments import PAGE_COMMANDS
from netdsl.commands.parallel_options import add_parallel_options
from netdsl.commands.table_options import add_table_options
from netdsl.commands.training_arguments import TRAINING_COMMANDS
from netdsl.draw.options import DIRECTIONS, PROGRAMS, STYLES, THEMES

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from netdsl.commands.options import Add


# ---- texts


def _check(add: Add) -> None:
    command = add(
        "check",
        "check nets; print their layers, parameters and MACs",
        "[options] FILE[:NET]...",
        "Check a net, all nets of a file, or a .onnx model. Prints the layers with their output"
        " shapes, parameters and multiply-accumulates (MACs), the totals, and the input sizes for"
        " which the net is valid. Verifies every `expect` line.\n\n"
        "Given a folder or several files, check all of them, and print one line for each net,"
        " unless an option asks for tables.",
        """
        netdsl check lenet5
        netdsl check nets/ other.net --format sarif
        netdsl check resnet:ResNet50 -D classes=10 --depth 2
        netdsl check model.onnx
        netdsl check vgg --depth 0
        netdsl check vgg:VGG16 --sort params
        netdsl check alexnet:AlexNet --columns units,weights --only conv,dense
        netdsl check vgg:VGG16 --show parallel --devices 8,64 --bandwidth 100Gbit/s
        """,
    )
    what = (
        "a .net file, a folder with .net files, a .onnx model, a name from the library such as"
        " lenet5, or -"
    )
    add_nets(command, what)
    add_input(command)
    add_table_options(command)
    add_parallel_options(command)
    command.add_argument(
        "--format",
        choices=["text", "json", "sarif", "github"],
        default="text",
        help="output format (default: text); sarif and github contain only diagnostics",
    )
    _add_finding_options(command)


def _add_finding_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--fix",
        action="store_true",
        help="correct the errors that have a certain correction in the files, and print what"
        " changed; a valid file is never changed",
    )
    command.add_argument(
        "--deny",
        default="errors",
        choices=("errors", "warnings"),
        help="exit with 1 if there are any (default: errors)",
    )
    command.add_argument(
        "--lint",
        default="warnings",
        choices=("warnings", "all"),
        help="all prints hints as well as warnings (default: warnings); a comment `# allow: CODE`"
        " at the end of a line silences both there",
    )


def _draw(add: Add) -> None:
    command = add(
        "draw",
        "draw a net as .svg, .png, .pdf, .tex, .dot, .mmd or .html",
        "[options] FILE[:NET] -o FILE",
        "Draw a net or a .onnx model. A .mmd file is for Mermaid, .tex is TikZ for LaTeX, and .html"
        " is one page with the picture, the table and the text. A .pdf file needs the program `dot`"
        " of Graphviz.",
        """
        netdsl draw lenet5 -o lenet5.svg
        netdsl draw resnet:ResNet50 -o resnet50.png --style blocks --direction right
        netdsl draw lenet5 -o lenet5.svg --style volumes --field C3:5,5
        netdsl draw resnet:ResNet50 -o resnet50.html --depth 1
        netdsl draw lenet5 -o - --to dot
        """,
    )
    add_net(command)
    add_output(command, (".svg", ".png", ".pdf", ".tex", ".dot", ".gv", ".mmd", ".html"))
    add_input(command)
    command.add_argument(
        "--depth",
        type=levels,
        metavar="N",
        help="draw blocks nested deeper than N levels as one box each",
    )
    _add_styles(command)


def _add_styles(command: argparse.ArgumentParser) -> None:
    """Add the options of a picture's style."""
    command.add_argument(
        "--style",
        choices=STYLES,
        default="layers",
        help="`layers` (the default), `blocks` (a box for each block), `volumes` (maps to scale) or"
        " `neurons` (the units of a perceptron)",
    )
    command.add_argument(
        "--units",
        type=units,
        metavar="N",
        help="the most circles of a layer in the style `neurons` (default: 8)",
    )
    command.add_argument(
        "--field",
        metavar="LAYER:ROW,COLUMN",
        help="shade the pixels of the input that this unit sees, such as C3:5,5",
    )
    command.add_argument(
        "--direction",
        choices=DIRECTIONS,
        default="down",
        help="where the data flows (default: down)",
    )
    command.add_argument(
        "--theme",
        choices=THEMES,
        default="light",
        help="the colours: light, dark, or print for printers without colours (default: light)",
    )
    command.add_argument(
        "--dpi",
        type=dots,
        default=144,
        metavar="N",
        help="the pixels of an inch in a .png file (default: 144)",
    )
    command.add_argument(
        "--program",
        choices=PROGRAMS,
        help="the program that lays out the picture (default: graphviz-pure, and dot for .pdf)",
    )


def _fmt(add: Add) -> None:
    command = add(
        "fmt",
        "format .net files",
        "[options] FILE...",
        "Format .net files in place, in the one canonical layout. Comments are kept.",
        """
        netdsl fmt net.net
        netdsl fmt --check nets/
        netdsl fmt --diff nets/
        netdsl fmt lenet5 -o my.net
        """,
    )
    command.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help=(
            "a .net file, a folder with .net files, or - to read standard input and write standard"
            " output; with -o, also a name of the library"
        ),
    )
    command.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="write the text of the one file to FILE, or with - to standard output",
    )
    command.add_argument(
        "--diff",
        action="store_true",
        help="write nothing; print what would change, and exit with 1 if anything would",
    )
    command.add_argument(
        "--check",
        action="store_true",
        help="write nothing; report the files that would change, and exit with 1 if there are any",
    )


# ---- references


def _layers(add: Add) -> None:
    command = add(
        "layers",
        "print the reference of the layers",
        "[options] [KIND]",
        "List all kinds of layers, or print the arguments, inputs and examples of one.",
        """
        netdsl layers
        netdsl layers conv
        """,
    )
    command.add_argument(
        "kind", nargs="?", metavar="KIND", help="a kind of layer, such as conv (default: all)"
    )
    add_format(command)


def _nets(add: Add) -> None:
    command = add(
        "nets",
        "list the nets of the library with their figures",
        "[options]",
        "List the nets of the library with their parameters, MACs and years. Every command accepts"
        " these names in place of a file.",
        """
        netdsl nets
        netdsl check resnet:ResNet50
        """,
    )
    add_format(command)


def _explain(add: Add) -> None:
    command = add(
        "explain",
        "explain the code of an error, a warning or a hint",
        "[options] [CODE]",
        "Explain a code, such as the one in `error[shape-mismatch]`, with a wrong and a right"
        " example. Without a code, list all of them.",
        """
        netdsl explain shape-mismatch
        netdsl explain
        """,
    )
    command.add_argument(
        "code", nargs="?", metavar="CODE", help="a code, such as shape-mismatch (default: all)"
    )
    add_format(command)


def _help(add: Add) -> None:
    command = add(
        "help",
        "explain a command, or what a `train` section can name",
        "[COMMAND | training | NAME]",
        "Explain a command and its options, or list all commands. `netdsl help training` lists the"
        " data sets, optimizers, schedules, losses, metrics and augmentations with their arguments,"
        " and the name of one, such as `sgd`, explains it.",
        """
        netdsl help
        netdsl help check
        netdsl help training
        netdsl help sgd
        """,
    )
    command.add_argument(
        "topic",
        nargs="?",
        metavar="COMMAND",
        help="a command, `training` or a name in it (default: all commands)",
    )


def _completion(add: Add) -> None:
    command = add(
        "completion",
        "print the script that completes command lines in a shell",
        "SHELL",
        "Print the script with which bash or zsh completes commands, options, .net files and nets"
        " of the library. The file ~/.bashrc or ~/.zshrc evaluates it.",
        """
        netdsl completion bash
        netdsl completion zsh
        """,
    )
    command.add_argument(
        "shell", choices=["bash", "zsh"], metavar="SHELL", help="the shell: bash or zsh"
    )


# In the order of the help.
COMMANDS: dict[str, Callable[[Add], None]] = {
    "check": _check,
    "draw": _draw,
    **DIFF_COMMANDS,
    "fmt": _fmt,
    **MODEL_COMMANDS,
    **IMPORT_COMMANDS,
    **TRAINING_COMMANDS,
    **LOOK_COMMANDS,
    **PAGE_COMMANDS,
    "layers": _layers,
    "nets": _nets,
    "explain": _explain,
    "help": _help,
    "completion": _completion,
}
