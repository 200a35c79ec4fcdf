"""A picture as DOT text, which the programs of `layout` draw.

Scopes are nested clusters inside a cluster without a border, whose label is the title. A value that
several layers of a scope take enters it once, at a point below its border, and branches there.
Identifiers of DOT are numbered; text from the user is only in escaped labels, tips and addresses.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from netdsl.analysis.cost import Costs
from netdsl.analysis.field import blocks_of, field_of, field_text
from netdsl.draw.folding import fitting_depth
from netdsl.draw.frames import frame_of
from netdsl.draw.labels import (
    box_label,
    input_label,
    legend_label,
    scope_label,
    title_label,
)
from netdsl.draw.layout import render
from netdsl.draw.options import USUAL
from netdsl.draw.picture import Box, Picture
from netdsl.draw.themes import THEMES
from netdsl.draw.tips import Tips, link_to, span_of
from netdsl.source import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.analysis.field import SeenField
    from netdsl.draw.options import DrawOptions
    from netdsl.draw.picture import Cluster, Flow
    from netdsl.draw.themes import Theme
    from netdsl.ir.graph import Graph, Scope
    from netdsl.source import Span

_FONT = 'fontname="Arial"'
_SIGN = {"shape": "circle", "width": "0.26", "fixedsize": "true", "margin": "0"}
_ENDS = {
    "input": {"shape": "box", "style": '"rounded,filled"'},
    "output": {"shape": "box", "style": '"rounded,filled"', "penwidth": "2"},
    "loss": {"shape": "box", "style": '"rounded,dashed"'},
}


def emit_dot(
    graph: Graph, options: DrawOptions = USUAL, link: Callable[[Span], str] = link_to
) -> str:
    """The picture as DOT text, with addresses by `link`. The same graph gives the same text."""
    return _Drawing(graph, options, link).text()


def svg_text(
    graph: Graph,
    options: DrawOptions = USUAL,
    seconds: float | None = None,
    link: Callable[[Span], str] = link_to,
) -> str:
    """The picture as one `<svg>` element for a page; raises as `render`."""
    dot = emit_dot(graph, options, link)
    text = render(dot, "svg", seconds, options.program).decode("utf-8")
    return with_tips(text[text.index("<svg") :])


def with_tips(svg: str) -> str:
    """The SVG with its tips as titles, which every viewer shows, in place of `dot`'s names.

    The parts of the picture keep their identifiers, and those with a place in the text a link.
    """
    svg = re.sub(r"<!--.*?-->\n?", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<title>[^<]*</title>\n?", "", svg)
    # The order of the attributes is that of both programs.
    svg = re.sub(
        r'<g id="a_[^"]*"><a( xlink:href="[^"]*")? xlink:title="([^"]*)">',
        lambda m: f"<g><a{m[1] or ''}><title>{m[2]}</title>",
        svg,
    )
    return re.sub(r"(<g[^>]*>)<a>(<title>.*?)</a>", r"\1\2", svg, flags=re.DOTALL)


def folding_of(graph: Graph, options: DrawOptions) -> int | None:
    """The depth at which a picture is folded: the one asked for, or one that suits a large net."""
    if options.depth is not None or options.style != "layers":
        return options.depth
    return fitting_depth(graph)


class _Drawing:
    """One picture: writes its boxes, scopes and arrows, and numbers the scopes and points."""

    def __init__(self, graph: Graph, options: DrawOptions, link: Callable[[Span], str]) -> None:
        self.graph = graph
        self.link = link
        self.options = options
        self.depth = folding_of(graph, options)
        blocks = options.style == "blocks"
        self.picture = Picture(graph, self.depth, stack=True, blocks=blocks)
        self.theme: Theme = THEMES[options.theme]
        self.field: SeenField | None = None
        if options.field:
            self.field = field_of(graph, options.field)
        self.tips = Tips(graph)
        self.names: Counter[str] = Counter()
        self.clusters = 0
        self.points: dict[tuple[Scope, ...], list[Box]] = {}  # where values enter, by scope
        self.edges = self._edges()
        self.shapes: dict[str, list[str]] = {}  # of the results of boxes
        for flow in self.picture.flows:
            if flow.shape is not None:
                self.shapes.setdefault(flow.source.id, []).append(flow.shape.lines[0])

    def text(self) -> str:
        """The whole text."""
        theme = self.theme
        direction = {"down": "TB", "right": "LR"}[self.options.direction]
        lines = [
            "digraph {\n",
            f"  graph [rankdir={direction}, newrank=true, ranksep=0.26, nodesep=0.25, {_FONT}]\n",
            f'  graph [fontsize=10, bgcolor="{theme.paper}", pad=0.15, labelloc=b, labeljust=l]\n',
            f"  graph [label={self._legend()}]\n",
            f"  node [{_FONT}, fontsize=11, shape=box, height=0.3]\n",
            '  node [margin="0.12,0.05", penwidth=1.1]\n',
            f'  edge [{_FONT}, color="{theme.line}", arrowsize=0.55, penwidth=0.9]\n',
            "  subgraph cluster_net {\n",
            f"    graph{_list(self._head())}\n",
            *self._members(self.picture.root, "    "),
            "  }\n",
            *self._edge_lines(),
            "}\n",
        ]
        return "".join(lines)

    def _head(self) -> dict[str, str]:
        params = self.graph.derived(Costs).totals().params
        facts = f"{params:,} parameters"
        if any(box.look == "folded" for box in self.picture.boxes()) and self.depth:
            facts += f", folded to depth {self.depth}"
        seen: list[str] = []
        if self.field is not None:
            seen = [field_text(self.field, value) for value in self.graph.inputs]
        title = title_label(self.graph.name, [facts, *seen], self.theme)
        return {
            "label": title,
            "labelloc": "t",
            "labeljust": "l",
            "peripheries": "0",
            "margin": "4",
        }

    def _legend(self) -> str:
        boxes = self.picture.boxes()
        families = [box.family for box in boxes if box.family]
        across = 2 + any(len(flow.targets) > 2 for flow in self.picture.flows)
        if self.options.direction == "right":
            across = 6
        return legend_label(families, across, self.theme)

    # ---- boxes and scopes

    def _members(self, cluster: Cluster, indent: str) -> list[str]:
        """The boxes of a cluster, and the clusters inside it."""
        path = cluster.scope.path[1:]
        lines = [f"{indent}{box.id}{_list(self._attributes(box))}\n" for box in cluster.boxes]
        lines += [f"{indent}{box.id}{_list(self._point())}\n" for box in self.points.get(path, [])]
        # In this order dot draws arms from left to right as they are written, and skip connections
        # to the right of the layers that they skip.
        for member in reversed(cluster.children.values()):
            lines += [
                f"{indent}subgraph cluster_{self.clusters} {{\n",
                f"{indent}  graph{_list(self._frame(member))}\n",
            ]
            self.clusters += 1
            lines += [*self._members(member, indent + "  "), f"{indent}}}\n"]
        return lines

    def _point(self) -> dict[str, str]:
        colour = f'"{self.theme.line}"'
        return {"shape": "point", "width": "0.03", "height": "0.03", "color": colour}

    def _attributes(self, box: Box) -> dict[str, str]:
        theme = self.theme
        shape = ", ".join(self.shapes.get(box.id, []))
        if box.look == "sign":
            shape = ""
        fill, border = theme.of(box.family)
        attributes = {"label": box_label(box, shape, theme)}
        if box.look == "input" and self.field is not None:
            attributes["label"] = self._seen(box, shape, self.field)
        if box.look in _ENDS:
            (fill, border), special = theme.end, _ENDS[box.look]
        elif box.look == "folded":
            (fill, border), special = theme.folded, {"penwidth": "1.8", "margin": '"0.16,0.07"'}
        elif box.look == "sign":
            special = _SIGN
        else:
            special = {}
        attributes["style"] = _style(dashed=box.dashed)
        attributes |= {"fillcolor": f'"{fill}"', "color": f'"{border}"', **special}
        if box.look == "sign":
            attributes["style"] = '"filled"'
        return attributes | self._place(box)

    def _seen(self, box: Box, shape: str, field: SeenField) -> str:
        """The label of an input with the pixels that a unit sees."""
        value = next(f.value for f in self.picture.flows if f.source is box)
        sizes = value.type.spatial
        if len(sizes) != 2:
            return box_label(box, shape, self.theme)
        high, wide = (int(str(size)) for size in sizes)
        blocks = blocks_of(field.cells(value))
        return input_label(box, shape, blocks, (high, wide), self.theme)

    def _place(self, box: Box) -> dict[str, str]:
        """The identifier, the tip and the address of a box."""
        if box.scope is not None:
            name, span = box.scope.name or "net", span_of(box.scope, box.nodes)
        elif box.nodes:
            name, span = box.nodes[0].name, box.nodes[0].span
        else:
            name = self._name(f"{box.look}.{box.lines[0]}")
            return {"id": f'"{name}"', "tooltip": _quote(f"{box.look} {box.lines[0]}")}
        tip = self.tips.of_box(box)
        return {
            "id": f'"{self._name(name)}"',
            "tooltip": _quote(tip),
            **self._address(span),
        }

    def _address(self, span: Span) -> dict[str, str]:
        address = self.link(span)
        if not address:
            return {}
        return {"URL": _quote(address)}

    def _name(self, name: str) -> str:
        """The name as an identifier, with a number if another part of the picture has it."""
        name = re.sub(r"[^\w.-]", "_", name, flags=re.ASCII)
        self.names[name] += 1
        return name if self.names[name] == 1 else f"{name}..{self.names[name]}"

    def _frame(self, cluster: Cluster) -> dict[str, str]:
        theme = self.theme
        border = theme.scope_border
        if cluster.aux:
            border = theme.aux_border
        fill = theme.scopes[min(max(cluster.scope.depth - 1, 0), len(theme.scopes) - 1)]
        nodes = list(cluster.scope.nodes())
        margin, title = frame_of(cluster)
        return {
            "label": scope_label(title, theme),
            "margin": str(margin),
            "style": _style(dashed=cluster.aux),
            "fillcolor": f'"{fill}"',
            "color": f'"{border}"',
            "fontsize": "9",
            "labeljust": "r" if cluster.aux else "l",  # the arrow to a head enters at its left
            "labelloc": "t",
            "id": f'"{self._name(cluster.scope.name + ".")}"',
            "tooltip": _quote(self.tips.of_scope(cluster.scope, nodes)),
            **self._address(span_of(cluster.scope, nodes)),
        }

    # ---- arrows

    def _edges(self) -> list[_Edge]:
        edges: list[_Edge] = []
        for flow in self.picture.flows:
            self._branch(flow.source, flow.targets, flow, edges)
        return edges

    def _branch(self, source: Box, targets: list[Box], flow: Flow, edges: list[_Edge]) -> None:
        """Add the arrows from a box or point to the boxes that take its value.

        If several of them are in one scope that the source is not in, the value enters it once.
        """
        groups: dict[int, list[Box]] = {}
        for number, target in enumerate(targets):
            common = _shared(source.path, target.path)
            inner = id(target.path[common]) if len(target.path) > common else -1 - number
            groups.setdefault(inner, []).append(target)
        for members in groups.values():
            first, *others = members
            if not others:
                edges.append(_Edge(source, first, flow))
                continue
            common = min(_shared(first.path, other.path) for other in others)
            path = first.path[:common]
            number = sum(map(len, self.points.values()))
            aux = all(member.aux for member in members)
            point = Box(f"e{number}", "shape", [], path=path, aux=aux)
            self.points.setdefault(path, []).append(point)
            edges.append(_Edge(source, point, flow))
            self._branch(point, members, flow, edges)

    def _edge_lines(self) -> list[str]:
        trunk = _trunk(self.edges, self.picture.end)
        arrivals = Counter(edge.target.id for edge in self.edges)
        lines = []
        for edge in self.edges:
            weight = 300
            if id(edge) in trunk:
                weight = 1000
            elif arrivals[edge.target.id] > 1:
                # The arrow into a join may be long, so that a short arm is drawn at the height at
                # which its input splits.
                weight = 1
            attributes = {"weight": str(weight)}
            if edge.target.look == "shape":
                attributes["arrowhead"] = "none"
            if edge.target.aux:
                attributes["style"] = "dashed"
            name = self._name(f"{edge.flow.value.name}..{edge.target.id}")
            attributes["id"] = f'"{name}"'
            lines.append(f"  {edge.source.id} -> {edge.target.id}{_list(attributes)}\n")
        return lines


def _shared(path: tuple[Scope, ...], other: tuple[Scope, ...]) -> int:
    """How many scopes two paths begin with together."""
    count = 0
    while count < min(len(path), len(other)) and path[count] is other[count]:
        count += 1
    return count


@dataclass(slots=True)
class _Edge:
    source: Box
    target: Box
    flow: Flow


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


# ---- text


def _style(*, dashed: bool) -> str:
    return '"rounded,filled,dashed"' if dashed else '"rounded,filled"'


def _quote(text: str) -> str:
    """A quoted tip or address, in which every character of the text is text."""
    text = escape(printable(text, "\n"), quote=False).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + text.replace("\n", "\\n") + '"'


def _list(attributes: dict[str, str]) -> str:
    return f" [{', '.join(f'{name}={value}' for name, value in attributes.items())}]"
