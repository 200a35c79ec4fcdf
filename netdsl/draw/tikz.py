"""A picture as TikZ, for `\\input` in a LaTeX document: the shapes and texts of the SVG picture."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from netdsl.source import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

# A point of the picture is a PostScript point, and y grows downwards as in SVG.
# By itself, the file is a document; a document that has TikZ reads it as a picture.
_HEAD = """\
% {title}: compile this file, or \\input it in a document with \\usepackage{{tikz}}.
\\ifx\\tikzpicture\\undefined
\\documentclass{{standalone}}
\\usepackage{{tikz}}
\\begin{{document}}
\\def\\netdslend{{\\end{{document}}}}
\\else
\\let\\netdslend\\relax
\\fi
\\begin{{tikzpicture}}[x=1bp, y=-1bp, every node/.style={{inner sep=0pt, outer sep=0pt}}]
"""
_FOOT = """\
\\end{tikzpicture}%
\\netdslend
"""
_ANCHORS = {"start": "base west", "middle": "base", "end": "base east"}
# What TeX would read as a command, and signs that its usual fonts do not have.
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "×": r"$\times$",
    "⌊": r"$\lfloor$",
    "⌋": r"$\rfloor$",
    "⌈": r"$\lceil$",
    "⌉": r"$\rceil$",
    "→": r"$\to$",
    "−": "$-$",
    "·": r"$\cdot$",
    "²": r"$^2$",
    "…": r"\dots{}",
    "\N{NO-BREAK SPACE}": "~",
}


def emit_tikz(svg: str, title: str) -> str:
    """The picture of an SVG text that netdsl has written, as a `tikzpicture` and a document."""
    shapes = "".join(_shapes(ET.fromstring(svg), 0.0, 0.0))
    return _HEAD.format(title=_escaped(title)) + shapes + _FOOT


def _shapes(element: ET.Element, right: float, down: float) -> Iterator[str]:
    """The commands of an element and of those inside it, moved by the groups around them."""
    moved = re.search(r"translate\((\S+) (\S+)\)", element.get("transform", ""))
    if moved:
        right, down = right + float(moved[1]), down + float(moved[2])
    match element.tag.rpartition("}")[2]:
        case "rect":
            width, height = (float(element.attrib[name]) for name in ("width", "height"))
            yield _path(
                element, f"{_at(right, down)} rectangle {_at(right + width, down + height)}"
            )
        case "polygon":
            yield _path(element, " -- ".join([*_points(element, right, down), "cycle"]))
        case "polyline":
            yield _path(element, " -- ".join(_points(element, right, down)))
        case "path":
            first, *curve = _moved(element.attrib["d"], right, down)
            threes = zip(curve[::3], curve[1::3], curve[2::3], strict=True)
            curves = "".join(f" .. controls {a} and {b} .. {end}" for a, b, end in threes)
            yield _path(element, first + curves)
        case "ellipse":
            x, y, across, along = (float(element.attrib[name]) for name in ("cx", "cy", "rx", "ry"))
            size = f"[x radius={across:.2f}bp, y radius={along:.2f}bp]"
            yield _path(element, f"{_at(x + right, y + down)} circle {size}")
        case "text":
            yield _text(element, right, down)
        case _:
            for inner in element:
                yield from _shapes(inner, right, down)


def _points(element: ET.Element, right: float, down: float) -> list[str]:
    return _moved(element.attrib["points"], right, down)


def _moved(text: str, right: float, down: float) -> list[str]:
    """The pairs of numbers in a text, as places in the picture."""
    numbers = [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", text)]
    return [_at(x + right, y + down) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]


def _at(x: float, y: float) -> str:
    return f"({x:.2f}, {y:.2f})"


def _path(element: ET.Element, path: str) -> str:
    options = []
    fill, line = element.get("fill", "black"), element.get("stroke", "none")
    if fill != "none":
        options.append(f"fill={_colour(fill)}")
    if line != "none":
        options += [f"draw={_colour(line)}", f"line width={element.get('stroke-width', '1')}bp"]
        dashes = re.findall(r"[\d.]+", element.get("stroke-dasharray", ""))
        if dashes:
            options.append(f"dash pattern=on {dashes[0]}bp off {dashes[1]}bp")
    return f"\\path[{', '.join(options)}] {path};\n"


def _text(element: ET.Element, right: float, down: float) -> str:
    x, y, size = (float(element.attrib[name]) for name in ("x", "y", "font-size"))
    weight = r"\bfseries" if element.get("font-weight") == "bold" else ""
    options = [
        f"anchor={_ANCHORS[element.get('text-anchor', 'start')]}",
        f"text={_colour(element.get('fill', 'black'))}",
        rf"font=\sffamily{weight}\fontsize{{{size:g}}}{{{size:g}}}\selectfont",
    ]
    words = _escaped("".join(element.itertext()).strip())
    return f"\\node[{', '.join(options)}] at {_at(x + right, y + down)} {{{words}}};\n"


def _colour(name: str) -> str:
    """`#rrggbb` as LaTeX's xcolor, which TikZ loads, reads it; the names of colours stay."""
    if not name.startswith("#"):
        return name
    red, green, blue = (int(name[i : i + 2], 16) for i in (1, 3, 5))
    return f"{{rgb,255:red,{red};green,{green};blue,{blue}}}"


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(char, char) for char in printable(" ".join(text.split())))
