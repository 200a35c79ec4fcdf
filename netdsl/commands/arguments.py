"""The commands and their arguments: each function declares one command with its help.

Every start of netdsl reads this module, so it imports nothing that only the commands need.
`model_arguments` has the commands that write ONNX models and run them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.commands.model_arguments import MODEL_COMMANDS
from netdsl.commands.options import (
    add_device,
    add_format,
    add_input,
    add_net,
    add_output,
    add_parameters,
    add_weights,
    natural,
    positive,
)
from netdsl.commands.table_options import add_table_options

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
        "Check a net, or all nets of a file. Prints the layers with their output shapes, parameters"
        " and multiply-accumulates (MACs), the totals, and the input sizes for which the net is"
        " valid. Verifies every `expect` line.\n\n"
        "Given a folder or several files, check all of them, and print one line for each net,"
        " unless an option asks for tables.",
        """
        netdsl check lenet5
        netdsl check nets/ other.net --format sarif
        netdsl check resnet:ResNet50 -D classes=10 --depth 2
        netdsl check vgg --depth 0
        netdsl check vgg:VGG16 --sort params
        netdsl check alexnet:AlexNet --columns units,weights --only conv,dense
        """,
    )
    command.add_argument(
        "files",
        nargs="+",
        metavar="FILE[:NET]",
        help="a .net file, a folder with .net files, a name from the library such as lenet5, or -"
        " for standard input; NET picks one of several nets",
    )
    add_parameters(command)
    add_input(command)
    add_table_options(command)
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
        "draw a net as .svg, .png, .pdf, .dot, .mmd or .html",
        "[options] FILE[:NET] -o FILE",
        "Draw a net. A .mmd file is for Mermaid, and .html is one page with the picture, the table"
        " and the text. All formats except .dot and .mmd need the program `dot` of Graphviz.",
        """
        netdsl draw lenet5 -o lenet5.svg
        netdsl draw resnet:ResNet50 -o resnet50.html --depth 1
        netdsl draw lenet5 -o - --to dot
        """,
    )
    add_net(command)
    add_output(command, (".svg", ".png", ".pdf", ".dot", ".gv", ".mmd", ".html"))
    add_input(command)
    command.add_argument(
        "--depth",
        type=natural,
        metavar="N",
        help="draw blocks nested deeper than N levels as one box each",
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
        """,
    )
    command.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help=(
            "a .net file, a folder with .net files, or - to read standard input and write standard"
            " output"
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


# ---- training


def _train(add: Add) -> None:
    command = add(
        "train",
        "train a net as its `train` section specifies",
        "[options] FILE[:NET]",
        "Train a net with the settings of its `train` section. Writes the weights (safetensors),"
        " checkpoints, a log, curves and a report to a folder.",
        """
        netdsl train lenet5
        netdsl train lenet5 --data fashion_mnist --set train.epochs=3
        netdsl train lenet5 --set train.optimizer.lr=0.1 --out runs/fast
        netdsl train lenet5 --out runs/first --resume
        """,
    )
    _add_section(command)
    command.add_argument(
        "--weights",
        metavar="FILE",
        help="begin with the weights of a file or of a training run; layers that give the outputs"
        " get fresh weights if their sizes differ",
    )
    command.add_argument(
        "--out", metavar="DIR", help="the folder of the results (default: runs/NET)"
    )
    command.add_argument(
        "--log",
        action="append",
        default=[],
        choices=["csv", "tensorboard"],
        help="write another log besides JSON lines; can be given several times",
    )
    command.add_argument(
        "--resume",
        action="store_true",
        help="continue from the last checkpoint in the folder, or start if there is none",
    )
    command.add_argument(
        "--allow-changes",
        action="store_true",
        help="resume although the net, its settings or the data have changed",
    )
    command.add_argument(
        "--overwrite", action="store_true", help="replace the run in the folder by a new one"
    )
    add_device(command)


def _test(add: Add) -> None:
    command = add(
        "test",
        "compute the accuracy of trained weights on test images",
        "[options] FILE[:NET] --weights W",
        "Compute the metrics of the `train` section for trained weights, on the test images of its"
        " data set.",
        """
        netdsl test lenet5 --weights runs/LeNet5
        netdsl test lenet5 --weights runs/LeNet5 --engine onnxruntime
        """,
    )
    add_net(command)
    add_weights(command, required=True)
    _add_data(command)
    command.add_argument(
        "--engine",
        default="torch",
        choices=["torch", "onnxruntime"],
        help="compute in PyTorch or in onnxruntime (default: torch)",
    )
    add_device(command)
    command.add_argument(
        "--batch",
        type=positive,
        default=256,
        metavar="N",
        help="run N images at a time (default: 256)",
    )
    add_format(command)


def _runs(add: Add) -> None:
    command = add(
        "runs",
        "list and compare training runs",
        "[options] [DIR]",
        "List the training runs in a folder and below it, with their best epochs, and print which"
        " settings differ between them.",
        """
        netdsl runs
        netdsl runs runs/first --sort best
        netdsl runs --csv
        """,
    )
    command.add_argument(
        "folder",
        nargs="?",
        default="runs",
        metavar="DIR",
        help="the folder of a run, or a folder with such folders (default: runs)",
    )
    command.add_argument(
        "--sort",
        choices=["started", "best", "name"],
        default="started",
        help="the order: the oldest run first, the best one, or by name (default: started)",
    )
    command.add_argument(
        "--csv", action="store_true", help="print one line for each run, with all its settings"
    )
    add_format(command)


def _data(add: Add) -> None:
    command = add(
        "data",
        "print the data of a `train` section; draw augmented samples",
        "[options] FILE[:NET]",
        "Print the data of a `train` section: samples, classes, sizes, mean and deviation. Warns of"
        " unreadable files, missing and rare classes, and samples in two splits. Draws training"
        " samples as they are stored, and as the net gets them in training.",
        """
        netdsl data lenet5
        netdsl data small.net --data 'folder("photos", size = 64)' -o photos.png
        """,
    )
    _add_section(command)
    command.add_argument(
        "-o",
        "--output",
        default="samples.png",
        metavar="FILE",
        help="the PNG to write with samples (default: samples.png)",
    )
    add_format(command)


def _add_section(command: argparse.ArgumentParser) -> None:
    """Add the net, and the options that change its `train` section."""
    add_net(command)
    _add_data(command)
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="train.PATH=VALUE",
        help="replace an entry of the section, such as train.epochs=3, or a part of one, such as"
        " train.optimizer.lr=0.1; can be given several times",
    )


def _add_data(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--data",
        metavar="DATA",
        help="use this data set instead of the one in the `train` section, such as fashion_mnist"
        ' or folder("photos", size = 64)',
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
        "explain a command",
        "[COMMAND]",
        "Explain a command and its options, or list all commands.",
        """
        netdsl help
        netdsl help check
        """,
    )
    command.add_argument(
        "topic", nargs="?", metavar="COMMAND", help="the command to explain (default: all)"
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
    "fmt": _fmt,
    **MODEL_COMMANDS,
    "train": _train,
    "test": _test,
    "runs": _runs,
    "data": _data,
    "layers": _layers,
    "nets": _nets,
    "explain": _explain,
    "help": _help,
    "completion": _completion,
}
