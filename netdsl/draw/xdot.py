"""A sheet as DOT text: one background of xdot operations, which the programs of `layout` paint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.draw.labels import Words, label
from netdsl.draw.sheet import Ellipse, Polygon, Stroke, Text

if TYPE_CHECKING:
    from netdsl.draw.sheet import Ink, Point, Sheet


MOST = 8_000  # letters of a string


def emit_xdot(sheet: Sheet) -> str:
    """The sheet as DOT text, which is painted at its size.

    The shapes are the background, and the texts are nodes without borders.
    """
    shapes = [shape for item in sheet.items for shape in item.shapes()]
    words = [w for s in shapes if not isinstance(s, Text) for w in _words(s, sheet.height)]
    texts = [s for s in shapes if isinstance(s, Text)]
    nodes = [_node(f"t{n}", text, sheet.height) for n, text in enumerate(texts)]
    corners = f'a [pos="0,0"]\n  b [pos="{sheet.width:.2f},{sheet.height:.2f}"]'
    return (
        f'digraph {{\n  graph [layout=nop2, pad=0, margin=0, bgcolor="{sheet.paper}"]\n'
        f"  graph [_background={_joined(words)}]\n"
        f'  node [shape=plaintext, fontname="Arial", margin=0, height=0.1, width=0.1]\n'
        f"{''.join(nodes)}  node [shape=point, style=invis, width=0.01]\n  {corners}\n}}\n"
    )


def _joined(words: list[str]) -> str:
    """The words as strings that DOT joins, because `dot` reads no string of 16,384 bytes."""
    parts: list[list[str]] = [[]]
    size = 0
    for word in words:
        size += len(word) + 1
        if size > MOST:
            parts.append([])
            size = len(word) + 1
        parts[-1].append(word)
    return " + ".join(f'"{" ".join(part)} "' for part in parts)


def _node(name: str, text: Text, height: float) -> str:
    words = Words().add(text.text, text.colour, bold=text.bold)
    centre = text.x + {"start": 0.5, "middle": 0.0, "end": -0.5}[text.anchor] * text.width
    # The middle of a line is a third of the size of the letters above its base.
    place = f"{centre:.2f},{height - text.y + text.size / 3:.2f}"
    return f'  {name} [pos="{place}", fontsize={text.size:g}, label={label([words])}]\n'


def _words(shape: Polygon | Stroke | Ellipse, height: float) -> list[str]:
    words = _ink(shape.ink)
    match shape:
        case Polygon(points, ink):
            places = _points(points, height)
            if ink.fill:
                words.append(f"P {len(points)} {places}")
            if ink.line:
                words.append(f"p {len(points)} {places}")
        case Stroke(points, _):
            words.append(f"L {len(points)} {_points(points, height)}")
        case Ellipse(x, y, across, down, ink):
            place = f"{x:.2f} {height - y:.2f} {across:.2f} {down:.2f}"
            if ink.fill:
                words.append(f"E {place}")
            if ink.line:
                words.append(f"e {place}")
    return words


def _ink(ink: Ink) -> list[str]:
    words = [f"c {_counted(ink.line or ink.fill)}", f"S {_counted(f'setlinewidth({ink.width:g})')}"]
    words.append(f"S {_counted('dashed' if ink.dashed else 'solid')}")
    if ink.fill:
        words.append(f"C {_counted(ink.fill)}")
    return words


def _counted(text: str) -> str:
    return f"{len(text.encode('utf-8'))} -{text}"


def _points(points: tuple[Point, ...], height: float) -> str:
    return " ".join(f"{x:.2f} {height - y:.2f}" for x, y in points)
