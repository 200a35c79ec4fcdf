"""The command line.

Each command is imported when it is called, so that `check` needs nothing heavy.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from contextlib import suppress
from functools import cache, partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

from netdsl.analysis.figures import SHOW, USUAL
from netdsl.commands.common import UsageError, terminal_width
from netdsl.limits import check_environment
from netdsl.process.stops import Stopped, leave_on_stop, raise_on_stop
from netdsl.process.streams import open_standard
from netdsl.source import printable
from netdsl.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

MOST = 10**9  # back ends keep such numbers in 32 bits
MOST_THREADS = 512  # onnxruntime needs seconds to start more
STOPPED = 128  # the exit code is this plus the number of the signal that ended a command
TIDYING = ("draw", "fmt", "train")  # on a signal, these save or remove what they have begun
AT_ONCE = ("check", "layers", "nets")  # a signal ends these at once: they have nothing to tidy up
INPUT_HELP = "sizes of an input that the text leaves open: 3x256x256, or name=SIZES"


class _ArgumentParser(argparse.ArgumentParser):
    """A parser whose messages cannot steer a terminal: arguments may be names of files."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


@cache
def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands, made once for those who run several in one process."""
    # Otherwise argparse asks for the terminal's width at every option.
    formatter = partial(argparse.HelpFormatter, width=terminal_width() - 2)
    parser = _ArgumentParser(
        prog="netdsl",
        description="A compiler for network descriptions.",
        allow_abbrev=False,
        formatter_class=formatter,
    )
    parser.add_argument("--version", action="version", version=f"netdsl {__version__}")
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, prog="netdsl"
    )

    def add(name: str, help_: str, *, net: bool = True) -> argparse.ArgumentParser:
        made = commands.add_parser(
            name,
            help=help_,
            description=help_[0].upper() + help_[1:] + ".",
            allow_abbrev=False,
            formatter_class=formatter,
        )
        if net:
            made.add_argument(
                "file",
                metavar="FILE[:NET]",
                help="a .net file, a name from the library, or - for standard input",
            )
            made.add_argument(
                "-D",
                dest="define",
                action="append",
                metavar="NAME=VALUE",
                help="set a parameter of the net",
            )
        return made

    _add_check_options(add("check", "type the net, print its table, verify every `expect`"))

    draw = add(
        "draw",
        "draw the net: .svg, .png, .pdf, .dot, .mmd (Mermaid) or .html (picture, table and text)",
    )
    draw.add_argument("-o", "--output", required=True, metavar="FILE")
    draw.add_argument("--input", action="append", metavar="SIZES", help=INPUT_HELP)
    draw.add_argument(
        "--depth", type=_natural, metavar="N", help="fold blocks deeper than N into one box"
    )

    _add_models(add)

    train = add("train", "train the net as the file's `train` section says")
    train.add_argument(
        "--data",
        metavar="DATA",
        help='what a train section\'s `data =` takes: cifar10(root = "DIR")',
    )
    train.add_argument("--out", metavar="DIR", help="where results go; runs/NET without it")
    train.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    train.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    train.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="train.KEY=VALUE",
        help="replace an entry of the train section",
    )

    test = add("test", "the metrics of trained weights on the test images")
    _add_weights(test, required=True)
    test.add_argument("--data", metavar="DATA")
    test.add_argument("--engine", default="torch", choices=["torch", "onnxruntime"])
    test.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    test.add_argument(
        "--batch", type=_positive, default=256, metavar="N", help="how many pictures at once"
    )

    fmt = add("fmt", "lay out .net files as the canon has it, comments kept", net=False)
    fmt.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="a .net file, a folder of them, or - for standard input to standard output",
    )
    fmt.add_argument(
        "--check",
        action="store_true",
        help="write nothing; exit 1 and name the files that would change",
    )

    layers = add("layers", "the reference of the layers", net=False)
    layers.add_argument("kind", nargs="?", metavar="KIND")
    add("nets", "the nets of the library with their figures", net=False)
    return parser


def _add_check_options(check: argparse.ArgumentParser) -> None:
    check.add_argument("--input", action="append", metavar="SIZES", help=INPUT_HELP)
    check.add_argument(
        "--depth",
        type=_natural,
        metavar="N",
        help="fold blocks deeper than N; 0: one line for each net",
    )
    check.add_argument(
        "--show",
        type=_columns,
        default=(),
        metavar="COLUMNS",
        help=f"more columns: {','.join(SHOW)}, or all",
    )
    check.add_argument(
        "--columns",
        type=_only_columns,
        default=(),
        metavar="COLUMNS",
        help=f"these columns and no other: {','.join(USUAL + SHOW)}",
    )
    check.add_argument(
        "--only",
        type=lambda t: tuple(t.split(",")),
        default=(),
        metavar="KINDS",
        help="the rows of these kinds: conv,dense",
    )
    check.add_argument("--format", choices=["text", "json", "sarif", "github"], default="text")


def _add_models(add: Callable[..., argparse.ArgumentParser]) -> None:
    """The commands that write ONNX models and run them."""
    export = add("export", "write ONNX (.onnx), or PyTorch source that runs without netdsl (.py)")
    export.add_argument("-o", "--output", required=True, metavar="FILE")
    _add_weights(export, "fresh weights without it")
    export.add_argument("--input", action="append", metavar="SIZES", help=INPUT_HELP)
    export.add_argument("--opset", type=_positive, metavar="N")
    export.add_argument("--seed", type=_natural, metavar="N", help="of fresh weights; 0 without it")
    half = export.add_mutually_exclusive_group()
    half.add_argument("--fp16", action="store_true", help="half precision weights and arithmetic")
    half.add_argument(
        "--bf16",
        action="store_true",
        help=(
            "bfloat16 weights and arithmetic; inputs and outputs stay float32, for want of another"
            " that programs can give"
        ),
    )
    export.add_argument(
        "--keep-io", action="store_true", help="float32 inputs and outputs with --fp16"
    )
    export.add_argument(
        "--fold",
        action=argparse.BooleanOptionalAction,
        help="take batch norms into the layers before them; done without it",
    )
    export.add_argument(
        "--with-preprocess",
        action="store_true",
        help="take pictures as bytes: resize and normalise in the graph",
    )
    export.add_argument(
        "--mean",
        metavar="NUMBERS",
        help="of each channel, such as 0.485,0.456,0.406; those beside the weights without it",
    )
    export.add_argument("--std", metavar="NUMBERS")
    export.add_argument("--labels", metavar="FILE", help="class names, one a line")
    export.add_argument(
        "--functions",
        action="store_true",
        help="each block as an ONNX function, which viewers show as one box",
    )
    export.add_argument(
        "--verify", action="store_true", help="run ONNX's full check, and compare with PyTorch"
    )

    verify = add(
        "verify",
        "hold every back end against the others, node by node; a .onnx against its manifest",
    )
    _add_weights(verify, "random weights without it")
    verify.add_argument("--input", action="append", metavar="SIZES", help=INPUT_HELP)
    verify.add_argument(
        "--seed", type=_natural, default=0, metavar="N", help="of random weights and inputs"
    )
    verify.add_argument("--format", choices=["text", "json"], default="text")

    run = add("run", "run a model on pictures or arrays through onnxruntime", net=False)
    bench = add("bench", "measure latency and throughput of a model through onnxruntime", net=False)
    for command in (run, bench):
        command.add_argument(
            "model",
            metavar="MODEL",
            help=(
                "a .onnx file, or a net with --weights"
                if command is run
                else "a .onnx file, or a net"
            ),
        )
        _add_weights(command)
        command.add_argument("-D", dest="define", action="append", metavar="NAME=VALUE")
        command.add_argument("--device", default="cpu", choices=["auto", "cpu", "cuda", "tensorrt"])
        command.add_argument(
            "--allow-cpu-nodes",
            action="store_true",
            help="let nodes that the GPU cannot take run on the CPU",
        )
        command.add_argument(
            "--threads", type=_threads, metavar="N", help="on the CPU; all cores without it"
        )
    run.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="pictures, folders or patterns of them, .npy or .npz arrays",
    )
    run.add_argument("--batch", type=_positive, metavar="N", help="how many pictures at once")
    run.add_argument("--top", type=_positive, default=5, metavar="N")
    run.add_argument("--labels", metavar="FILE", help="class names, one a line")
    run.add_argument("--json", action="store_true", help="a line of JSON for each sample")
    run.add_argument("-o", "--output", metavar="FILE", help="write all outputs to a .npz file")
    bench.add_argument(
        "--batch", default="1,8,64", metavar="SIZES", help="batch sizes, with commas between them"
    )
    bench.add_argument("--input", action="append", metavar="SIZES", help=INPUT_HELP)
    bench.add_argument(
        "--vs", choices=["torch", "torch-compile"], help="the same net in PyTorch, in turns"
    )
    bench.add_argument(
        "--rounds", type=_positive, default=20, metavar="N", help="how often each is timed"
    )
    bench.add_argument("--json", action="store_true")


def _add_weights(
    command: argparse.ArgumentParser, without: str = "", *, required: bool = False
) -> None:
    """The options of every command that reads weights."""
    kinds = "a safetensors file, a PyTorch checkpoint, a .npz archive, or a training run's folder"
    command.add_argument(
        "--weights", required=required, metavar="W", help=f"{kinds}{without and '; '}{without}"
    )
    command.add_argument(
        "--allow-nonfinite", action="store_true", help="accept weights that are not finite numbers"
    )


def _natural(text: str, least: int = 0, most: int = MOST) -> int:
    if not (
        text.isdecimal()
        and text.isascii()
        and len(text) <= len(str(most))
        and least <= int(text) <= most
    ):
        raise argparse.ArgumentTypeError(
            f"it takes an integer from {least} to {most:,}, found {text[:40]}"
        )
    return int(text)


def _positive(text: str) -> int:
    return _natural(text, 1)


def _threads(text: str) -> int:
    return _natural(text, 1, MOST_THREADS)


def _columns(text: str, known: tuple[str, ...] = SHOW) -> tuple[str, ...]:
    names = known if text == "all" else tuple(text.split(","))
    wrong = [n for n in names if n not in known]
    if wrong:
        raise argparse.ArgumentTypeError(f"no column {wrong[0]}: there are {','.join(known)}")
    return names


def _only_columns(text: str) -> tuple[str, ...]:
    return _columns(text, USUAL + SHOW)


def main(argv: list[str] | None = None) -> None:
    """Run a command and exit with its code."""
    # what importing made lives as long as the process: no need to look through it again
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)
    leave_on_stop()
    open_standard()
    code = _guarded(sys.argv[1:] if argv is None else argv, _perform_watched)
    leave_on_stop()
    if code > STOPPED:  # the user waits, and libraries may be slow to tidy up
        with suppress(OSError):
            sys.stdout.flush()
        os._exit(code)
    sys.exit(code)


def run(argv: list[str]) -> int:
    """Run a command in this process; returns its exit code. No traceback reaches the user."""
    return _guarded(argv, _perform)


def _guarded(argv: list[str], perform: Callable[[argparse.Namespace], int]) -> int:
    try:
        try:
            arguments = build_parser().parse_args(argv)
            _check_together(arguments)
            check_environment()
            code = perform(arguments)
            sys.stdout.flush()
        except SystemExit as stop:  # argparse has printed what is wrong, or its help
            sys.stdout.flush()
            code = int(stop.code or 0)
    except BaseException as error:
        code = _report(error, argv)
    return code


def _check_together(arguments: argparse.Namespace) -> None:
    """Refuse an option that has no effect without another; raises `UsageError`."""
    if getattr(arguments, "allow_nonfinite", False) and not arguments.weights:
        raise UsageError("--allow-nonfinite goes with --weights")


def _report(error: BaseException, argv: list[str]) -> int:
    try:
        code: int = _failures().report(error, argv)
    except Stopped as stop:
        code = _failures().report(stop, argv)
    except (MemoryError, ImportError, SystemError, OSError):  # there is no memory for a message
        os.write(2, b"netdsl: the system has too little memory or too many open files\n")
        code = 1
    return code


def _failures() -> Any:
    return import_module("netdsl.commands.failures")


def _perform(arguments: argparse.Namespace) -> int:
    code: int = import_module(f"netdsl.commands.{arguments.command}").run(arguments)
    return code


def _perform_watched(arguments: argparse.Namespace) -> int:
    """Run a command in a child process, unless a signal can end it at once (`AT_ONCE`)."""
    if arguments.command in AT_ONCE:
        return _perform(arguments)
    _failures()  # loaded now, while there is memory for it
    watched = import_module("netdsl.process.watch").watched
    folders = [os.path.dirname(arguments.output)] if getattr(arguments, "output", None) else []
    code: int = watched(
        lambda: _perform_stoppable(arguments), folders, patient=arguments.command == "train"
    )
    return code


def _perform_stoppable(arguments: argparse.Namespace) -> int:
    """Run a command; a signal ends it at once, or, for `TIDYING`, after it has tidied up."""
    run_command = import_module(f"netdsl.commands.{arguments.command}").run
    if arguments.command in TIDYING:  # only now: it would crash a library that still loads
        raise_on_stop()
    code: int = run_command(arguments)
    return code


if __name__ == "__main__":
    main()
