"""Values of commands that are nearly right: the help has what was meant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netdsl.arrays import StoredArray
from netdsl.errors import NetdslError
from netdsl.runtime.images import as_batch
from netdsl.runtime.session import Tensor
from tests.support.commands import run_command

NET = """let stages = 3

net Tiny(widths = [8, 16]) {
    input image: 3x16x16
    let deep = 2
    for width in widths { conv(width, 3, pad = 1) }
    repeat stages + deep { conv(8, 1) }
}
"""


@pytest.mark.parametrize(
    ("line", "help_"),
    [
        ("check tiny.net -D widths=64,128", "write `-D widths=[64,128]`"),
        (
            "check tiny.net -D stages=4",
            (
                "`stages` is a `let`: make it a parameter, `net Tiny(widths = [8, 16], stages ="
                " 3)`, and leave the `let` out"
            ),
        ),
        (
            "check tiny.net -D deep=4",
            (
                "`deep` is a `let`: make it a parameter, `net Tiny(widths = [8, 16], deep = 2)`,"
                " and leave the `let` out"
            ),
        ),
        ("check resnet.ResNet50", "write `resnet:ResNet50`"),
        ("check resnet/ResNet50", "write `resnet:ResNet50`"),
    ],
)
def test_help(net_folder: Path, capsys: pytest.CaptureFixture[str], line: str, help_: str) -> None:
    """The help of the error."""
    err = run_command(capsys, *line.split(), code=1)[1]
    assert f"help: {help_}\n" in err


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((4, 28, 20, 1), "0, 3, 1, 2"), ((28, 20, 1), "2, 0, 1"), ((4, 28, 21, 1), None)],
)
def test_arrays_with_channels_last(shape: tuple[int, ...], axes: str | None) -> None:
    """The help moves the channels to the front, if the array fits then."""
    target = Tensor("image", ("N", 1, 28, 20), "float32")
    stored = StoredArray(Path("a.npy"), None, shape, np.dtype(np.float32), columns_first=False)
    with pytest.raises(NetdslError) as caught:
        as_batch(stored, target, "a.npy")
    wanted = axes and (
        f"if its channels come last, write `array.transpose({axes})` before you store it"
    )
    assert caught.value.help == wanted
