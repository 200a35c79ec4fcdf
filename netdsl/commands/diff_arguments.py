"""The arguments of `diff`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.commands.options import add_format, add_input, add_parameters

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.commands.options import Add


def _diff(add: Add) -> None:
    command = add(
        "diff",
        "print what changed between two nets",
        "[options] A B",
        "Compare two nets, or all nets of two files. Prints what was written differently, which"
        " layers, shapes and figures follow from it, and which weights still load.\n\n"
        "A and B are each FILE[:NET], a .onnx model, or git:REVISION:FILE[:NET] for a file as it"
        " was committed.",
        """
        netdsl diff old.net new.net
        netdsl diff git:HEAD~1:nets/vgg.net nets/vgg.net
        netdsl diff resnet:ResNet18 resnet:ResNet34 --format json
        netdsl diff old.net new.net -o diff.html
        netdsl diff old.net new.net --fail-if "params > 1.01 * old_params"
        """,
    )
    for name, letter in (("before", "A"), ("after", "B")):
        command.add_argument(
            name,
            metavar=letter,
            help=f"the net or file {name} the change: FILE[:NET] or git:REVISION:FILE[:NET]",
        )
    add_parameters(command)
    add_input(command)
    command.add_argument(
        "--fail-if",
        metavar="CONDITION",
        help="exit with 1 if this is true for the second net, such as 'params > 1e6' or"
        " 'macs > 1.05 * old_macs'",
    )
    command.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="also write a page with both texts and both tables side by side; its suffix is .html",
    )
    add_format(command)


DIFF_COMMANDS: dict[str, Callable[[Add], None]] = {"diff": _diff}
