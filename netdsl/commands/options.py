"""The options that several commands share, and the types of values on the command line."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from netdsl.draw.options import MAX_DPI

if TYPE_CHECKING:
    from argparse import _ArgumentGroup
    from collections.abc import Callable, Sequence

    # Makes the parser of a command from its name, summary, usage, description and examples.
    Add = Callable[[str, str, str, str, str], argparse.ArgumentParser]
    Options = argparse.ArgumentParser | _ArgumentGroup

MAX_NUMBER = 10**9  # back ends store such numbers in 32 bits
EVERY = ("all", "full", "max", "none", "inf", "-1")  # how users ask for all levels
MAX_THREADS = 512  # onnxruntime takes seconds to start more


QUIET = {
    "completion": "has no effect: the script is for a program",
    "help": "has no effect: the help was asked for",
    "check": "print only errors, the warnings that --deny makes errors, and what --format, --csv or"
    " --markdown asks for",
    "draw": "print only errors",
    "diff": "print only errors, and JSON if --format asks for it",
    "fmt": "print only errors, and what --diff or - asks for",
    "export": "print only errors",
    "import": "print only errors",
    "verify": "print only errors, and JSON if --format asks for it",
    "run": "print only errors, and JSON if --format asks for it",
    "trace": "print only errors, and JSON if --format asks for it",
    "bench": "print only errors, and JSON if --format asks for it",
    "train": "print only errors",
    "test": "print only errors, and JSON if --format asks for it",
    "compare": "print only errors, and JSON if --format asks for it",
    "look": "print only errors",
    "view": "print only the address of the page, and errors",
    "page": "print only errors",
    "lsp": "has no effect: the output is for an editor",
    "runs": "print only the folders of the runs, and what --format or --csv asks for",
    "layers": "print only names, or the call of the one KIND",
    "nets": "print only names",
    "explain": "print only codes, or the first sentence about the one CODE",
}


def natural(text: str, least: int = 0, most: int = MAX_NUMBER) -> int:
    """An integer from `least` to `most`; raises `argparse.ArgumentTypeError`."""
    is_short_number = text.isdecimal() and text.isascii() and len(text) <= len(str(most))
    if not (is_short_number and least <= int(text) <= most):
        raise argparse.ArgumentTypeError(
            f"expected an integer from {least} to {most:,}, found {text[:40]}"
        )
    return int(text)


def levels(text: str) -> int:
    """A number of nested levels; raises `argparse.ArgumentTypeError`."""
    try:
        return natural(text)
    except argparse.ArgumentTypeError as error:
        if text.lower() not in EVERY:
            raise
        raise argparse.ArgumentTypeError(
            f"{error}; leave the option out to see all levels"
        ) from None


def dots(text: str) -> int:
    """The pixels of an inch; raises `argparse.ArgumentTypeError`."""
    return natural(text, 10, MAX_DPI)


def units(text: str) -> int:
    """The circles of a layer; raises `argparse.ArgumentTypeError`."""
    return natural(text, 3, 64)


def positive(text: str) -> int:
    """An integer of at least 1; raises `argparse.ArgumentTypeError`."""
    return natural(text, 1)


def share(text: str) -> float:
    """A number from 0 to 1; raises `argparse.ArgumentTypeError`."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, found {text[:40]}")
    return value


def seed_count(text: str) -> int:
    """A number of seeds; raises `argparse.ArgumentTypeError`."""
    return natural(text, 1, 1000)


def thread_count(text: str) -> int:
    """A number of threads; raises `argparse.ArgumentTypeError`."""
    return natural(text, 1, MAX_THREADS)


def add_printing(parser: argparse.ArgumentParser, command: str | None = None) -> None:
    """Add the options of every command, which can also precede the command."""
    missing: object = argparse.SUPPRESS  # what a command does not set, netdsl itself has set
    quiet, color = missing, missing
    if command is None:
        quiet, color = False, "auto"
    parser.add_argument(
        "-q",
        "--quiet",
        action="store_true",
        default=quiet,
        help=QUIET.get(command or "", "print only errors, and results that are for programs"),
    )
    parser.add_argument(
        "--color",
        choices=["auto", "always", "never"],
        default=color,
        metavar="WHEN",
        help="print colours auto, always or never (default: auto, on a terminal)",
    )


def add_format(command: Options, *, alias: bool = False, lines: bool = False) -> None:
    """Add `--format`; with `alias` also `--json`. With `lines`, JSON has a line for each result."""
    what = "; json prints one line for each sample" if lines else ""
    command.add_argument(
        "--format",
        choices=["text", "json"],
        default="text",
        help=f"output format (default: text){what}",
    )
    if alias:
        command.add_argument(
            "--json",
            dest="format",
            action="store_const",
            const="json",
            help="the same as --format json",
        )


def add_net(command: Options) -> None:
    """Add the net that a command is about, and the values of its parameters."""
    command.add_argument(
        "file",
        metavar="FILE[:NET]",
        help="a .net file, a name from the library such as lenet5, or - for standard input; NET"
        " picks one of several nets",
    )
    add_parameters(command)


def add_nets(command: Options, what: str) -> None:
    """Add the nets that a command is about, at least one, and `-D`; `what` says what names them."""
    command.add_argument(
        "files",
        nargs="+",
        metavar="FILE[:NET]",
        help=f"{what} for standard input; NET picks one of several nets",
    )
    add_parameters(command)


def add_parameters(command: Options) -> None:
    """Add `-D`, which sets the parameters of a net."""
    command.add_argument(
        "-D",
        dest="define",
        action="append",
        metavar="NAME=VALUE",
        help="set a parameter of the net, such as classes=10; can be given several times",
    )


def add_input(command: Options) -> None:
    """Add `--input`, which gives sizes that the text leaves open."""
    command.add_argument(
        "--input",
        action="append",
        metavar="SIZES",
        help="sizes of an input that the net leaves open: 3x256x256 for the first input,"
        " NAME=3x256x256 for another",
    )


def add_output(command: Options, formats: Sequence[str]) -> None:
    """Add the required `-o`, and `--to` for standard output; `formats` are suffixes."""
    command.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="FILE",
        help=f"the file to write; its suffix is the format: {', '.join(formats)}; - writes to"
        " standard output, in the format of --to",
    )
    command.add_argument(
        "--to",
        choices=[suffix.removeprefix(".") for suffix in formats],
        metavar="FORMAT",
        help="the format with -o -, such as " + formats[0].removeprefix("."),
    )


def add_weights(command: Options, default: str = "", *, required: bool = False) -> None:
    """Add the options of every command that reads weights.

    `default` is what the command uses without weights, for the help.
    """
    help_ = (
        "read the weights from a safetensors file, a PyTorch checkpoint, a .npz archive or the"
        " folder of a training run"
    )
    if default:
        help_ += f" (default: {default})"
    command.add_argument("--weights", required=required, metavar="W", help=help_)
    command.add_argument(
        "--allow-nonfinite",
        action="store_true",
        help="accept weights that are infinite or not a number",
    )


def add_labels(command: Options, default: str) -> None:
    """Add `--labels`; `default` are the class names without it, for the help."""
    command.add_argument(
        "--labels",
        metavar="FILE",
        help=f"text file with one class name per line (default: {default})",
    )


def add_constants(command: Options, default: str) -> None:
    """Add `--mean` and `--std`; `default` is the mean without them, for the help."""
    command.add_argument(
        "--mean",
        metavar="NUMBERS",
        help="mean that normalises pictures: one number for each channel, such as"
        f" 0.485,0.456,0.406, or one for all (default: {default})",
    )
    command.add_argument(
        "--std",
        metavar="NUMBERS",
        help="standard deviation that normalises pictures, in the same form",
    )


def add_device(
    command: Options, default: str = "auto", choices: tuple[str, ...] = ("auto", "cpu", "cuda")
) -> None:
    """Add `--device`."""
    command.add_argument(
        "--device",
        default=default,
        choices=choices,
        help=f"where to compute (default: {default}); auto uses a GPU if there is one",
    )
