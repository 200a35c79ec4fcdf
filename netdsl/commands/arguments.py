"""The commands and their arguments: one function declares the arguments of one command.

This module imports none of the modules that do the work, because every start of netdsl reads it.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from netdsl.analysis.figures import SHOW, USUAL
from netdsl.commands.options import (
    add_device,
    add_input,
    add_labels,
    add_net,
    add_parameters,
    add_weights,
    natural,
    positive,
    thread_count,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def declare_commands(add: Callable[[str, str], argparse.ArgumentParser]) -> None:
    """Declare every command; `add` makes the parser of one from its name and help."""
    _check(add("check", "type the net, print its table, verify every `expect`"))
    _draw(
        add(
            "draw",
            "draw the net: .svg, .png, .pdf, .dot, .mmd (Mermaid) or .html (picture, table and"
            " text)",
        )
    )
    _export(add("export", "write ONNX (.onnx), or PyTorch source that runs without netdsl (.py)"))
    _verify(
        add(
            "verify",
            "hold every back end against the others, node by node; a .onnx against its manifest",
        )
    )
    _run(add("run", "run a model on pictures or arrays through onnxruntime"))
    _bench(add("bench", "measure latency and throughput of a model through onnxruntime"))
    _train(add("train", "train the net as the file's `train` section says"))
    _test(add("test", "the metrics of trained weights on the test images"))
    _fmt(add("fmt", "lay out .net files as the canon has it, comments kept"))
    _layers(add("layers", "the reference of the layers"))
    add("nets", "the nets of the library with their figures")


# ---- nets


def _check(command: argparse.ArgumentParser) -> None:
    add_net(command)
    add_input(command)
    command.add_argument(
        "--depth",
        type=natural,
        metavar="N",
        help="fold blocks deeper than N; 0: one line for each net",
    )
    command.add_argument(
        "--show",
        type=_more_columns,
        default=(),
        metavar="COLUMNS",
        help=f"more columns: {','.join(SHOW)}, or all",
    )
    command.add_argument(
        "--columns",
        type=_only_columns,
        default=(),
        metavar="COLUMNS",
        help=f"these columns and no other: {','.join(USUAL + SHOW)}",
    )
    command.add_argument(
        "--only",
        type=lambda text: tuple(text.split(",")),
        default=(),
        metavar="KINDS",
        help="the rows of these kinds: conv,dense",
    )
    command.add_argument("--format", choices=["text", "json", "sarif", "github"], default="text")


def _draw(command: argparse.ArgumentParser) -> None:
    add_net(command)
    command.add_argument("-o", "--output", required=True, metavar="FILE")
    add_input(command)
    command.add_argument(
        "--depth", type=natural, metavar="N", help="fold blocks deeper than N into one box"
    )


def _fmt(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="a .net file, a folder of them, or - for standard input to standard output",
    )
    command.add_argument(
        "--check",
        action="store_true",
        help="write nothing; exit 1 and name the files that would change",
    )


def _layers(command: argparse.ArgumentParser) -> None:
    command.add_argument("kind", nargs="?", metavar="KIND")


# ---- models


def _export(command: argparse.ArgumentParser) -> None:
    add_net(command)
    command.add_argument("-o", "--output", required=True, metavar="FILE")
    add_weights(command, "fresh weights without it")
    add_input(command)
    command.add_argument("--opset", type=positive, metavar="N")
    command.add_argument("--seed", type=natural, metavar="N", help="of fresh weights; 0 without it")
    _export_number_type(command)
    command.add_argument(
        "--fold",
        action=argparse.BooleanOptionalAction,
        help="take batch norms into the layers before them; done without it",
    )
    _export_preprocessing(command)
    add_labels(command)
    command.add_argument(
        "--functions",
        action="store_true",
        help="each block as an ONNX function, which viewers show as one box",
    )
    command.add_argument(
        "--verify", action="store_true", help="run ONNX's full check, and compare with PyTorch"
    )


def _export_number_type(command: argparse.ArgumentParser) -> None:
    half = command.add_mutually_exclusive_group()
    half.add_argument("--fp16", action="store_true", help="half precision weights and arithmetic")
    half.add_argument(
        "--bf16",
        action="store_true",
        help=(
            "bfloat16 weights and arithmetic; inputs and outputs stay float32, for want of another"
            " that programs can give"
        ),
    )
    command.add_argument(
        "--keep-io", action="store_true", help="float32 inputs and outputs with --fp16"
    )


def _export_preprocessing(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--with-preprocess",
        action="store_true",
        help="take pictures as bytes: resize and normalise in the graph",
    )
    command.add_argument(
        "--mean",
        metavar="NUMBERS",
        help="of each channel, such as 0.485,0.456,0.406; those beside the weights without it",
    )
    command.add_argument("--std", metavar="NUMBERS")


def _verify(command: argparse.ArgumentParser) -> None:
    add_net(command)
    add_weights(command, "random weights without it")
    add_input(command)
    command.add_argument(
        "--seed", type=natural, default=0, metavar="N", help="of random weights and inputs"
    )
    command.add_argument("--format", choices=["text", "json"], default="text")


def _run(command: argparse.ArgumentParser) -> None:
    _add_model(command, "a .onnx file, or a net with --weights")
    command.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="pictures, folders or patterns of them, .npy or .npz arrays",
    )
    command.add_argument("--batch", type=positive, metavar="N", help="how many pictures at once")
    command.add_argument("--top", type=positive, default=5, metavar="N")
    add_labels(command)
    command.add_argument("--json", action="store_true", help="a line of JSON for each sample")
    command.add_argument("-o", "--output", metavar="FILE", help="write all outputs to a .npz file")


def _bench(command: argparse.ArgumentParser) -> None:
    _add_model(command, "a .onnx file, or a net")
    command.add_argument(
        "--batch", default="1,8,64", metavar="SIZES", help="batch sizes, with commas between them"
    )
    add_input(command)
    command.add_argument(
        "--vs", choices=["torch", "torch-compile"], help="the same net in PyTorch, in turns"
    )
    command.add_argument(
        "--rounds", type=positive, default=20, metavar="N", help="how often each is timed"
    )
    command.add_argument("--json", action="store_true")


def _add_model(command: argparse.ArgumentParser, help_: str) -> None:
    """Add the model that onnxruntime runs, and where it runs."""
    command.add_argument("model", metavar="MODEL", help=help_)
    add_weights(command)
    add_parameters(command)
    add_device(command, "cpu", ("auto", "cpu", "cuda", "tensorrt"))
    command.add_argument(
        "--allow-cpu-nodes",
        action="store_true",
        help="let nodes that the GPU cannot take run on the CPU",
    )
    command.add_argument(
        "--threads", type=thread_count, metavar="N", help="on the CPU; all cores without it"
    )


# ---- training


def _train(command: argparse.ArgumentParser) -> None:
    add_net(command)
    command.add_argument(
        "--data",
        metavar="DATA",
        help='what a train section\'s `data =` takes: cifar10(root = "DIR")',
    )
    command.add_argument("--out", metavar="DIR", help="where results go; runs/NET without it")
    command.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    add_device(command)
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="train.KEY=VALUE",
        help="replace an entry of the train section",
    )


def _test(command: argparse.ArgumentParser) -> None:
    add_net(command)
    add_weights(command, required=True)
    command.add_argument("--data", metavar="DATA")
    command.add_argument("--engine", default="torch", choices=["torch", "onnxruntime"])
    add_device(command)
    command.add_argument(
        "--batch", type=positive, default=256, metavar="N", help="how many pictures at once"
    )


# ---- types of values


def _more_columns(text: str) -> tuple[str, ...]:
    return _columns(text, SHOW)


def _only_columns(text: str) -> tuple[str, ...]:
    return _columns(text, USUAL + SHOW)


def _columns(text: str, known: tuple[str, ...]) -> tuple[str, ...]:
    if text == "all":
        return known
    names = tuple(text.split(","))
    wrong = [name for name in names if name not in known]
    if wrong:
        raise argparse.ArgumentTypeError(f"no column {wrong[0]}: there are {','.join(known)}")
    return names
