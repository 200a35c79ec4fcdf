"""Draws a grid of pictures and maps, with captions and the scale of its colours.

All tiles are one image, so that a figure of hundreds of tiles is drawn quickly.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.collections import PolyCollection
from PIL import Image

from netdsl.look.labels import plain, text_width

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from netdsl.look.parts import ColourScale, Grid, Tile

GAP, APART, MARGIN = 0.09, 0.3, 0.12  # inches
TITLE, HEAD, LINE, BAR = 0.36, 0.2, 0.155, 0.52  # inches of their heights
BOLD, TEXT, NOTE = 11, 9, 8.5  # points of the title, of names, and of captions and heads
SMALL, LARGE = 0.6, 1.5  # inches of a tile
ROOM, DEPTH = 10.0, 14.0  # inches that the tiles of a row and of a column may take
WHOLE = 3.2  # inches of a tile that is alone
SIGNED, UNSIGNED = "RdBu_r", "viridis"
EDGE = "#b0b0b0"  # the line around a tile


class _Layout:
    """Where the tiles of a grid are, in inches from its top left corner."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        tiles = [tile for row in grid.rows for tile in row.tiles]
        self.columns = max((len(row.tiles) for row in grid.rows), default=1)
        height = max((tile.values.shape[0] for tile in tiles), default=1)
        width = max((tile.values.shape[1] for tile in tiles), default=1)
        side = WHOLE
        if len(tiles) > 1:
            room = min(ROOM / self.columns, DEPTH / len(grid.rows)) - GAP
            side = min(max(room, SMALL), LARGE)
        self.width = side * min(1.0, width / height)
        self.height = side * min(1.0, height / width)
        notes = {tile.caption for tile in tiles} | set(grid.heads)
        self.step = max([self.width, *(text_width(note, NOTE) for note in notes)]) + GAP
        names = {row.name for row in grid.rows if row.name}
        self.left = MARGIN + max((text_width(n, TEXT) + MARGIN for n in names), default=0)
        self.top = TITLE + (HEAD if grid.heads else 0)
        self.ends = [self.top]  # of the rows, each with its captions
        for row, after in zip_longest(grid.rows, grid.rows[1:]):
            lines = [tile.caption.count("\n") + 1 for tile in row.tiles if tile.caption]
            gap = GAP
            if after is not None and after.name and not row.name:
                gap = APART  # the rows before belong together
            self.ends.append(self.ends[-1] + self.height + LINE * max(lines, default=0) + gap)

    def place(self, row: int, column: int) -> tuple[float, float]:
        """The left and top end of a tile."""
        x = self.left + column * self.step + (self.step - GAP - self.width) / 2
        return x, self.ends[row]

    def size(self) -> tuple[float, float]:
        """The width and the height of the whole grid."""
        least = text_width(self.grid.title, BOLD, bold=True) + 2 * MARGIN
        width = max(self.left + self.columns * self.step + MARGIN, least, 3.0)
        height = self.ends[-1]
        if self.grid.scale is not None:
            height += BAR
        return width, height + MARGIN

    def tiles(self) -> Iterator[tuple[Tile, float, float]]:
        """The tiles with their places."""
        for i, row in enumerate(self.grid.rows):
            for k, tile in enumerate(row.tiles):
                yield (tile, *self.place(i, k))


def mosaic_size(grid: Grid) -> tuple[float, float]:
    """The width and the height of a grid in inches."""
    return _Layout(grid).size()


def mosaic(canvas: Figure | SubFigure, grid: Grid, width: float, height: float, dpi: int) -> None:
    """Draw a grid on a canvas of this size in inches."""
    layout = _Layout(grid)
    axes = canvas.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    pixels = np.zeros((round(height * dpi), round(width * dpi), 4), np.uint8)
    edges = []
    for tile, x, y in layout.tiles():
        corner = (round(x * dpi), round(y * dpi))
        edges.append(np.array(_paste(pixels, tile, grid.scale, layout, corner, dpi)) / dpi)
    # Lines of an image can vanish where it is shown smaller.
    axes.add_collection(PolyCollection(edges, facecolors="none", edgecolors=EDGE, linewidths=0.6))
    axes.imshow(pixels, extent=(0, width, height, 0), interpolation="none", aspect="auto")
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.text(MARGIN, 0.1, plain(grid.title), fontsize=BOLD, weight="bold", va="top")
    _draw_texts(axes, grid, layout)
    if grid.scale is not None:
        _draw_scale(canvas, grid.scale, layout, width, height)


def _draw_texts(axes: Axes, grid: Grid, layout: _Layout) -> None:
    for k, head in enumerate(grid.heads):
        x = layout.place(0, k)[0] + layout.width / 2
        axes.text(x, layout.top - 0.04, plain(head), fontsize=NOTE, ha="center", va="bottom")
    for i, row in enumerate(grid.rows):
        y = layout.place(i, 0)[1] + layout.height / 2
        axes.text(MARGIN, y, plain(row.name), fontsize=TEXT, va="center")
    for tile, x, y in layout.tiles():
        if tile.caption:
            axes.text(
                x + layout.width / 2,
                y + layout.height + 0.03,
                plain(tile.caption),
                fontsize=NOTE,
                ha="center",
                va="top",
            )


def _draw_scale(
    canvas: Figure | SubFigure, scale: ColourScale, layout: _Layout, width: float, height: float
) -> None:
    """A bar with the colours, and the numbers at its ends and at 0."""
    length = min(3.0, width - 2 * MARGIN - 0.6)
    low = BAR - 0.2
    axes = canvas.add_axes(
        ((layout.left + 0.2) / width, low / height, length / width, 0.13 / height)
    )
    ramp = np.linspace(scale.low, scale.high, 256)[None]
    axes.imshow(colours(ramp, scale), extent=(scale.low, scale.high, 0, 1), aspect="auto")
    ticks = sorted({scale.low, 0.0, scale.high})
    axes.set_xticks(ticks, [number_text(tick) for tick in ticks], fontsize=NOTE)
    axes.set_yticks([])


def number_text(value: float) -> str:
    """A number with three digits and a true minus sign."""
    return f"{value:.3g}".replace("-", "−")


def colours(values: np.ndarray, scale: ColourScale) -> np.ndarray:
    """Numbers as colours, H x W x 3 with bytes."""
    name = SIGNED if scale.is_signed else UNSIGNED
    shares = (values - scale.low) / ((scale.high - scale.low) or 1.0)
    found: np.ndarray = mpl.colormaps[name](shares.clip(0, 1), bytes=True)[..., :3]
    return found


def _paste(
    pixels: np.ndarray,
    tile: Tile,
    scale: ColourScale | None,
    layout: _Layout,
    corner: tuple[int, int],
    dpi: int,
) -> list[tuple[int, int]]:
    """Put a tile into the middle of its box, enlarged without smoothing; returns its corners."""
    if tile.is_map:
        assert scale is not None
        image = colours(tile.values, scale)
    else:
        image = (np.nan_to_num(tile.values) * 255).round().astype(np.uint8)
    height, width = image.shape[:2]
    factor = min(layout.width * dpi / width, layout.height * dpi / height)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    method = Image.Resampling.NEAREST
    if factor < 1:
        method = Image.Resampling.BOX
    image = np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize(size, method))
    left = corner[0] + (round(layout.width * dpi) - size[0]) // 2
    top = corner[1] + (round(layout.height * dpi) - size[1]) // 2
    part = pixels[top : top + size[1], left : left + size[0]]
    part[..., :3] = image[: part.shape[0], : part.shape[1]]
    part[..., 3] = 255
    right, bottom = left + size[0], top + size[1]
    return [(left, top), (right, top), (right, bottom), (left, bottom)]
