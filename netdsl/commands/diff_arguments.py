"""The arguments of `diff`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.commands.options import add_format, add_parameters

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
        "A and B are each FILE[:NET], or git:REVISION:FILE[:NET] for a file as it was committed.",
        """
        netdsl diff old.net new.net
        netdsl diff git:HEAD~1:nets/vgg.net nets/vgg.net
        netdsl diff resnet:ResNet18 resnet:ResNet34 --format json
        netdsl diff old.net new.net -o diff.html
        netdsl diff old.net new.net --fail-if "params > 1.01 * before.params"
        """,
    )
    for name in ("before", "after"):
        command.add_argument(
            name,
            metavar="A" if name == "before" else "B",
            help=f"the net or file {name} the change: FILE[:NET] or git:REVISION:FILE[:NET]",
        )
    add_parameters(command)
    add_format(command)


DIFF_COMMANDS: dict[str, Callable[[Add], None]] = {"diff": _diff}
