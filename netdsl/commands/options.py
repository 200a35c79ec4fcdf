"""The options that several commands share, and the types of values on the command line."""

from __future__ import annotations

import argparse

MAX_NUMBER = 10**9  # back ends keep such numbers in 32 bits
MAX_THREADS = 512  # onnxruntime needs seconds to start more


def natural(text: str, least: int = 0, most: int = MAX_NUMBER) -> int:
    """An integer from `least` to `most`; raises `argparse.ArgumentTypeError`."""
    is_short_number = text.isdecimal() and text.isascii() and len(text) <= len(str(most))
    if not (is_short_number and least <= int(text) <= most):
        raise argparse.ArgumentTypeError(
            f"it takes an integer from {least} to {most:,}, found {text[:40]}"
        )
    return int(text)


def positive(text: str) -> int:
    """An integer of at least 1; raises `argparse.ArgumentTypeError`."""
    return natural(text, 1)


def thread_count(text: str) -> int:
    """A number of threads; raises `argparse.ArgumentTypeError`."""
    return natural(text, 1, MAX_THREADS)


def add_net(command: argparse.ArgumentParser) -> None:
    """Add the net that a command is about, and the values of its parameters."""
    command.add_argument(
        "file",
        metavar="FILE[:NET]",
        help="a .net file, a name from the library, or - for standard input",
    )
    add_parameters(command)


def add_parameters(command: argparse.ArgumentParser) -> None:
    """Add `-D`, which sets the parameters of a net."""
    command.add_argument(
        "-D",
        dest="define",
        action="append",
        metavar="NAME=VALUE",
        help="set a parameter of the net",
    )


def add_input(command: argparse.ArgumentParser) -> None:
    """Add `--input`, which gives sizes that the text leaves open."""
    command.add_argument(
        "--input",
        action="append",
        metavar="SIZES",
        help="sizes of an input that the text leaves open: 3x256x256, or name=SIZES",
    )


def add_weights(
    command: argparse.ArgumentParser, without: str = "", *, required: bool = False
) -> None:
    """Add the options of every command that reads weights.

    `without` tells users what the command does without weights.
    """
    kinds = "a safetensors file, a PyTorch checkpoint, a .npz archive, or a training run's folder"
    command.add_argument(
        "--weights",
        required=required,
        metavar="W",
        help="; ".join(filter(None, (kinds, without))),
    )
    command.add_argument(
        "--allow-nonfinite", action="store_true", help="accept weights that are not finite numbers"
    )


def add_labels(command: argparse.ArgumentParser) -> None:
    """Add `--labels`, a file of class names."""
    command.add_argument("--labels", metavar="FILE", help="class names, one a line")


def add_device(
    command: argparse.ArgumentParser,
    default: str = "auto",
    choices: tuple[str, ...] = ("auto", "cpu", "cuda"),
) -> None:
    """Add `--device`."""
    command.add_argument("--device", default=default, choices=choices)
