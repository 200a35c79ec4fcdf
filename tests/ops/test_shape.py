"""Layers that move elements, compared with numpy for fixed and open sizes, and their errors."""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import netdsl
from netdsl.analysis.valid import valid_for
from netdsl.ir.op import Window
from netdsl.ops.interpolation import position
from tests.support.back_ends import assert_back_ends_agree, both, numbers
from tests.support.small_nets import message, net_of

if TYPE_CHECKING:
    from collections.abc import Callable

VALUES: dict[tuple[str, str], Callable[[np.ndarray], np.ndarray]] = {
    ("reshape([-1, 4])", "2x3x8"): lambda x: x.reshape(-1, 12, 4),
    ("reshape([1, 6])", "2x3"): lambda x: x.reshape(-1, 1, 6),
    ("permute([3, 1, 4, 2])", "2x3x4x5"): lambda x: x.transpose(0, 3, 1, 4, 2),
    ("tokens", "3x2x4x5"): lambda x: x.reshape(-1, 3, 40).transpose(0, 2, 1),
    ("pad([(1, 2)], value = -1.5)", "2x3"): lambda x: np.pad(
        x, [(0, 0), (0, 0), (1, 2)], constant_values=-1.5
    ),
    ("pad([(1, 0), (0, 3)], channels = 2)", "2x3x4"): lambda x: np.pad(
        x, [(0, 0), (2, 2), (1, 0), (0, 3)]
    ),
    ("pad([(2, 1), (0, 3)], mode = reflect)", "2x3x4"): lambda x: np.pad(
        x, [(0, 0), (0, 0), (2, 1), (0, 3)], mode="reflect"
    ),
    ("pad([(2, 1), (0, 3), (1, 1)], mode = edge)", "2x3x4x2"): lambda x: np.pad(
        x, [(0, 0), (0, 0), (2, 1), (0, 3), (1, 1)], mode="edge"
    ),
    ("crop(3)", "2x8x7"): lambda x: x[:, :, 2:5, 2:5],
    ("crop(2x3x1, offset = 1x0x2)", "2x4x3x5"): lambda x: x[:, :, 1:3, :3, 2:3],
    ("crop([6], offset = [0])", "2x6"): lambda x: x,
    ("slice(-3, 3, axis = -2)", "2x4x5"): lambda x: x[:, :, 1:3],
    ("split(3, 2, axis = -1)", "2x6"): lambda x: x[:, :, 4:],
    ("channel_shuffle(3)", "6x2x2x3"): lambda x: x[:, [0, 2, 4, 1, 3, 5]],
    ("pixel_shuffle(3)", "18x2x4"): (
        lambda x: x.reshape(-1, 2, 3, 3, 2, 4).transpose(0, 1, 4, 2, 5, 3).reshape(-1, 2, 6, 12)
    ),
}


@pytest.mark.parametrize(("call", "shape"), VALUES)
def test_values(call: str, shape: str) -> None:
    """Each element has the position that numpy gives it."""
    x = numbers(2, *map(int, shape.split("x"))).astype(np.float32)
    np.testing.assert_array_equal(both(net_of(call, shape), x)[1], VALUES[call, shape](x))


# ---- open sizes

OPEN: dict[tuple[str, ...], tuple[str, str, dict[str, int], Any]] = {
    ("reshape([-1, 4])", "3x8xW"): ("6Wx4", "W >= 1", {"W": 5}, lambda x: x.reshape(-1, 30, 4)),
    ("reshape([in.width, 24])", "3x8xW"): (
        "Wx24",
        "W >= 1",
        {"W": 5},
        lambda x: x.reshape(-1, 5, 24),
    ),
    ("reshape([4, -1])", "2xH"): (
        "4x⌊H/2⌋",
        "H >= 2, H divisible by 2",
        {"H": 6},
        lambda x: x.reshape(-1, 4, 3),
    ),
    ("reshape([4, 6])", "2xH"): ("4x6", "H == 12", {"H": 12}, lambda x: x.reshape(-1, 4, 6)),
    ("pad(2, mode = reflect)", "2xH"): (
        "2x(H+4)",
        "H >= 3",
        {"H": 3},
        lambda x: np.pad(x, [(0, 0), (0, 0), (2, 2)], mode="reflect"),
    ),
    ("pad([(1, 3)], mode = reflect)", "2xH"): (
        "2x(H+4)",
        "H >= 4",
        {"H": 4},
        lambda x: np.pad(x, [(0, 0), (0, 0), (1, 3)], mode="reflect"),
    ),
    ("pad([(1, 3)], mode = edge)", "2xH"): (
        "2x(H+4)",
        "H >= 1",
        {"H": 1},
        lambda x: np.pad(x, [(0, 0), (0, 0), (1, 3)], mode="edge"),
    ),
    ("crop(4)", "2xH"): ("2x4", "H >= 4", {"H": 9}, lambda x: x[:, :, 2:6]),
    ("crop(4x3)", "2xHxW"): (
        "2x4x3",
        "H >= 4, W >= 3",
        {"H": 4, "W": 8},
        lambda x: x[:, :, :, 2:5],
    ),
    ("crop(4)", "2x9xW"): ("2x4x4", "W >= 4", {"W": 7}, lambda x: x[:, :, 2:6, 1:5]),
    ("crop(4x5, offset = 1x2)", "2xHxW"): (
        "2x4x5",
        "H >= 5, W >= 7",
        {"H": 6, "W": 7},
        lambda x: x[:, :, 1:5, 2:7],
    ),
    ("crop(@x1)", "2xHxW", "1x3x4"): (
        "2x3x4",
        "H >= 3, W >= 4",
        {"H": 8, "W": 5},
        lambda x: x[:, :, 2:5, :4],
    ),
    ("crop(@x1)", "2x9x8", "1xAxB"): (
        "2xAxB",
        "A in 1, 2, 3, 4, 5, 6, 7, 8, 9, B in 1, 2, 3, 4, 5, 6, 7, 8",
        {"A": 2, "B": 5},
        lambda x: x[:, :, 3:5, 1:6],
    ),
    ("crop(@x1, offset = 1x2)", "2x9x8", "1xAxB"): (
        "2xAxB",
        "A in 1, 2, 3, 4, 5, 6, 7, 8, B in 1, 2, 3, 4, 5, 6",
        {"A": 4, "B": 6},
        lambda x: x[:, :, 1:5, 2:],
    ),
    ("channel_shuffle(2)", "4xH"): ("4xH", "H >= 1", {"H": 3}, lambda x: x[:, [0, 2, 1, 3]]),
    ("slice(0, -1, axis = 3)", "3xHx4"): ("3xHx3", "H >= 1", {"H": 2}, lambda x: x[..., :-1]),
    ("reshape([in.height, in.width, 3])", "3xHxW"): (
        "HxWx3",
        "H >= 1, W >= 1",
        {"H": 2, "W": 5},
        lambda x: x.reshape(-1, 2, 5, 3),
    ),
    ("reshape([1, 3, H, W])", "3xHxW"): (
        "1x3xHxW",
        "H >= 1, W >= 1",
        {"H": 2, "W": 5},
        lambda x: x[:, None],
    ),
    ("reshape([3 * H, W])", "3xHxW"): (
        "3HxW",
        "H >= 1, W >= 1",
        {"H": 2, "W": 5},
        lambda x: x.reshape(-1, 6, 5),
    ),
    ("reshape([in.width, -1])", "3x8xW"): (
        "Wx24",
        "W >= 1",
        {"W": 5},
        lambda x: x.reshape(-1, 5, 24),
    ),
    ("reshape([3 * H // 2, 2, W])", "3xHxW"): (
        "(H+⌊H/2⌋)x2xW",
        "H >= 2, H divisible by 2, W >= 1",
        {"H": 6, "W": 5},
        lambda x: x.reshape(-1, 9, 2, 5),
    ),
    ("reshape([3, H // 2, 2, W // 3, 3])", "3xHxW"): (
        "3x⌊H/2⌋x2x⌊W/3⌋x3",
        "H >= 2, H divisible by 2, W >= 3, W divisible by 3",
        {"H": 4, "W": 9},
        lambda x: x.reshape(-1, 3, 2, 2, 3, 3),
    ),
    ("reshape([-1, H // 2, W // 4])", "3xHxW"): (
        "24x⌊H/2⌋x⌊W/4⌋",
        "H >= 2, H divisible by 2, W >= 4, W divisible by 4",
        {"H": 4, "W": 8},
        lambda x: x.reshape(-1, 24, 2, 2),
    ),
    ("maxpool(2) -> reshape([3, H // 4, 2, W // 2])", "3xHxW"): (
        "3x⌊H/4⌋x2x⌊W/2⌋",
        "H >= 4, H % 4 in 0 to 1, W >= 2",
        {"H": 9, "W": 4},
        lambda x: x[:, :, :8].reshape(-1, 3, 4, 2, 2, 2).max((3, 5)).reshape(-1, 3, 2, 2, 2),
    ),
    ("reshape([H // 2, 13])", "6xH"): (
        "⌊H/2⌋x13",
        "H == 13",
        {"H": 13},
        lambda x: x.reshape(-1, 6, 13),
    ),
    ("reshape([W * 2, H, 3])", "6xHxW"): (
        "2WxHx3",
        "H >= 1, W >= 1",
        {"H": 2, "W": 5},
        lambda x: x.reshape(-1, 10, 2, 3),
    ),
    ("reshape([3, 2 * H, -1])", "3xHxW"): (
        "3x2Hx⌊W/2⌋",
        "H >= 1, W >= 2, W divisible by 2",
        {"H": 2, "W": 6},
        lambda x: x.reshape(-1, 3, 4, 3),
    ),
    ("slice(1, axis = 2) -> tokens -> reshape([W, H - 1, -1])", "2xHxW"): (
        "Wx(H-1)x2",
        "H >= 2, W >= 1",
        {"H": 4, "W": 2},
        lambda x: x[:, :, 1:].reshape(-1, 2, 6).transpose(0, 2, 1).reshape(-1, 2, 3, 2),
    ),
    ("tokens -> permute([2, 1]) -> reshape([6, H, W])", "6xHxW"): (
        "6xHxW",
        "H >= 1, W >= 1",
        {"H": 4, "W": 2},
        lambda x: x,
    ),
    ("reshape([H * W // 2, 2])", "HxW"): (
        "⌊HW/2⌋x2",
        "H >= 1, W >= 1, H W == 2⌊HW/2⌋",
        {"H": 3, "W": 4},
        lambda x: x.reshape(-1, 6, 2),
    ),
    ("upsample(size = [in.height * 2, 4])", "2xHx4"): (
        "2x2Hx4",
        "H >= 1",
        {"H": 3},
        lambda x: x.repeat(2, 2),
    ),
    ("upsample(@x1)", "2xHxW", "[1, 2 * H, 3 * W]"): (
        "2x2Hx3W",
        "H >= 1, W >= 1",
        {"H": 3, "W": 2},
        lambda x: x.repeat(2, 2).repeat(3, 3),
    ),
    ("crop([H // 2, 3], offset = [H // 3, 1])", "2xHxW"): (
        "2x⌊H/2⌋x3",
        "H >= 2, W >= 4",
        {"H": 7, "W": 5},
        lambda x: x[:, :, 2:5, 1:4],
    ),
    ("slice(2)", "TxD"): ("(T-2)xD", "T >= 3, D >= 1", {"T": 5, "D": 2}, lambda x: x[:, 2:]),
    ("slice(-2)", "TxD"): ("2xD", "T >= 2, D >= 1", {"T": 5, "D": 2}, lambda x: x[:, -2:]),
    ("slice(end = -2)", "TxD"): (
        "(T-2)xD",
        "T >= 3, D >= 1",
        {"T": 5, "D": 2},
        lambda x: x[:, :-2],
    ),
    ("slice(1, -1, axis = -1)", "3xH"): ("3x(H-2)", "H >= 3", {"H": 3}, lambda x: x[..., 1:-1]),
    ("slice(2, 5)", "TxD"): ("3xD", "T >= 5, D >= 1", {"T": 5, "D": 2}, lambda x: x[:, 2:5]),
    ("slice(-3, -1)", "TxD"): ("2xD", "T >= 3, D >= 1", {"T": 3, "D": 2}, lambda x: x[:, -3:-1]),
    ("slice(0, T // 2)", "TxD"): (
        "⌊T/2⌋xD",
        "T >= 2, D >= 1",
        {"T": 5, "D": 2},
        lambda x: x[:, :2],
    ),
    ("slice(1, in.length, axis = 2)", "DxT"): (
        "Dx(T-1)",
        "D >= 1, T >= 2",
        {"T": 5, "D": 2},
        lambda x: x[:, :, 1:],
    ),
    ("concat(@x0, axis = 1) -> slice(-3)", "Tx2"): (
        "3x2",
        "T >= 2",
        {"T": 3},
        lambda x: np.concatenate([x, x], 1)[:, -3:],
    ),
    ("select(0)", "TxD"): ("D", "T >= 1, D >= 1", {"T": 5, "D": 2}, lambda x: x[:, 0]),
    ("select(-1)", "TxD"): ("D", "T >= 1, D >= 1", {"T": 5, "D": 2}, lambda x: x[:, -1]),
    ("select(-2)", "Tx3"): ("3", "T >= 2", {"T": 2}, lambda x: x[:, -2]),
    ("select(3, axis = 3)", "2xHxW"): (
        "2xH",
        "H >= 1, W >= 4",
        {"H": 2, "W": 4},
        lambda x: x[..., 3],
    ),
    ("select(T // 2)", "Tx3"): ("3", "T >= 1", {"T": 5}, lambda x: x[:, 2]),
    ("split(2, 1)", "TxD"): (
        "⌊T/2⌋xD",
        "T >= 2, T divisible by 2, D >= 1",
        {"T": 6, "D": 2},
        lambda x: x[:, 3:],
    ),
    ("slice(2, axis = 2) -> split(3, 1, axis = 2)", "2xH"): (
        "2x⌊(H-2)/3⌋",
        "H >= 5, H % 3 == 2",
        {"H": 8},
        lambda x: x[:, :, 4:6],
    ),
    ("concat(@x0, axis = 1) -> split(2, 0)", "Tx3"): ("Tx3", "T >= 1", {"T": 3}, lambda x: x),
    ("channel_shuffle(2)", "CxH"): (
        "CxH",
        "C >= 2, C divisible by 2, H >= 1",
        {"C": 6, "H": 2},
        lambda x: x[:, [0, 3, 1, 4, 2, 5]],
    ),
    ("pixel_shuffle(2)", "Cx2x3"): (
        "⌊C/4⌋x4x6",
        "C >= 4, C divisible by 4",
        {"C": 4},
        lambda x: x.reshape(-1, 1, 2, 2, 2, 3).transpose(0, 1, 4, 2, 5, 3).reshape(-1, 1, 4, 6),
    ),
    ("spp([1])", "Cx2x3"): ("C", "C >= 1", {"C": 4}, lambda x: x.max((2, 3))),
    ("tokens", "3xHxW"): (
        "HWx3",
        "H >= 1, W >= 1",
        {"H": 2, "W": 5},
        lambda x: x.reshape(-1, 3, 10).transpose(0, 2, 1),
    ),
    ("pixel_shuffle(2)", "4xHxW"): (
        "1x2Hx2W",
        "H >= 1, W >= 1",
        {"H": 2, "W": 3},
        lambda x: x.reshape(-1, 1, 2, 2, 2, 3).transpose(0, 1, 4, 2, 5, 3).reshape(-1, 1, 4, 6),
    ),
}


@pytest.mark.parametrize("case", OPEN, ids=" on ".join)
def test_open_sizes(case: tuple[str, ...]) -> None:
    """The type of the result, the valid sizes, and the values in both back ends."""
    call, *shapes = case
    shape, valid, sizes, slow = OPEN[case]
    net = net_of(call, *shapes)
    assert (str(net.outputs[0].value.type), valid_for(net.graph)) == (shape, valid)
    rng = np.random.default_rng(0)
    arrays = [
        rng.normal(
            size=(2, *(d if isinstance(d, int) else d.at(sizes) for d in v.type.shape))
        ).astype(np.float32)
        for v in net.graph.inputs
    ]
    np.testing.assert_array_equal(both(net, *arrays)[1], slow(arrays[0]))


# ---- windows


def reached(net: netdsl.Net, axis: int, outputs: int) -> list[list[int]]:
    """The positions along an axis of the input that each position of the output depends on."""
    (node,) = net.graph.nodes
    x = torch.rand(
        1,
        *(int(str(d)) for d in node.types[0].shape),
        generator=torch.Generator().manual_seed(0),
        requires_grad=True,
    )
    result = net.torch().eval()(x)
    grads = [
        torch.autograd.grad(result.select(axis + 2, place).sum(), x, retain_graph=True)[0]
        for place in range(outputs)
    ]
    return [
        g.abs().transpose(0, axis + 2).flatten(1).sum(1).nonzero().flatten().tolist() for g in grads
    ]


@pytest.mark.parametrize(
    ("call", "shape"),
    [
        ("pad([(1, 2), (3, 0)])", "2x4x5"),
        ("pad(2)", "2x3"),
        ("crop(3)", "2x8x6"),
        ("crop(2x3, offset = 1x3)", "2x4x9"),
        ("slice(1, 3, axis = 3)", "2x5x4"),
        ("slice(1, 2)", "3x5x4"),
        ("split(2, 1, axis = -2)", "2x6x3"),
        ("pixel_shuffle(2)", "8x3x4"),
        ("pixel_shuffle(3)", "9x2x3"),
        ("upsample(2)", "2x3x4"),
        ("upsample(3)", "2x5"),
        ("upsample(2, mode = bilinear)", "2x3x4"),
        ("upsample(3, mode = bilinear)", "2x4x5"),
        ("upsample(4, mode = bilinear)", "2x4x5"),
        ("upsample(size = 7x5)", "2x3x4"),
        ("upsample(size = 3x2)", "2x14x7"),
        ("upsample(size = 7x5, mode = bilinear)", "2x3x4"),
        ("upsample(size = 3x2, mode = bilinear)", "2x14x7"),
    ],
)
def test_windows(call: str, shape: str) -> None:
    """The window of every output contains all the inputs that it depends on.

    It is not too large: some output depends on the first position of its window, and some on the
    last.
    """
    net = net_of(call, shape)
    (node,) = net.graph.nodes
    for axis, (size, outputs, window) in enumerate(
        zip(node.types[0].spatial, node.type.spatial, node.op.windows(*node.types), strict=True)
    ):
        firsts = [
            ceil(Fraction(o * window.stride, window.up) - window.pad)
            for o in range(int(str(outputs)))
        ]
        spans = [(first, first + window.extent - 1) for first in firsts]
        seen = reached(net, axis, int(str(outputs)))
        assert [
            (a, b)
            for (a, b), places in zip(spans, seen, strict=True)
            if places and not a <= places[0] <= places[-1] <= b
        ] == []
        assert [
            (a, b)
            for (a, b), places in zip(spans, seen, strict=True)
            if not places and 0 <= a <= b < int(str(size))
        ] == []
        assert any(places[:1] == [a] for (a, _), places in zip(spans, seen, strict=True))
        assert any(places[-1:] == [b] for (_, b), places in zip(spans, seen, strict=True))


@pytest.mark.parametrize(
    ("call", "shapes", "window"),
    [
        ("crop(4)", ["2xH"], Window(1, 1, 0)),
        ("crop(@x1, offset = 3)", ["2xH", "1xA"], Window(1, 1, -3)),
        ("upsample(size = [6])", ["2xH"], Window(1, 1, 0)),
        ("upsample(2)", ["2xH"], Window(1, 1, Fraction(1, 2), 2)),
    ],
)
def test_windows_of_open_sizes(call: str, shapes: list[str], window: Window) -> None:
    """If the offset of a window depends on an open size, it is taken to be 0.

    Upsampling by a factor does not depend on sizes.
    """
    (node,) = net_of(call, *shapes).graph.nodes
    assert node.op.windows(*node.types) == (window,)


# ---- nearest and bilinear


def test_nearest_neighbours_are_those_of_pytorch() -> None:
    """Both back ends choose the same elements as PyTorch's `interpolate`.

    The sizes are below 25, or have a ratio that is inexact in single precision.
    """
    pairs = [(b, a) for b in (1, 2, 3, 5, 7, 10, 24) for a in (1, 2, 3, 6, 9, 15, 21, 24)] + [
        (3, 41),
        (7, 49),
        (41, 123),
        (29, 203),
        (49, 98),
        (1000, 983),
    ]
    for before, after in pairs:
        net = net_of(f"upsample(size = [{after}])", f"1x{before}")
        x = np.arange(2 * before, dtype=np.float32).reshape(2, 1, before)
        expected = torch.nn.functional.interpolate(torch.from_numpy(x), size=after).numpy()
        np.testing.assert_array_equal(both(net, x)[1], expected, err_msg=f"{before} to {after}")


def test_the_last_of_many_positions() -> None:
    """If 5 elements become millions, the last is a copy of the fifth, as in PyTorch.

    In single precision its position would be beyond the end.
    """
    after = 16_774_220
    assert np.float32(after - 1) * np.float32(5 / after) == 5
    result = torch.nn.functional.interpolate(torch.arange(5.0)[None, None], size=after)[0, 0]
    assert (
        [position("nearest", i, 5, after) for i in (after - 1, after // 2)]
        == [4, 2]
        == [int(result[i]) for i in (-1, after // 2)]
    )


@pytest.mark.parametrize(
    "call",
    [
        "upsample(2)",
        "upsample(size = 7x5)",
        "upsample(size = 4)",
        "upsample(size = 7x5, mode = bilinear)",
        "upsample(3, mode = bilinear)",
    ],
)
def test_upsample_of_any_size(call: str) -> None:
    """One model resizes maps of every size, to larger or smaller ones."""
    for shape in ("2xHxW", "2x3xW", "2xHx4"):
        net = net_of(call, shape)
        for sizes in ({"H": 3, "W": 4}, {"H": 14, "W": 5}, {"H": 1, "W": 12}):
            assert_back_ends_agree(net, sizes)


# ---- errors


@pytest.mark.parametrize(
    ("call", "shapes", "expected"),
    [
        (
            "reshape([-2, 3])",
            ["2x3"],
            "bad-argument: `reshape` to -2x3: sizes must be at least 1, except for one -1",
        ),
        (
            "reshape([H // 2 + 1, -1])",
            ["3xHxW"],
            (
                "open-size: `reshape` to ⌊(H+2)/2⌋x-1: the size for -1 would be"
                " 3 H W / ⌊(H+2)/2⌋, which is not a whole number for all sizes"
            ),
        ),
        (
            "reshape([H, W])",
            ["3xHxW"],
            ("shape-mismatch: `reshape` to HxW needs H W elements, but its input 3xHxW has 3 H W"),
        ),
        (
            "reshape([2, H, W + 1])",
            ["2xHxW"],
            (
                "shape-mismatch: `reshape` to 2xHx(W+1) needs 2 H W + 2 H elements, but its"
                " input 2xHxW has 2 H W"
            ),
        ),
        (
            "slice(5, 5)",
            ["TxD"],
            "bad-slice: `slice` from 5 to 5 is empty: the axis has T elements",
        ),
        (
            "slice(-2, -4)",
            ["TxD"],
            "bad-slice: `slice` from -2 to -4 is empty: the axis has T elements",
        ),
        (
            "slice(0, T + 1)",
            ["TxD"],
            "bad-slice: `slice` from 0 to T + 1 does not fit: the axis has T elements",
        ),
        (
            "slice(4)",
            ["2x4"],
            "bad-slice: `slice` from 4 to the end is empty: the axis has 2 elements",
        ),
        (
            "select(2)",
            ["2x4"],
            "bad-slice: there is no element 2 to select: the axis has 2 elements, counted from 0",
        ),
        (
            "select(-3)",
            ["2x4"],
            "bad-slice: there is no element -3 to select: the axis has 2 elements, counted from 0",
        ),
        (
            "select(T)",
            ["TxD"],
            "bad-slice: there is no element T to select: the axis has T elements, counted from 0",
        ),
        (
            "concat(@x0, @x1, axis = 1) -> split(2, 0)",
            ["TxD", "1xD"],
            "bad-groups: 2 T + 1 elements cannot be divided into 2 equal pieces",
        ),
        (
            "crop([H + 1, 4])",
            ["2xHxW"],
            "window-too-large: `crop` to H + 1 does not fit into H",
        ),
        (
            "upsample",
            ["2x3x4"],
            "missing-argument: `upsample` needs one of `scale`, `size` and a reference, found none",
        ),
        (
            "upsample(2, @x1)",
            ["2x3x4", "2x6x8"],
            (
                "missing-argument: `upsample` needs one of `scale`, `size` and a reference, found"
                " `scale` and a reference"
            ),
        ),
        (
            "upsample(@x1)",
            ["2x3x4", "2x6"],
            (
                "wrong-rank: the reference of `upsample` has 1 spatial axis, but the input has"
                " 2 spatial axes"
            ),
        ),
        (
            "reshape(5x4)",
            ["3x8"],
            "shape-mismatch: `reshape` to 5x4 needs 20 elements, but its input 3x8 has 24",
        ),
        (
            "pad([(1, 3)], mode = reflect)",
            ["2x3"],
            "bad-padding: a reflected border of 3 needs an input larger than 3",
        ),
        (
            "pad([(1, 2), (2, 1)])",
            ["2x4"],
            "wrong-rank: `pad` has 2 pairs, but the input has 1 spatial axis",
        ),
        (
            "pad(1, channels = 1, mode = edge)",
            ["2x4"],
            "bad-argument: `channels` of `pad` needs `mode = constant`, found edge",
        ),
        ("crop(7)", ["2x6"], "window-too-large: `crop` to 7 does not fit into 6"),
        (
            "crop(4, offset = 3)",
            ["2x6"],
            "window-too-large: `crop` to 4 from offset 3 does not fit into 6",
        ),
        (
            "crop(3, offset = [-1])",
            ["2x6"],
            "window-too-large: `crop` to 3 from offset -1 does not fit into 6",
        ),
        ("crop(@x1)", ["2x6", "2x7"], "window-too-large: `crop` to 7 does not fit into 6"),
        (
            "crop(@x1, offset = 1)",
            ["2x6", "2x6"],
            "window-too-large: `crop` to 6 from offset 1 does not fit into 6",
        ),
        ("crop(3x2)", ["2x6"], "wrong-rank: `crop` has 2 sizes, but the input has 1 spatial axis"),
        (
            "crop(@x1)",
            ["2x6", "2x6x6"],
            (
                "wrong-rank: the reference of `crop` has 2 spatial axes,"
                " but the input has 1 spatial axis"
            ),
        ),
        (
            "crop(3, offset = 2x1)",
            ["2x6"],
            "wrong-rank: `offset` has 2 sizes, but the input has 1 spatial axis",
        ),
        ("crop", ["2x6"], "missing-argument: `crop` needs a size or a reference, found neither"),
        (
            "crop(3, @x1)",
            ["2x6", "2x3"],
            "missing-argument: `crop` needs a size or a reference, found both",
        ),
        (
            "upsample(size = 3x3)",
            ["2x4"],
            "wrong-rank: `size` has 2 sizes, but the input has 1 spatial axis",
        ),
        (
            "slice(1, 3)",
            ["2x4"],
            "bad-slice: `slice` from 1 to 3 does not fit: the axis has 2 elements",
        ),
        (
            "slice(-3, 2)",
            ["2x4"],
            "bad-slice: `slice` from -3 to 2 does not fit: the axis has 2 elements",
        ),
    ],
)
def test_errors(call: str, shapes: list[str], expected: str) -> None:
    """The error names the values that do not fit."""
    assert expected == message(call, *shapes)
