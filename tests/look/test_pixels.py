"""The views of nets that give maps: the accuracy and the errors of pixels."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from netdsl.data.dataset import InputData
from netdsl.look.errors import pixel_errors
from netdsl.look.parts import Curves, Grid
from netdsl.look.pictures import NO_CLASS, Pictures
from netdsl.look.shift import accuracy, changes_for, shift
from netdsl.train.confusion import ConfusionMatrix
from netdsl.train.sheet import coloured
from tests.support.commands import run_command
from tests.support.looking import layered

if TYPE_CHECKING:
    from pathlib import Path

# A pixel is bright if it is above a half of white: the second score is above the first.
THRESHOLD = "input image: 1x8x8\noutput y: conv(2, 1, weight = [[[[0]]], [[[2]]]], bias = [0, -1])"
CLASSES = ("dark", "bright")


def squares() -> Pictures:
    """Four pictures with a bright square of 2x2 pixels, and masks in which one is too large."""
    pixels, masks = np.full((4, 1, 8, 8), 20, np.uint8), np.zeros((4, 8, 8), np.int64)
    for i in range(4):
        pixels[i, 0, 2:4, 1 + i : 3 + i] = 240
        masks[i, 2:4, 1 + i : 3 + i] = 1
    masks[2, 2:5, 3:5] = 1  # two pixels more than are bright
    masks[:, 7] = NO_CLASS
    given = InputData(mean=(0.0,), std=(1.0,))
    return Pictures("squares", pixels, None, CLASSES, given, masks=masks)


def test_matrix_of_pixels() -> None:
    """The matrix counts the pixels that have a class; pictures without errors are not shown."""
    matrix, grid = pixel_errors(layered(THRESHOLD), squares()).parts
    assert isinstance(matrix, ConfusionMatrix) and isinstance(grid, Grid)
    np.testing.assert_array_equal([[4 * 56 - 18, 0], [2, 16]], matrix.counts)
    (row,) = grid.rows
    picture, truth, answer = row.tiles
    assert picture.caption == "4 % wrong"
    np.testing.assert_array_equal(squares().shown(2), picture.values)
    found = (truth.values != answer.values).any(-1)
    assert found.sum() == 2 and found[4, 3:5].all()


def test_masks_move_with_pictures() -> None:
    """A net that judges each pixel by itself keeps its accuracy, whatever whole pixels move."""
    net, shown = layered(THRESHOLD), squares()
    shown.masks[2, 4] = 0  # now the net is right everywhere
    move, turn = changes_for(8)[:2]
    assert [100.0] * len(move.values) == [accuracy(net, shown, move, v) for v in move.values]
    assert [100.0] * 4 == [accuracy(net, shown, turn, v) for v in (-90, 0, 90, 180)]


def test_what_comes_in_has_no_class() -> None:
    """Masks move as pictures do; places from outside do not count, and light moves nothing."""
    masks = squares().masks
    assert masks is not None
    move, turn, _, light = changes_for(8)
    found = move.apply_to_masks(masks, 2)
    np.testing.assert_array_equal(masks[:, :, :-2], found[:, :, 2:])
    assert (found[:, :, :2] == NO_CLASS).all()
    np.testing.assert_array_equal(np.rot90(masks, 1, (1, 2)), turn.apply_to_masks(masks, 90))
    np.testing.assert_array_equal(masks, light.apply_to_masks(masks, 2.0))


def test_curves_of_pixels() -> None:
    """The dashed line is what the most frequent class gives for every pixel."""
    view = shift(layered(THRESHOLD), squares())
    (part,) = view.parts
    assert isinstance(part, Curves)
    assert part.lowest == pytest.approx(100 * (4 * 56 - 18) / (4 * 56))
    assert "`dark` for every pixel" in view.text[0]
    still = [curve.ys[list(curve.xs).index(curve.still)] for curve in part.curves]
    assert still == pytest.approx([100 * (4 * 56 - 2) / (4 * 56)] * 4)


def test_colours_of_masks() -> None:
    """The background and pixels without a class keep their grey."""
    masks = np.array([[0, 1, 2, NO_CLASS]])
    found = coloured(np.full((1, 1, 4), 0.5), masks)
    assert found.shape == (3, 1, 4)
    np.testing.assert_array_equal(0.5, found[:, 0, [0, 3]])
    assert found[2, 0, 1] > found[0, 0, 1] and found[0, 0, 2] > found[2, 0, 2]  # blue and orange


def test_data_with_masks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The masks of `segments` give both views; the ignored number has no class."""
    monkeypatch.chdir(tmp_path)
    shown = squares()
    assert shown.masks is not None
    for folder, arrays in (("images", shown.pixels[:, 0]), ("masks", shown.masks)):
        (tmp_path / folder).mkdir()
        for i, array in enumerate(arrays):
            Image.fromarray(np.where(array < 0, 255, array).astype(np.uint8)).save(
                tmp_path / folder / f"{i}.png"
            )
    (tmp_path / "n.net").write_text(f"net N {{\n{THRESHOLD}\n}}\n", encoding="utf-8")
    data = 'segments("images", "masks", size = 8, test = 0.75, channels = 1)'
    run_command(capsys, "look", "n.net", "--data", data, "-o", "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    found = re.search(r"([\d,]+) of ([\d,]+) pixels in 3 test pictures", page)
    assert found is not None and int(found[2]) == 3 * 56
    assert int(found[2]) - int(found[1]) in (0, 2)  # the picture with errors may be for training
    assert "does not count" in page
