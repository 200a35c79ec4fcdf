"""RoI layers compared with their formulas, written out in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from netdsl.analysis.valid import valid_for
from tests.support.back_ends import assert_back_ends_agree, both, numbers
from tests.support.small_nets import message, net_of

BOXES = np.array(
    [
        [0, 0, 15, 15],
        [4, 8, 40, 24],
        [-20, -9, 12, 70],
        [8, 8, 8, 8],
        [30, 20, 10, 4],
        [100, 100, 140, 120],
        [4, 12, 20, 28],
        [-4, -12, -1, 60],
        [2.5, 3.5, 63.9, 63.9],
    ],
    dtype=np.float32,
)


def cround(value: np.float32) -> int:
    """The nearest integer; halves are rounded away from 0."""
    return int(np.floor(abs(float(value)) + 0.5)) * (1 if value >= 0 else -1)


def slow_roi_pool(
    x: np.ndarray, box: np.ndarray, size: tuple[int, int], scale: float
) -> np.ndarray:
    """Fast R-CNN's pooling of one box, computed as in Caffe."""
    x1, y1, x2, y2 = (cround(v * np.float32(scale)) for v in box)
    result = np.zeros((x.shape[0], *size))
    high, wide = (
        np.float32(max(b - a + 1, 1)) / np.float32(n)
        for a, b, n in ((y1, y2, size[0]), (x1, x2, size[1]))
    )
    for i in range(size[0]):
        for j in range(size[1]):
            top, left = (
                int(np.floor(np.float32(k) * w)) + a for k, w, a in ((i, high, y1), (j, wide, x1))
            )
            bottom, right = (
                int(np.ceil(np.float32(k + 1) * w)) + a
                for k, w, a in ((i, high, y1), (j, wide, x1))
            )
            part = x[:, max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
            result[:, i, j] = part.max((1, 2)) if part.size else 0
    return result


def interpolated(x: np.ndarray, row: float, column: float) -> np.ndarray:
    """The interpolated value at a point, or 0 if it is over one pixel outside the map."""
    if not (-1 <= row <= x.shape[1] and -1 <= column <= x.shape[2]):
        return np.zeros(x.shape[0])
    row, column = (min(max(v, 0), n - 1) for v, n in ((row, x.shape[1]), (column, x.shape[2])))
    r, c = int(row), int(column)
    r2, c2 = min(r + 1, x.shape[1] - 1), min(c + 1, x.shape[2] - 1)
    a, b = row - r, column - c
    return (1 - a) * ((1 - b) * x[:, r, c] + b * x[:, r, c2]) + a * (
        (1 - b) * x[:, r2, c] + b * x[:, r2, c2]
    )


def slow_roi_align(
    x: np.ndarray,
    box: np.ndarray,
    size: tuple[int, int],
    scale: float,
    samples: int,
    *,
    aligned: bool,
) -> np.ndarray:
    """The mean of the sampling points in each bin of one box, computed one after the other."""
    x1, y1, x2, y2 = (float(v) * scale - 0.5 * aligned for v in box)
    high, wide = (
        (b - a if aligned else max(b - a, 1)) / n
        for a, b, n in ((y1, y2, size[0]), (x1, x2, size[1]))
    )
    result = np.zeros((x.shape[0], *size))
    for i in range(size[0]):
        for j in range(size[1]):
            points = [
                (y1 + (i + (p + 0.5) / samples) * high, x1 + (j + (q + 0.5) / samples) * wide)
                for p in range(samples)
                for q in range(samples)
            ]
            result[:, i, j] = np.mean([interpolated(x, *p) for p in points], axis=0)
    return result


@pytest.mark.parametrize(
    ("size", "scale"), [((2, 2), 0.25), ((7, 7), 0.25), ((3, 5), 0.5), ((1, 4), 0.125)]
)
def test_roi_pool_formula(size: tuple[int, int], scale: float) -> None:
    """RoI pooling gives the values of Caffe's formula.

    The boxes are inside, across and outside the map, upside down and empty, and some corners fall
    on halves. Each sample has its own boxes.
    """
    x, boxes = numbers(2, 3, 16, 17).astype(np.float32), np.stack([BOXES, BOXES[::-1]])
    _, y = both(net_of(f"roi_pool({size[0]}x{size[1]}, {scale}, @x1)", "3x16x17", "9x4"), x, boxes)
    for n in range(2):
        for r, box in enumerate(boxes[n]):
            np.testing.assert_array_equal(y[n, r], slow_roi_pool(x[n], box, size, scale))


def test_roi_pool_rounds_as_caffe() -> None:
    """57 rows in 7 bins: in single precision, the last bin extends one row beyond the box."""
    x = np.arange(64, dtype=np.float32).reshape(1, 1, 64, 1)
    _, y = both(net_of("roi_pool(7x1, 1, @x1)", "1x64x1", "1x4"), x, np.array([[[0, 0, 0, 56]]]))
    assert [8, 16, 24, 32, 40, 48, 57] == [int(v) for v in y.ravel()]


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize(
    ("size", "scale", "samples"), [((2, 2), 0.25, 2), ((7, 7), 0.25, 1), ((3, 5), 0.5, 3)]
)
def test_roi_align_formula(
    size: tuple[int, int], scale: float, samples: int, aligned: bool
) -> None:
    """RoI align gives the values of its formula.

    The boxes are inside, across and outside the map, upside down and empty. Each sample has its own
    boxes.
    """
    x, boxes = numbers(2, 3, 16, 17), np.stack([BOXES, BOXES[::-1]])
    call = (
        f"roi_align({size[0]}x{size[1]}, {scale}, samples = {samples}, aligned ="
        f" {str(aligned).lower()}, @x1)"
    )
    _, y = both(net_of(call, "3x16x17", "9x4"), x, boxes)
    for n in range(2):
        for r, box in enumerate(boxes[n]):
            np.testing.assert_allclose(
                y[n, r],
                slow_roi_align(x[n], box, size, scale, samples, aligned=aligned),
                rtol=1e-4,
                atol=2e-5,
            )


@pytest.mark.parametrize("call", ["roi_pool(2, 1 / 4, @x1)", "roi_align(2, 1 / 4, @x1)"])
def test_regions_of_any_number(call: str) -> None:
    """One model takes maps of every size and any number of boxes; gradients reach the map."""
    net = net_of(call, "3xHxW", "Rx4")
    for sizes in ({"H": 5, "W": 9, "R": 1}, {"H": 12, "W": 4, "R": 6}):
        assert_back_ends_agree(net, sizes, batch=3)
    x = torch.ones(1, 3, 8, 8, requires_grad=True)
    net.torch()(x, torch.tensor([[[0.0, 0.0, 31.0, 31.0]]])).sum().backward()
    assert x.grad is not None
    assert float(x.grad.sum()) == pytest.approx(3 * 2 * 2)


@pytest.mark.parametrize(
    ("call", "shapes", "expected"),
    [
        (
            "roi_pool(2, 1, @x1)",
            ["8x8", "3x4"],
            "wrong-rank: `roi_pool` needs C x H x W, but its input is 8x8",
        ),
        (
            "roi_pool(2, 1, @x1)",
            ["3x8x8", "3x5"],
            "shape-mismatch: the boxes of `roi_pool` are 3x5; they must be R x 4: x1, y1, x2, y2",
        ),
        (
            "roi_align(2, 1, @x1)",
            ["3x8x8", "4"],
            "shape-mismatch: the boxes of `roi_align` are 4; they must be R x 4: x1, y1, x2, y2",
        ),
        (
            "roi_align(2, 0, @x1)",
            ["3x8x8", "3x4"],
            "bad-argument: `scale` of `roi_align` must be above 0, found 0",
        ),
        (
            "roi_pool(2x2x2, 1, @x1)",
            ["3x8x8", "3x4"],
            "wrong-rank: `size` of `roi_pool` has 3 sizes, but the input has 2 spatial axes",
        ),
    ],
)
def test_region_errors(call: str, shapes: list[str], expected: str) -> None:
    """The error gives the shape or value that does not fit, and what is needed."""
    assert expected == message(call, *shapes)


def test_boxes_have_four_corners() -> None:
    """If the length of a box is an open size, it must be 4."""
    assert valid_for(net_of("roi_pool(2, 1, @x1)", "3x8x8", "RxB").graph) == "R >= 1, B == 4"
