"""A picture as DOT text, which the programs of `layout` draw.

Scopes are nested clusters. Text from the user is only in quoted labels: identifiers are numbered,
and there are no HTML-like labels, links or tooltips.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from netdsl.draw.layout import render
from netdsl.draw.picture import FOLDED, Picture, short

if TYPE_CHECKING:
    from netdsl.draw.picture import Box, Cluster, Look
    from netdsl.ir.graph import Graph

_FOLDED = {
    "fillcolor": f'"{FOLDED[0]}"',
    "color": f'"{FOLDED[1]}"',
    "penwidth": "1.8",
    "margin": '"0.18,0.08"',
}
_SIGN = {
    "shape": "circle",
    "style": "filled",
    "width": "0.3",
    "fixedsize": "true",
    "fontsize": "14",
}
_SHAPE = {
    "shape": "plaintext",
    "style": "solid",
    "fontsize": "9",
    "height": "0.17",
    "width": "0",
    "margin": '"0.03,0"',
}
_OVAL = {"shape": "ellipse", "style": "filled", "fillcolor": '"#ffffff"', "color": '"#303030"'}
_SMALL = {"fontsize": "9", "height": "0.2"}
_ENDS: dict[Look, dict[str, str]] = {
    "input": _OVAL,
    "output": _OVAL | {"peripheries": "2"},
    "loss": _OVAL | {"style": '"dashed"', "peripheries": "1", "fontsize": "9"},
    "shape": _SHAPE,
}
_CORNER = {"fontsize": "9", "labeljust": "r", "labelloc": "b"}
_FONT = 'fontname="Helvetica,Arial,sans-serif"'
_HEAD = f"""digraph {{
  graph [rankdir=TB, newrank=true, ranksep=0.13, nodesep=0.3, {_FONT}, fontsize=11,\
 fontcolor="#404040", bgcolor=white, pad=0.2]
  node [{_FONT}, fontsize=11, shape=box, style="rounded,filled", height=0.3,\
 margin="0.13,0.05", penwidth=1.1]
  edge [{_FONT}, fontsize=9, fontcolor="#505050", color="#505050", arrowsize=0.55, penwidth=0.9]
"""


def emit_dot(graph: Graph, depth: int | None = None) -> str:
    """The picture as DOT text. With a `depth`, each scope that is deeper becomes one box.

    The same graph gives the same text.
    """
    picture = Picture(graph, depth)
    title = f"  label={_quote([picture.title])}\n  labelloc=t\n  fontsize=16\n"
    lines = [*_Clusters().lines(picture.root, "  "), *_edge_lines(picture)]
    return _HEAD + title + "".join(lines) + "}\n"


def svg_text(
    graph: Graph, depth: int | None = None, seconds: float | None = None, program: str = ""
) -> str:
    """The picture as one `<svg>` element for a page; raises as `render`."""
    text = render(emit_dot(graph, depth), "svg", seconds, program).decode("utf-8")
    return text[text.index("<svg") :]


# ---- boxes and clusters


def _attributes(box: Box) -> dict[str, str]:
    label = {"label": _quote(box.lines)}
    if box.look in _ENDS:
        return label | _ENDS[box.look]
    if box.look == "folded":
        return label | {"style": _style("filled", dashed=box.dashed)} | _FOLDED
    fill, border = box.colours
    colours = {"fillcolor": f'"{fill}"', "color": f'"{border}"'}
    if box.look == "sign":
        return label | _SIGN | colours
    attributes = label | colours
    if box.look == "small":
        attributes |= _SMALL
    attributes["style"] = _style("rounded,filled", dashed=box.dashed)
    return attributes


def _style(style: str, *, dashed: bool) -> str:
    if dashed:
        style += ",dashed"
    return f'"{style}"'


@dataclass(slots=True)
class _Clusters:
    """Writes the clusters of one picture, and numbers them from the outside in."""

    count: int = field(default=0)

    def lines(self, cluster: Cluster, indent: str) -> list[str]:
        """The boxes of a cluster, and the clusters inside it."""
        lines = [
            f"{indent}{box.id}{_list(_attributes(box))}\n"
            for box in (*cluster.boxes, *cluster.shapes)
        ]
        # In this order dot draws arms from left to right as they are written, and skip connections
        # to the right of the layers that they skip.
        for member in reversed(cluster.children.values()):
            lines += [
                f"{indent}subgraph cluster_{self.count} {{\n",
                f"{indent}  graph{_list(_frame(member))}\n",
            ]
            self.count += 1
            lines += [*self.lines(member, indent + "  "), f"{indent}}}\n"]
        return lines


def _frame(cluster: Cluster) -> dict[str, str]:
    # The line out of a narrow scope runs down its middle, so the name must fit into half the width.
    margin = 8
    if len(cluster.children) <= 1:
        margin = min(max(margin, round(4.8 * len(cluster.title) - 28)), 32)
    return {
        "label": _quote([cluster.title]),
        "margin": str(margin),
        "style": _style("rounded,filled", dashed=cluster.aux),
        "fillcolor": f'"{cluster.fill}"',
        "color": f'"{cluster.border}"',
        **_CORNER,
    }


# ---- edges


@dataclass(slots=True)
class _Edge:
    source: Box
    target: Box
    attributes: dict[str, str]


def _edges(picture: Picture) -> list[_Edge]:
    edges = []
    for flow in picture.flows:
        source = flow.source
        if flow.shape is not None:
            edges.append(_Edge(source, flow.shape, {"arrowhead": "none"}))
            source = flow.shape
        edges += [_Edge(source, target, {}) for target in flow.targets]
    return edges


def _trunk(edges: list[_Edge], end: Box | None) -> set[int]:
    """The edges of the longest path to the first output, by `id`, which is drawn straight."""
    trunk: set[int] = set()
    if end is None:
        return trunk
    length: Counter[str] = Counter()  # of the longest path to each box
    last: dict[str, _Edge] = {}  # the last edge of that path
    for edge in edges:
        if length[edge.source.id] + 1 > length[edge.target.id]:
            length[edge.target.id] = length[edge.source.id] + 1
            last[edge.target.id] = edge
    box = end.id
    while box in last:
        edge = last.pop(box)
        trunk.add(id(edge))
        box = edge.source.id
    return trunk


def _edge_lines(picture: Picture) -> list[str]:
    edges = _edges(picture)
    trunk = _trunk(edges, picture.end)
    arrivals = Counter(edge.target.id for edge in edges)
    lines = []
    for edge in edges:
        weight = 300
        if id(edge) in trunk:
            weight = 1000
        elif arrivals[edge.target.id] > 1:
            # The arrow into a join may be long, so that a short arm is drawn at the height at which
            # its input splits.
            weight = 1
        attributes = {"weight": str(weight), **edge.attributes}
        if edge.target.aux:
            attributes["style"] = "dashed"
        lines.append(f"  {edge.source.id} -> {edge.target.id}{_list(attributes)}\n")
    return lines


# ---- text


def _quote(lines: list[str]) -> str:
    """A quoted label, in which every character of the lines is text."""
    return '"' + "\\n".join(_escape(short(line)) for line in lines) + '"'


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")


def _list(attributes: dict[str, str]) -> str:
    if not attributes:
        return ""
    return f" [{', '.join(f'{name}={value}' for name, value in attributes.items())}]"
