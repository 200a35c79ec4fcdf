"""Texts in figures: names from data can have any characters and any length."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from netdsl.source import printable

MOST = 22  # characters of a name in a figure
SLACK = 1.08  # other programs draw the letters of an SVG file in a font that may be wider


def plain(text: str) -> str:
    """Text in which matplotlib sees no formula, and which has no unprintable characters."""
    return printable(text, "\n").replace("$", r"\$")


def short(name: str, most: int = MOST) -> str:
    """A name, or its beginning if it is long."""
    if len(name) <= most:
        return name
    return f"{name[: most - 1]}…"


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """The inches that a text of this size in points takes; of several lines, the longest."""
    font = FontProperties(size=size, weight="bold" if bold else "normal")
    lines = printable(text, "\n").split("\n")
    with without_glyph_warnings():
        widths = [
            text_to_path.get_text_width_height_descent(line, font, False)[0] for line in lines
        ]
    return SLACK * float(max(widths)) / 72


def value_text(value: float) -> str:
    """The value of a unit: two digits after the point, or two others of a small one."""
    text = f"{value:.2f}"
    if value and float(text) == 0:
        text = f"{value:.2g}"
    return text.replace("-", "−")


@contextmanager
def without_glyph_warnings() -> Iterator[None]:
    """Draw characters that the font does not have as boxes, without a warning for each."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield
