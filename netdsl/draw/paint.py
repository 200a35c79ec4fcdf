"""A sheet as PNG or PDF, drawn by matplotlib with the fonts that come with it.

The letters are those of DejaVu Sans, which is wider than Helvetica, so they are a little smaller.
"""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Ellipse as Oval
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.textpath import TextPath

from netdsl.draw.sheet import DASHES, Ellipse, Polygon, Rect, Stroke, Text, rounded
from netdsl.errors import NetdslError
from netdsl.source import printable

if TYPE_CHECKING:
    from netdsl.draw.sheet import Ink, Point, Shape, Sheet

POINTS = 72  # in an inch
MAX_PIXELS = 1 << 28
_SCALE = 0.9  # of the letters, against Helvetica
_FONTS = mpl.get_data_path() + "/fonts/ttf/DejaVuSans{}.ttf"
_ROUND = 0.5523  # of a radius: where a quarter of a circle has its control points


def emit_png(sheet: Sheet, dpi: int) -> bytes:
    """The sheet as a PNG with so many pixels for an inch; raises `NetdslError` if it is too large."""
    pixels = sheet.width * sheet.height * (dpi / POINTS) ** 2
    longest = max(sheet.width, sheet.height) * dpi / POINTS
    if pixels > MAX_PIXELS or longest >= 1 << 16:
        width, height = (round(n * dpi / POINTS) for n in (sheet.width, sheet.height))
        raise NetdslError(
            "picture-too-large",
            f"the picture would have {width:,} x {height:,} pixels",
            help="fold blocks with `--depth N`, give a smaller `--dpi`, or write .svg or .pdf",
        )
    return _drawn(sheet, "png", dpi)


def emit_pdf(sheet: Sheet) -> bytes:
    """The sheet as a PDF, whose fonts are embedded."""
    return _drawn(sheet, "pdf", POINTS)


def _drawn(sheet: Sheet, form: str, dpi: int) -> bytes:
    figure = Figure((sheet.width / POINTS, sheet.height / POINTS), dpi, facecolor=sheet.paper)
    canvas = FigureCanvasAgg(figure)
    if form == "pdf":
        canvas = FigureCanvasPdf(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, sheet.width)
    axes.set_ylim(sheet.height, 0)
    axes.set_axis_off()
    order = 0
    for item in sheet.items:
        for shape in item.shapes():
            order += 1
            if isinstance(shape, Text):
                _write(axes, shape, order)
            else:
                axes.add_artist(_patch(shape, order))
    file = BytesIO()
    metadata = {"CreationDate": None} if form == "pdf" else {"Software": None}
    with mpl.rc_context({"pdf.fonttype": 42}), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # letters that the font lacks are drawn as boxes
        canvas.print_figure(file, dpi=dpi, facecolor=sheet.paper, metadata=metadata)
    return file.getvalue()


def _write(axes, text: Text, order: int) -> None:
    font = FontProperties(fname=_FONTS.format("-Bold" if text.bold else ""))
    size = text.size * _SCALE
    words = printable(text.text)
    width = _width(words, size, font)
    if width > text.width > 0:
        size *= text.width / width
    align = {"start": "left", "middle": "center", "end": "right"}[text.anchor]
    axes.text(
        text.x,
        text.y,
        words,
        fontproperties=font,
        fontsize=size,
        color=text.colour,
        ha=align,
        va="baseline",
        zorder=order,
        parse_math=False,
    )


def _width(text: str, size: float, font: FontProperties) -> float:
    return TextPath((0, 0), text, size=size, prop=font).get_extents().x1 if text.strip() else 0


def _patch(shape: Shape, order: int):
    ink = shape.ink
    style = {
        "facecolor": ink.fill or "none",
        "edgecolor": ink.line or "none",
        "linewidth": ink.width if ink.line else 0,
        "zorder": order,
        "clip_on": False,
        "capstyle": "butt",
        "joinstyle": "miter",
    }
    if ink.dashed:
        style["linestyle"] = (0, DASHES)
    if isinstance(shape, Ellipse):
        return Oval((shape.x, shape.y), 2 * shape.across, 2 * shape.down, **style)
    return PathPatch(_path(shape), **style)


def _path(shape: Rect | Polygon | Stroke) -> Path:
    match shape:
        case Polygon(points, _):
            return Path([*points, points[0]], closed=True)
        case Stroke(points, _, radius):
            return _rounded_path(points, radius)
        case Rect(x, y, width, height, _, radius):
            corners = ((x, y), (x + width, y), (x + width, y + height), (x, y + height))
            if not radius:
                return Path([*corners, corners[0]], closed=True)
            middle = (x + width / 2, y)
            return _rounded_path((middle, *corners[1:], corners[0], middle), radius)
    raise TypeError(shape)


def _rounded_path(points: tuple[Point, ...], radius: float) -> Path:
    places, codes = [points[0]], [Path.MOVETO]
    for curve in rounded(points, radius) if radius else []:
        places += [curve.start, curve.corner, curve.end]
        codes += [Path.LINETO, Path.CURVE3, Path.CURVE3]
    if not radius:
        places += points[1:-1]
        codes += [Path.LINETO] * (len(points) - 2)
    return Path([*places, points[-1]], [*codes, Path.LINETO])
