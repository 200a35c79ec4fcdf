"""The commands of training and their arguments; like `arguments`, it imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.commands.options import (
    add_device,
    add_format,
    add_net,
    add_nets,
    add_weights,
    positive,
    seed_count,
    thread_count,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from netdsl.commands.options import Add


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
        netdsl train lenet5 --nproc 2
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
    command.add_argument(
        "--nproc",
        type=positive,
        metavar="N",
        help="train with N processes on this machine, which divide every batch, or the net if its"
        " section has `stages`",
    )
    command.add_argument(
        "--timeout",
        type=positive,
        default=300,
        metavar="SECONDS",
        help="end the run when one of several processes keeps the others waiting for so long"
        " (default: 300)",
    )
    add_device(command)


def _test(add: Add) -> None:
    command = add(
        "test",
        "compute the accuracy of trained weights on test images",
        "[options] FILE[:NET] --weights W | MODEL.onnx --data DATA",
        "Compute the metrics of the `train` section for trained weights, on the test images of its"
        " data set. Of a .onnx model, compute the accuracy on the test images of --data.",
        """
        netdsl test lenet5 --weights runs/LeNet5
        netdsl test lenet5.onnx --data fashion_mnist
        netdsl test lenet5 --weights runs/LeNet5 --engine onnxruntime
        """,
    )
    add_net(command)
    add_weights(command)
    add_data(command)
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


def _compare(add: Add) -> None:
    command = add(
        "compare",
        "train variants of nets under control: one plot, one table",
        "[options] FILE[:NET] ...",
        "Train nets, each with all values that --vary gives and with several seeds. Writes a plot"
        " of their errors, and prints a table. Runs that are in the folder already are not trained"
        " again.",
        """
        netdsl compare experiments:PlainShallow experiments:PlainDeep --seeds 3
        netdsl compare experiments:Dropout --vary 'drop = [0, 0.5]'
        netdsl compare experiments:Digits --vary 'train.augment = [[], [hflip]]'
        netdsl compare a.net:Old a.net:New --where "params <= 1e6" --out compare/a
        """,
    )
    add_nets(command, "a .net file, a name from the library such as lenet5, or -")
    add_data(command)
    _add_set(command)
    command.add_argument(
        "--vary",
        action="append",
        default=[],
        metavar="NAME = LIST",
        help="train each net with each value of a list: of a parameter, such as 'drop = [0, 0.5]',"
        " or of a setting, such as 'train.optimizer.lr = [0.1, 0.4]'; can be given several times",
    )
    command.add_argument(
        "--seeds",
        type=seed_count,
        default=1,
        metavar="N",
        help="train each variant N times, with the seed of its section and those after it"
        " (default: 1)",
    )
    command.add_argument(
        "--where",
        metavar="CONDITION",
        help="leave out variants whose figures do not satisfy a condition, as in an `expect` line:"
        ' "params <= 1e6"',
    )
    command.add_argument(
        "--out",
        metavar="DIR",
        help="the folder of the runs and the plot (default: compare/FILE)",
    )
    command.add_argument(
        "--jobs",
        type=thread_count,
        metavar="N",
        help="train N runs at once (default: by the number of cores); results do not depend on it",
    )
    add_device(command)
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
    add_data(command)
    _add_set(command)


def _add_set(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="train.PATH=VALUE",
        help="replace an entry of the section, such as train.epochs=3, or a part of one, such as"
        " train.optimizer.lr=0.1; can be given several times",
    )


def add_data(command: argparse.ArgumentParser) -> None:
    """Add `--data`."""
    command.add_argument(
        "--data",
        metavar="DATA",
        help="use this data set instead of the one in the `train` section, such as fashion_mnist"
        ' or folder("photos", size = 64)',
    )


# In the order of the help.
TRAINING_COMMANDS: dict[str, Callable[[Add], None]] = {
    "train": _train,
    "test": _test,
    "compare": _compare,
    "runs": _runs,
    "data": _data,
}
