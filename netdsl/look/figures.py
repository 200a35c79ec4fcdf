"""Draws the parts of a view as figures of matplotlib."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.figure import Figure

from netdsl.files import replacing
from netdsl.look.labels import plain, without_glyph_warnings
from netdsl.look.mosaic import mosaic, mosaic_size
from netdsl.look.parts import Bars, Curves, Grid
from netdsl.look.plots import draw_bars, draw_curves, draw_matrix, plot_size

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.figure import SubFigure

    from netdsl.look.parts import View
    from netdsl.train.confusion import ConfusionMatrix

    Part = Grid | Curves | Bars | ConfusionMatrix
    Canvas = Figure | SubFigure

DPI = 144
HEADING, LINE = 0.5, 0.22  # inches of the title of a view, and of a line below it
LETTERS = 11.5  # in an inch of text
LEAST_WIDTH = 6.5
METADATA = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}  # the same bytes every time


def part_figure(part: Part) -> Figure:
    """A figure of one part."""
    width, height = part_size(part)
    figure = Figure(figsize=(width, height), dpi=DPI)
    _draw(figure, part, width, height)
    return figure


def view_figure(view: View) -> Figure:
    """A figure of a whole view: its title, its text, and its parts below each other."""
    sizes = [part_size(part) for part in view.parts]
    width = max(LEAST_WIDTH, *(size[0] for size in sizes)) if sizes else LEAST_WIDTH
    texts = [text.replace("`", "") for text in view.text]
    lines = [line for text in texts for line in textwrap.wrap(text, int(width * LETTERS))]
    heights = [HEADING + LINE * len(lines), *(size[1] for size in sizes)]
    figure = Figure(figsize=(width, sum(heights)), dpi=DPI)
    canvases = list(figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0])
    _draw_heading(canvases[0], view.title, lines, heights[0])
    for canvas, part, height in zip(canvases[1:], view.parts, heights[1:], strict=True):
        _draw(canvas, part, width, height)
    return figure


def part_size(part: Part) -> tuple[float, float]:
    """The width and the height of a part in inches."""
    if isinstance(part, Grid):
        return mosaic_size(part)
    return plot_size(part)


def _draw(canvas: Canvas, part: Part, width: float, height: float) -> None:
    if isinstance(part, Grid):
        mosaic(canvas, part, width, height, DPI)
    elif isinstance(part, Curves):
        draw_curves(canvas, part, width, height)
    elif isinstance(part, Bars):
        draw_bars(canvas, part, width, height)
    else:
        draw_matrix(canvas, part, width, height)


def _draw_heading(canvas: Canvas, title: str, lines: Sequence[str], height: float) -> None:
    canvas.text(0.01, 1 - 0.12 / height, plain(title), fontsize=15, weight="bold", va="top")
    text = plain("\n".join(lines))
    canvas.text(0.01, 1 - (HEADING - 0.04) / height, text, fontsize=10, va="top", linespacing=1.4)


def write_figure(view: View, path: Path) -> None:
    """Write a view as .png, .svg or .pdf, as the suffix of the path says; raises OSError."""
    figure = view_figure(view)
    with (
        replacing(path) as temporary,
        without_glyph_warnings(),
        mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "netdsl", "pdf.fonttype": 42}),
    ):
        suffix = path.suffix.lower()
        metadata = METADATA.get(suffix, {})
        figure.savefig(temporary, format=suffix[1:], dpi=DPI, metadata=metadata)
