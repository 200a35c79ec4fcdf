"""A picture as DOT text, and as SVG, PNG or PDF through Graphviz's `dot` program.

Scopes are nested clusters. Text from the user stands in quoted labels only: identifiers are
numbered, and there are no HTML-like labels, links or tooltips.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import graphviz

from netdsl.draw.picture import FOLDED, Picture, short
from netdsl.errors import NetdslError

if TYPE_CHECKING:
    from netdsl.draw.picture import Box, Cluster, Look
    from netdsl.ir.graph import Graph

_INSTALL = (
    "install Graphviz: `sudo apt install graphviz` (Debian, Ubuntu), `brew install graphviz`"
    " (macOS), `winget install Graphviz.Graphviz` (Windows, then add its bin folder to PATH); `-o"
    " net.dot` and `-o net.mmd` write text and need nothing"
)
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
    """The picture as DOT text; `depth` folds scopes deeper than that into one box.

    The same graph gives the same text.
    """
    picture = Picture(graph, depth)
    start = f"  label={_quote([picture.title])}\n  labelloc=t\n  fontsize=16\n"
    return (
        _HEAD
        + start
        + "".join([*_Clusters().lines(picture.root, "  "), *_edge_lines(picture)])
        + "}\n"
    )


def svg_text(graph: Graph, depth: int | None = None) -> str:
    """The picture as one `<svg>` element, to stand in a page; raises `NetdslError` where `dot` is
    missing.
    """
    text = render(emit_dot(graph, depth), "svg").decode("utf-8")
    return text[text.index("<svg") :]


def render(text: str, form: str) -> bytes:
    """What `dot` makes of a text: svg, png or pdf; raises `NetdslError` where it is missing or
    fails.
    """
    if form == "png":
        text = text.replace("digraph {\n", "digraph {\n  dpi=144\n")
    try:
        made: bytes = graphviz.pipe("dot", form, text.encode("utf-8"), quiet=True)
    except graphviz.ExecutableNotFound:
        raise NetdslError(
            "graphviz-missing", "the program `dot` is not installed", help=_INSTALL
        ) from None
    except subprocess.CalledProcessError as error:
        said = (error.stderr or b"").decode(
            "utf-8", "replace"
        ).strip() or f"exit code {error.returncode}"
        help_ = "fold blocks (`--depth N`, in Python `depth=N`), or write .svg"
        raise NetdslError(
            "graphviz-failed", f"`dot` cannot make this picture: {said}", help=help_
        ) from None
    if form == "pdf":  # cairo writes the time into it, and the same net is to give the same bytes
        made = re.sub(
            rb"/CreationDate \([^)]*\)",
            lambda m: b"/CreationDate (D:20000101000000Z)".ljust(len(m[0])),
            made,
        )
    return made


# ---- boxes and clusters


def _attributes(box: Box) -> dict[str, str]:
    label = {"label": _quote(box.lines)}
    if box.look in _ENDS:
        return label | _ENDS[box.look]
    if box.look == "folded":
        return {**label, "style": '"filled,dashed"' if box.dashed else '"filled"', **_FOLDED}
    fill, border = box.colours
    colours = {"fillcolor": f'"{fill}"', "color": f'"{border}"'}
    if box.look == "sign":
        return label | _SIGN | colours
    size = {"fontsize": "9", "height": "0.2"} if box.look == "small" else {}
    return {
        **label,
        **colours,
        **size,
        "style": '"rounded,filled,dashed"' if box.dashed else '"rounded,filled"',
    }


@dataclass(slots=True)
class _Clusters:
    """Writes the clusters of one picture, numbered as they are begun."""

    count: int = field(default=0)

    def lines(self, cluster: Cluster, indent: str) -> list[str]:
        """The boxes of a cluster, and the clusters inside it."""
        lines = [
            f"{indent}{b.id}{_list(_attributes(b))}\n" for b in (*cluster.boxes, *cluster.shapes)
        ]
        # In this order dot stands arms from left to right as they are written, and skips to the
        # right of what they skip.
        for member in reversed(cluster.children.values()):
            lines.append(
                f"{indent}subgraph cluster_{self.count} {{\n{indent} "
                f" graph{_list(_frame(member))}\n"
            )
            self.count += 1
            lines += [*self.lines(member, indent + "  "), f"{indent}}}\n"]
        return lines


def _frame(cluster: Cluster) -> dict[str, str]:
    # The line out of a narrow scope runs down its middle: half of its width must hold the name.
    margin = (
        8 if len(cluster.children) > 1 else min(max(8, round(4.8 * len(cluster.title) - 28)), 32)
    )
    return {
        "label": _quote([cluster.title]),
        "margin": str(margin),
        "style": '"rounded,filled,dashed"' if cluster.aux else '"rounded,filled"',
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
        if flow.shape is not None:
            edges.append(_Edge(flow.source, flow.shape, {"arrowhead": "none"}))
        edges += [_Edge(flow.shape or flow.source, t, {}) for t in flow.targets]
    return edges


def _trunk(edges: list[_Edge], end: Box | None) -> set[int]:
    """The edges of the longest way to the first output, by `id`: it is drawn as a straight line."""
    length: Counter[str] = Counter()
    best: dict[str, _Edge] = {}
    for edge in edges:
        if length[edge.source.id] + 1 > length[edge.target.id]:
            length[edge.target.id], best[edge.target.id] = length[edge.source.id] + 1, edge
    found, place = set(), end.id if end is not None else ""
    while place in best:
        found.add(id(best[place]))
        place = best.pop(place).source.id
    return found


def _edge_lines(picture: Picture) -> list[str]:
    edges = _edges(picture)
    trunk = _trunk(edges, picture.end)
    arrivals = Counter(e.target.id for e in edges)
    lines = []
    for edge in edges:
        # Into a join the arrow may be long, so that a short arm stands at the height at which its
        # input splits.
        weight = 1000 if id(edge) in trunk else 1 if arrivals[edge.target.id] > 1 else 300
        attributes = {"weight": str(weight), **edge.attributes}
        if edge.target.aux:
            attributes["style"] = "dashed"
        lines.append(f"  {edge.source.id} -> {edge.target.id}{_list(attributes)}\n")
    return lines


# ---- text


def _quote(lines: list[str]) -> str:
    """A quoted label; a line's backslashes, quotes, entities and unprintable characters are taken
    as text.
    """
    return '"' + "\\n".join(_escape(short(t)) for t in lines) + '"'


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")


def _list(attributes: dict[str, str]) -> str:
    return f" [{', '.join(f'{k}={v}' for k, v in attributes.items())}]" if attributes else ""
