"""Draws curves, bars and confusion matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from netdsl.look.labels import plain, short
from netdsl.look.parts import Bars, Curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from netdsl.look.parts import Curve
    from netdsl.train.confusion import ConfusionMatrix

    Canvas = Figure | SubFigure

PANEL = (4.4, 2.9)  # inches of a panel with a curve
COLUMNS = 2
TITLE = 0.4
BAR, NAMES = 0.24, 1.8  # inches of a bar's height, and of the names at its left
MOST_NUMBERS = 20  # classes whose numbers are printed in the matrix
CELL, LEAST = 0.42, 4.0
OWN = "#1f6feb"
OTHER = "#9aa4b2"


def plot_size(part: Curves | Bars | ConfusionMatrix) -> tuple[float, float]:
    """The width and the height of a plot in inches."""
    if isinstance(part, Curves):
        rows = -(-len(part.curves) // COLUMNS)
        return PANEL[0] * min(len(part.curves), COLUMNS), TITLE + PANEL[1] * rows
    if isinstance(part, Bars):
        return 6.5, TITLE + BAR * len(part.values) + 0.5
    side = max(LEAST, CELL * len(part.classes))
    if len(part.classes) > MOST_NUMBERS:
        side = 6.0
    return side + 1.8, side + 1.9


def _axes(canvas: Canvas, box: tuple[float, ...], width: float, height: float) -> Axes:
    """Axes in a box of inches: left, top, width and height."""
    left, top, wide, high = box
    bottom = height - top - high
    return canvas.add_axes((left / width, bottom / height, wide / width, high / height))


def _draw_title(canvas: Canvas, title: str, width: float, height: float) -> None:
    x, y = 0.12 / width, 1 - 0.1 / height
    canvas.text(x, y, plain(title), fontsize=11, weight="bold", va="top")


def draw_curves(canvas: Canvas, part: Curves, width: float, height: float) -> None:
    """Draw each curve in a panel, with a line where nothing changes, and one at a guess."""
    _draw_title(canvas, part.title, width, height)
    for number, curve in enumerate(part.curves):
        row, column = divmod(number, COLUMNS)
        box = (
            PANEL[0] * column + 0.65,
            TITLE + PANEL[1] * row + 0.15,
            PANEL[0] - 0.8,
            PANEL[1] - 0.7,
        )
        _draw_curve(_axes(canvas, box, width, height), curve, part)


def _draw_curve(axes: Axes, curve: Curve, part: Curves) -> None:
    axes.plot(curve.xs, curve.ys, "o-", color=OWN, markersize=4)
    axes.axvline(curve.still, color=OTHER, linewidth=1)
    axes.axhline(part.lowest, color=OTHER, linewidth=1, linestyle="--")
    axes.set(ylim=(0, 102), xlabel=curve.quantity, ylabel=part.label)
    axes.grid(alpha=0.3)
    axes.tick_params(labelsize=9)


def draw_bars(canvas: Canvas, part: Bars, width: float, height: float) -> None:
    """Draw bars with their numbers; the marked one has another colour."""
    _draw_title(canvas, part.title, width, height)
    high = BAR * len(part.values)
    axes = _axes(canvas, (NAMES, TITLE, width - NAMES - 0.8, high), width, height)
    names, values = zip(*part.values, strict=True)
    tints = [OTHER] * len(names)
    if part.marked is not None:
        tints[part.marked] = OWN
    axes.barh(range(len(names)), values, color=tints)
    axes.set_yticks(range(len(names)), [plain(short(name)) for name in names], fontsize=9)
    axes.invert_yaxis()
    for place, value in enumerate(values):
        axes.annotate(
            f"{value:.1f}",
            (value, place),
            (4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
        )
    axes.set_xlabel(part.label)
    axes.spines[["top", "right"]].set_visible(False)


def draw_matrix(canvas: Canvas, part: ConfusionMatrix, width: float, height: float) -> None:
    """Draw a confusion matrix; the colour of a cell is its share of its row."""
    _draw_title(
        canvas, "Confusion matrix: a row is a class, a column the answer of the net", width, height
    )
    side = min(width - 1.8, height - 1.9)
    axes = _axes(canvas, (1.5, TITLE + 0.1, side, side), width, height)
    counts = part.counts
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="none")
    if len(part.classes) > MOST_NUMBERS:
        axes.set(xlabel="answer", ylabel="class")
        return
    names = [plain(short(name)) for name in part.classes]
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=9)
    axes.set_yticks(range(len(names)), names, fontsize=9)
    for row, column in np.argwhere(counts):
        tint = "white" if shares[row, column] > 0.5 else "black"
        text = f"{counts[row, column]:,}"
        axes.text(column, row, text, ha="center", va="center", color=tint, fontsize=9)
