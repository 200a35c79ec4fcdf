"""Figures have the colours and the words that a reader needs."""

from __future__ import annotations

import re
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from netdsl.look.figures import part_figure, part_size, write_figure
from netdsl.look.labels import value_text
from netdsl.look.mosaic import colours
from netdsl.look.parts import (
    Bars,
    ColourScale,
    Curve,
    Curves,
    Grid,
    Tile,
    TileRow,
    View,
    scale_of,
)
from netdsl.train.confusion import ConfusionMatrix
from netdsl.train.curves import svg_of

if TYPE_CHECKING:
    from pathlib import Path

SCALE = ColourScale(0, 1)


def words(part: Grid | Bars | Curves | ConfusionMatrix) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)", svg_of(part_figure(part)))


def test_colours_of_numbers() -> None:
    """Of signed numbers, 0 is white, blue is negative and red is positive."""
    blue, white, red = colours(np.array([[-2.0, 0.0, 2.0]]), ColourScale(-2, 2))[0].tolist()
    assert blue[2] > blue[0] + 50
    assert red[0] > red[2] + 50
    assert min(white) > 240
    dark, light = colours(np.array([[0.0, 2.0]]), ColourScale(0, 2))[0].tolist()
    assert sum(light) > sum(dark) + 100


def test_scale_of_maps() -> None:
    """All maps have one scale, with 0 in its middle if there are negative numbers."""
    assert ColourScale(-3, 3) == scale_of([np.array([[1.0, -3.0]]), np.array([[2.0]])])
    assert ColourScale(0, 2) == scale_of([np.array([[1.0, 0.5]]), np.array([[2.0]])])
    assert ColourScale(0, 1) == scale_of([np.zeros((2, 2))])


def test_words_of_a_grid() -> None:
    """The title, the names, the captions and the scale are printed, and no formulas are seen."""
    rows = [TileRow("unit 4", [Tile(np.array([[0.5, -0.25]]), "a$b$\nsecond")])]
    grid = Grid("Title $x$", rows, ColourScale(-0.5, 0.5), ["map 0"])
    expected = {"Title $x$", "unit 4", "a$b$", "second", "map 0", "−0.5", "0", "0.5"}
    assert expected <= set(words(grid))


def test_no_text_is_cut_off() -> None:
    """Wide letters have room: in the title, in the names, in the heads and in the captions."""
    wide = "WWWW MMMM WWWW MMMM @@"
    tiles = [
        Tile(np.zeros((4, 4)), "0"),
        Tile(np.zeros((4, 4)), wide),
        Tile(np.zeros((4, 4)), wide),
    ]
    for grid in (
        Grid("The picture: fashion_mnist_sample, Ankle boot", [TileRow("", tiles[:1])], SCALE),
        Grid(f"{wide} {wide}", [TileRow("", tiles[:1])], SCALE),
        Grid("", [TileRow(wide, tiles)], SCALE, [wide, "", ""]),
    ):
        figure = part_figure(grid)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        texts = [text for axes in figure.axes for text in axes.texts if text.get_text()]
        boxes = [text.get_window_extent(canvas.get_renderer()) for text in texts]
        width = figure.get_figwidth() * figure.dpi
        assert all(box.x0 >= 0 and box.x1 <= width for box in boxes)
        assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


def test_values_of_units() -> None:
    """A small value is not printed as 0, which a dead unit has."""
    found = {value: value_text(value) for value in (3.141, -2.0, 0.0, -0.0012, 0.004)}
    assert found == {3.141: "3.14", -2.0: "−2.00", 0.0: "0.00", -0.0012: "−0.0012", 0.004: "0.004"}


def test_edges_are_lines() -> None:
    """The lines around tiles are drawn, so that none vanishes where a page is shown smaller."""
    grid = Grid("", [TileRow("", [Tile(np.zeros((4, 4, 3)))] * 3)])
    (edges,) = part_figure(grid).axes[0].collections
    width, height = part_size(grid)
    assert len(edges.get_paths()) == 3
    for path in edges.get_paths():
        corners = np.asarray(path.vertices)
        (left, top), (right, bottom) = corners.min(0), corners.max(0)
        assert 0 < left < right < width and 0 < top < bottom < height


def test_pixels_of_a_grid(tmp_path: Path) -> None:
    """A tile is enlarged without smoothing: only its own colours and that of its edge are there."""
    tile = np.zeros((2, 2, 3))
    tile[0, 1] = (1, 0, 0)
    tile[1, 0] = (0, 1, 0)
    tile[1, 1] = (0, 0, 1)
    write_figure(View("v", "T", [], [Grid("", [TileRow("", [Tile(tile)])])]), tmp_path / "f.png")
    with Image.open(tmp_path / "f.png") as picture:
        found = np.asarray(picture.convert("RGB"))
    for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255)):
        assert (found == colour).all(2).sum() > 40_000


def test_words_of_plots() -> None:
    """Axes have names with units; the matrix has its numbers if there are few classes."""
    curve = Curve("shift (pixels)", [0, 1], [90, 80], 0)
    assert {"shift (pixels)", "accuracy (%)"} <= set(
        words(Curves("T", "accuracy (%)", [curve], 10))
    )
    assert {"cat", "97.0", "p (%)"} <= set(
        words(Bars("T", [("cat", 97.0), ("dog", 3.0)], "p (%)", 0))
    )
    counts = np.array([[1234, 5], [6, 7]])
    assert {"cat", "dog", "1,234", "5"} <= set(words(ConfusionMatrix(0, ("cat", "dog"), counts)))
    many = ConfusionMatrix(0, tuple(map(str, range(30))), np.eye(30, dtype=np.int64) * 4321)
    assert "4,321" not in words(many)
    width, height = part_size(many)
    assert max(width, height) < 9
