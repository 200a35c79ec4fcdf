"""Nets that are called like blocks: the sizes that their inputs take."""

from __future__ import annotations

import pytest

import netdsl
from netdsl.errors import NetdslError

CALLED = "net Called(n = 2) {{\n input z: {}\n conv(4, 3, pad = 1)\n}}\n"
NET = CALLED + "net N {{\n input x: {}\n Called\n}}\n"


@pytest.mark.parametrize(
    ("declared", "given"),
    [
        ("2xHxW", "2x5x7"),
        ("[n, H, W]", "2x5x7"),
        ("[n, H, W]", "2xHxT"),
        ("[2 * n, T]", "4x9"),
        ("[n, H, 2 * H]", "2x5x10"),
        ("[n, 2 * H, H]", "2x10x5"),
    ],
)
def test_open_sizes_take_those_of_the_value(declared: str, given: str) -> None:
    """Also in a list, where a size can be computed from an open one that comes after it."""
    net = netdsl.loads(NET.format(declared, given), net="N")
    assert str(net.layers[-1].shape) == str(net.inputs["x"].shape).replace("(2", "(4", 1)


@pytest.mark.parametrize(
    ("declared", "given", "wanted"),
    [
        ("[n, H, W]", "3x5x7", "2xHxW"),
        ("[n, H, 2 * H]", "2x5x9", "2xHx2H"),
        ("[2 * n, T]", "4x9x9", "4xT"),
        ("[n, H, H]", "2x5x9", "2xHxH"),
    ],
)
def test_other_sizes_are_refused(declared: str, given: str, wanted: str) -> None:
    """The message has the sizes of the list as they would be written."""
    with pytest.raises(NetdslError, match=f"is {wanted}, and this value is {given}"):
        netdsl.loads(NET.format(declared, given), net="N")
