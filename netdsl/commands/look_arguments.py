"""The arguments of the command that shows what a net has learned; see `arguments`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.commands.options import (
    add_constants,
    add_device,
    add_labels,
    add_net,
    add_output,
    add_weights,
    natural,
    positive,
)
from netdsl.commands.training_arguments import add_data

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from netdsl.commands.options import Add

VIEWS = tuple("filters maps excite reconstruct maximise saliency shift errors".split())


def _look(add: Add) -> None:
    command = add(
        "look",
        "show what a trained net has learned",
        "[options] FILE[:NET] [VIEW] --weights W -o FILE",
        "Show what a trained net has learned, as one HTML page with everything, or as one VIEW:"
        " filters; maps (the feature maps of a picture); excite (the pictures that excite a unit"
        " most); reconstruct (what of a picture excites a unit, by deconvolution); maximise (images"
        " that maximise a unit); saliency (the pixels that matter for a class, and Grad-CAM); shift"
        " (accuracy against translation, rotation, scale and light); errors (the confusion matrix"
        " and the worst errors).\n\n"
        "The weights of a training run record its data; for others, name the data with --data, or a"
        " picture with --input. `--weights random` shows an untrained net, for comparison.",
        """
        netdsl look lenet5 --weights runs/LeNet5 -o look.html
        netdsl look lenet5 filters --weights runs/LeNet5 -o filters.png
        netdsl look lenet5 excite --layer C3 --weights runs/LeNet5 -o units.svg
        netdsl look lenet5 saliency --input 7.png --weights runs/LeNet5 -o 7.pdf
        """,
    )
    add_net(command)
    command.add_argument(
        "view",
        nargs="?",
        choices=VIEWS,
        metavar="VIEW",
        help=f"what to show: {', '.join(VIEWS)} (default: a page with all of them)",
    )
    add_weights(command)
    add_output(command, (".html", ".png", ".svg", ".pdf"))
    _add_subjects(command)
    command.add_argument(
        "--seed",
        type=natural,
        default=0,
        metavar="N",
        help="seed of what is random: the noise and the jitter of `maximise` (default: 0)",
    )
    add_device(command)


def _add_subjects(command: argparse.ArgumentParser) -> None:
    """Add what is looked at: a layer and a unit, and pictures."""
    command.add_argument(
        "--layer", metavar="LAYER", help="look at this layer, such as C3 (default: several)"
    )
    command.add_argument(
        "--unit",
        type=natural,
        metavar="N",
        help="look at this unit of the layer: a channel of its maps, from 0 (default: several)",
    )
    add_data(command)
    command.add_argument(
        "--images",
        type=positive,
        default=2000,
        metavar="N",
        help="look at N test pictures of the data set, evenly spread over it (default: 2000)",
    )
    command.add_argument(
        "--input",
        action="append",
        metavar="PICTURE",
        help="a picture to look at in place of one of the data set, or sizes that the net leaves"
        " open, such as 3x224x224",
    )
    add_constants(command, "that of the training, or of the data")
    add_labels(command, "those of the training, or of the data")


LOOK_COMMANDS: dict[str, Callable[[Add], None]] = {"look": _look}
