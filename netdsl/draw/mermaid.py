"""A picture as a Mermaid flowchart, which GitHub, GitLab and many editors draw from the text.

Scopes are nested subgraphs, and arrows are labelled with the shape of their value. Identifiers are
numbered. Text from the user is only in quoted labels, and anything that Mermaid could take for an
entity, Markdown, a formula, an icon or a directive is written as an entity.
"""

from __future__ import annotations

import json
import re
from itertools import count
from typing import TYPE_CHECKING

from netdsl.draw.picture import COLOURS, FOLDED, PLAIN, Picture, short

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.draw.picture import Box, Cluster, Flow, Look
    from netdsl.ir.graph import Graph

MAX_ARROWS, MAX_LETTERS = 500, 50_000  # what viewers draw unless their site allows more
_TEXT = "color:#202020"  # dark, because the fills are light in dark themes too
_FORMS: dict[Look, tuple[str, str]] = {
    "input": ("([", "])"),
    "output": ("([", "])"),
    "loss": ("([", "])"),
    "sign": ("((", "))"),
    "folded": ("[", "]"),
}
_ROUNDED = ("(", ")")
_DASHES = "stroke-dasharray:4 3"
# An invisible character. Mermaid looks for `\n`, `$$`, icons and its own entities again after it
# has decoded ours, and the character breaks these up.
_JOINER = "#8288;"
_ENTITIES = {'"': "#quot;", "&": "#amp;", "<": "#lt;", ">": "#gt;"}
# A colon before text could begin an icon (`fa:fa-car`) or a style. Underscores beside a word, and a
# dash or a number with a point at the start could be Markdown. The letter `ﬂ` begins Mermaid's own
# form of an entity.
_ACTIVE = re.compile(
    r"""["&<>#`\\%$*~!\[\]{}+@;|ﬂ]"""
    r"""|:(?!\ )|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|^[-=]"""
    r"""|(?<=^\d)[.)](?=\s|$)|(?<=^\d\d)[.)](?=\s|$)""",
    re.VERBOSE,
)


def emit_mermaid(graph: Graph, depth: int | None = None) -> str:
    """The picture as Mermaid text. With a `depth`, each scope that is deeper becomes one box.

    The same graph gives the same text.
    """
    picture = Picture(graph, depth)
    boxes = picture.boxes()
    lines = [
        "---",
        f"title: {json.dumps(short(picture.title), ensure_ascii=False)}",
        "---",
        "flowchart TB",
    ]
    lines += _cluster_lines(picture.root, "  ", count())
    lines += [f"  {arrow}" for flow in picture.flows for arrow in _arrows(flow)]
    lines += [f"  {line}" for line in _class_lines(boxes)]
    return "\n".join(lines) + "\n"


def is_large(text: str) -> bool:
    """Whether viewers refuse the text unless their site allows more."""
    arrows = len(re.findall(r"^  n\d+ -", text, re.MULTILINE))
    return len(text) > MAX_LETTERS or arrows > MAX_ARROWS


def _cluster_lines(cluster: Cluster, indent: str, numbers: Iterator[int]) -> list[str]:
    lines = [f"{indent}{_box(box)}" for box in cluster.boxes]
    for member in cluster.children.values():
        name = f"s{next(numbers)}"
        style = f"fill:{member.fill},stroke:{member.border},{_TEXT}"
        if member.aux:
            style += f",{_DASHES}"
        lines += [
            f'{indent}subgraph {name}["{_label([member.title]) or " "}"]',
            *_cluster_lines(member, indent + "  ", numbers),
            f"{indent}end",
            f"{indent}style {name} {style}",
        ]
    return lines


def _box(box: Box) -> str:
    opening, closing = _FORMS.get(box.look, _ROUNDED)
    return f'{box.id}{opening}"{_label(box.lines)}"{closing}:::{_class(box)}'


def _class(box: Box) -> str:
    """The name of the box's colours. It must not be a keyword of Mermaid, such as `graph`."""
    if box.look in ("input", "output", "loss", "folded"):
        return box.look
    return f"{box.family}Layer" if box.family in COLOURS else "plain"


def _arrows(flow: Flow) -> list[str]:
    label = ""
    if flow.shape is not None:
        label = f'|"{_label(flow.shape.lines)}"|'
    return [
        f"{flow.source.id} {'-.->' if target.aux else '-->'}{label} {target.id}"
        for target in flow.targets
    ]


def _class_lines(boxes: list[Box]) -> list[str]:
    """The colours that the picture uses, and the list of boxes with dashed borders."""
    used = {_class(box) for box in boxes}
    colours = {f"{family}Layer": pair for family, pair in COLOURS.items()} | {"plain": PLAIN}
    lines = [
        f"classDef {name} fill:{fill},stroke:{border},{_TEXT}"
        for name, (fill, border) in colours.items()
        if name in used
    ]
    others = {
        "folded": f"fill:{FOLDED[0]},stroke:{FOLDED[1]},stroke-width:2px,{_TEXT}",
        "input": f"fill:#ffffff,stroke:#303030,{_TEXT}",
        "output": f"fill:#ffffff,stroke:#303030,stroke-width:3px,{_TEXT}",
        "loss": f"fill:#ffffff,stroke:#303030,{_DASHES},{_TEXT}",
    }
    lines += [f"classDef {name} {style}" for name, style in others.items() if name in used]
    dashed = [box.id for box in boxes if box.dashed]
    if dashed:
        lines += [f"classDef dashed {_DASHES}", f"class {','.join(dashed)} dashed"]
    return lines


def _label(lines: list[str]) -> str:
    return "<br/>".join(_escape(short(line).strip()) for line in lines)


def _escape(text: str) -> str:
    return _ACTIVE.sub(_entity, text)


def _entity(match: re.Match[str]) -> str:
    character = match[0]
    entity = _ENTITIES.get(character, f"#{ord(character)};")
    if character in "\\$:ﬂ":
        entity += _JOINER
    return entity
