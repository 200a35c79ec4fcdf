"""How large a box of a picture is, and how it is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.draw.metrics import text_width
from netdsl.draw.picture import short
from netdsl.draw.sheet import Ellipse, Group, Ink, Rect, Text

if TYPE_CHECKING:
    from netdsl.draw.picture import Band, Box
    from netdsl.draw.sheet import Shape
    from netdsl.draw.themes import Theme

NAME, KIND, SMALL = 10.5, 9.5, 8.5  # sizes of letters
RADIUS = 5.0
LINE = 13.0  # height of a line of text
STRIP = 14.0  # height of a small layer
SIDE = 10.0  # beside the text of a box
SIGN = 18.0  # diameter
LEAST = 56.0  # width
STACK = 3.0  # by which the second sheet of a folded box stands out
Size = tuple[float, float]
_OVALS = ("input", "output", "loss")


def size_of(box: Box) -> Size:
    """The width and the height of a box."""
    match box.look:
        case "sign":
            return SIGN, SIGN
        case "input" | "output":
            return text_width(short(box.lines[0]), NAME, bold=True) + 2 * SIDE + 8, 22.0
        case "loss":
            return text_width(short(box.lines[0]), SMALL) + 2 * SIDE + 4, 18.0
        case "folded":
            name, *others = map(short, box.lines)
            widths = [text_width(name, NAME, bold=True), *(text_width(t, KIND) for t in others)]
            return max(widths) + 2 * SIDE + STACK, LINE * len(box.lines) + 10 + STACK
    first, *others = box.bands
    width = max([_width(first), *(_strip_width(band) for band in others)])
    return max(width + 2 * SIDE, LEAST), _height(first, box) + STRIP * len(others)


def draw_box(box: Box, x: float, y: float, theme: Theme) -> list[Shape]:
    """The shapes of a box whose corner at the top left is at a point."""
    width, height = size_of(box)
    if box.look in _OVALS:
        return _oval(box, x, y, theme)
    if box.look == "sign":
        fill, border = theme.of(box.family)
        half = SIGN / 2
        circle = Ellipse(x + half, y + half, half, half, Ink(fill, border, 1.1))
        return [circle, Text(x + half, y + half + 4.6, box.lines[0], 13, theme.ink)]
    if box.look == "folded":
        return _folded(box, x, y, theme)
    fill, border = theme.of(box.family)
    frame = Ink(fill, border, 1.1, box.dashed)
    first, *others = box.bands
    shapes: list[Shape] = [Rect(x, y, width, height, frame, RADIUS)]
    shapes += _texts(first, box, x + width / 2, y, theme)
    top = y + _height(first, box)
    for number, band in enumerate(others):
        shapes += _strip(band, x, top, width, theme, last=number == len(others) - 1)
        top += STRIP
    if others:
        shapes.append(Rect(x, y, width, height, Ink(line=border, width=1.1, dashed=box.dashed), RADIUS))
    return shapes


def _lines(band: Band) -> tuple[str, str]:
    return short(band.name), short(", ".join([band.words, *band.notes]))


def _width(band: Band) -> float:
    name, words = _lines(band)
    return max(text_width(name, NAME, bold=True), text_width(words, KIND))


def _height(band: Band, box: Box) -> float:
    if box.look == "small" and not band.name and len(box.bands) == 1:
        return 20.0
    return 2 * LINE + 8 if band.name else LINE + 9


def _strip_width(band: Band) -> float:
    name, words = _lines(band)
    return text_width(f"{name} ", SMALL, bold=True) * bool(name) + text_width(words, SMALL)


def _texts(band: Band, box: Box, middle: float, y: float, theme: Theme) -> list[Shape]:
    name, words = _lines(band)
    if not name:
        return [Text(middle, y + _height(band, box) / 2 + 3.4, words, KIND, theme.soft)]
    return [
        Text(middle, y + 14.2, name, NAME, theme.ink, bold=True),
        Text(middle, y + 14.2 + LINE, words, KIND, theme.soft),
    ]


def _strip(
    band: Band, x: float, y: float, width: float, theme: Theme, *, last: bool
) -> list[Shape]:
    """A small layer inside the box of the layer before it."""
    fill, border = theme.of(band.node.op.family)
    shapes: list[Shape] = [Rect(x, y, width, STRIP, Ink(fill), RADIUS if last else 0)]
    if last:  # only its lower corners are round
        shapes.append(Rect(x, y, width, STRIP / 2, Ink(fill)))
    shapes.append(Rect(x, y - 0.25, width, 0.5, Ink(border)))
    name, words = _lines(band)
    left = x + (width - _strip_width(band)) / 2
    base = y + STRIP - 4.1
    if name:
        shapes.append(Text(left, base, name, SMALL, theme.ink, "start", bold=True))
        left += text_width(f"{name} ", SMALL, bold=True)
    return [*shapes, Text(left, base, words, SMALL, theme.soft, "start")]


def _folded(box: Box, x: float, y: float, theme: Theme) -> list[Shape]:
    width, height = size_of(box)
    width, height = width - STACK, height - STACK
    ink = Ink(*theme.folded, 1.3, box.dashed)
    shapes: list[Shape] = [
        Rect(x + STACK, y + STACK, width, height, ink, RADIUS),
        Rect(x, y, width, height, ink, RADIUS),
    ]
    name, *others = map(short, box.lines)
    middle, base = x + width / 2, y + LINE + 1.5
    shapes.append(Text(middle, base, name, NAME, theme.ink, bold=True))
    for line in others:
        base += LINE
        shapes.append(Text(middle, base, line, KIND, theme.soft))
    return shapes


def _oval(box: Box, x: float, y: float, theme: Theme) -> list[Shape]:
    width, height = size_of(box)
    fill, border = theme.end
    shapes: list[Shape] = [
        Rect(x, y, width, height, Ink(fill, border, 1.1, box.look == "loss"), height / 2)
    ]
    if box.look == "output":
        inner = Ink(line=border, width=0.8)
        shapes.append(Rect(x + 2.5, y + 2.5, width - 5, height - 5, inner, height / 2 - 2.5))
    size = SMALL if box.look == "loss" else NAME
    bold = box.look != "loss"
    base = y + height / 2 + 0.36 * size
    return [*shapes, Text(x + width / 2, base, short(box.lines[0]), size, theme.ink, bold=bold)]


def box_group(box: Box, x: float, y: float, theme: Theme) -> Group:
    """A box as a group, without tip and link."""
    return Group("box", list(draw_box(box, x, y, theme)), _name_of(box))


def _name_of(box: Box) -> str:
    """The identifier of a box: the name of its layer or scope."""
    if box.scope is not None:
        return box.scope.name or "net"
    if box.bands:
        return box.bands[0].node.name
    return f"{box.look}.{box.lines[0]}"
