"""A sheet as SVG. Text from the user is escaped, and links lead only to files beside it."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

from netdsl.draw.sheet import Drawn, Ellipse, Polygon, Stroke, Text
from netdsl.source import printable

if TYPE_CHECKING:
    from netdsl.draw.sheet import Ink, Point, Shape, Sheet

FONT = "Arial,Helvetica,sans-serif"
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'


def emit_svg(sheet: Sheet) -> str:
    """The sheet as the text of an SVG file."""
    return _HEAD + svg_element(sheet)


def svg_element(sheet: Sheet, label: str = "") -> str:
    """The sheet as one `<svg>` element; `label` replaces its title for screen readers."""
    width, height = _number(sheet.width), _number(sheet.height)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}pt" height="{height}pt"'
        f' viewBox="0 0 {width} {height}" font-family="{FONT}" role="img"'
        f' aria-label="{_clean(label or sheet.title)}">\n'
    )
    ground = f'<rect width="{width}" height="{height}" fill="{sheet.paper}"/>\n'
    names: dict[str, int] = {}
    return head + ground + "".join(_group_text(item, names) for item in sheet.items) + "</svg>\n"


def _group_text(group: Drawn, names: dict[str, int]) -> str:
    attributes = f'class="{group.kind}"'
    if group.name:
        attributes = f'id="{_identifier(group.name, names)}" {attributes}'
    parts = []
    if group.tip:
        parts.append(f"<title>{_clean(group.tip)}</title>\n")
    for item in group.items:
        if isinstance(item, Drawn):
            parts.append(_group_text(item, names))
        else:
            parts.append(_shape(item))
    content = "".join(parts)
    if group.link:
        content = f'<a href="{_clean(group.link)}">\n{content}</a>\n'
    return f"<g {attributes}>\n{content}</g>\n"


def _identifier(name: str, names: dict[str, int]) -> str:
    """The name as an identifier, with a number if another group has it."""
    name = re.sub(r"[^\w.-]", "_", name, flags=re.ASCII)
    names[name] = names.get(name, 0) + 1
    return name if names[name] == 1 else f"{name}..{names[name]}"


def _shape(shape: Shape) -> str:
    match shape:
        case Ellipse(x, y, across, down, ink):
            place = f'cx="{_number(x)}" cy="{_number(y)}"'
            return f'<ellipse {place} rx="{_number(across)}" ry="{_number(down)}"{_ink(ink)}/>\n'
        case Polygon(points, ink):
            return f'<polygon points="{" ".join(map(_point, points))}"{_ink(ink)}/>\n'
        case Stroke(points, ink):
            return f'<polyline points="{" ".join(map(_point, points))}"{_ink(ink)}/>\n'
        case Text(x, y, text, size, colour, anchor, bold):
            weight = ' font-weight="bold"' if bold else ""
            side = "" if anchor == "start" else f' text-anchor="{anchor}"'
            return (
                f'<text x="{_number(x)}" y="{_number(y)}" font-size="{_number(size)}"{weight}{side}'
                f' fill="{colour}">{_clean(text)}</text>\n'
            )


def _ink(ink: Ink) -> str:
    text = f' fill="{ink.fill or "none"}"'
    if ink.line:
        text += f' stroke="{ink.line}" stroke-width="{_number(ink.width)}"'
        if ink.dashed:
            text += ' stroke-dasharray="4 3"'
    return text


def _point(point: Point) -> str:
    return f"{_number(point[0])},{_number(point[1])}"


def _number(value: float) -> str:
    """A number with at most two digits after the point."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _clean(text: str) -> str:
    return escape(printable(text, "\n"))
