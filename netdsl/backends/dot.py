"""Graph to a picture: DOT text, and SVG, PNG or PDF through Graphviz's `dot` program.

Scopes are nested clusters. A value's shape stands between the box that makes it and those that take it, but for runs of small
layers that keep the shape; there it stands once, at the end. Text from the user stands in
quoted labels only: identifiers are numbered, and there are no HTML-like labels, links or tooltips.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import graphviz

from netdsl.analysis.cost import Costs
from netdsl.diagnostics import Diagnostic
from netdsl.driver import failure
from netdsl.files import replacing
from netdsl.ops.args import show

if TYPE_CHECKING:
    from netdsl.ir.graph import AuxHead, Graph, Node, Value
    from netdsl.ops.base import Arg, Op

SUFFIXES = (".svg", ".png", ".pdf", ".dot", ".gv")
MAX_TEXT = 48
_INSTALL = (
    "install Graphviz: `sudo apt install graphviz` (Debian, Ubuntu), `brew install graphviz` (macOS), "
    "`winget install Graphviz.Graphviz` (Windows, then add its bin folder to PATH); `-o net.dot` writes the text and needs nothing"
)
_COLOURS = {  # family: fill, border; each pair stays apart from the others in grey as well
    "convolution": ("#cfe0f3", "#3a6ea5"),
    "dense": ("#fbdcc0", "#c06a24"),
    "pooling": ("#d3ead5", "#3f8a52"),
    "normalisation": ("#e7e0f2", "#8770b0"),
    "activation": ("#fbf2c9", "#b39a2c"),
    "regularisation": ("#eeeeee", "#8c8c8c"),
    "join": ("#f7d3da", "#b54a62"),
    "shape": ("#d8ecec", "#4f8c8f"),
    "sequence": ("#d5e9f7", "#4a8db5"),
    "graph": ("#dfe8c8", "#7c8f3a"),
    "region": ("#ead9cb", "#8f6a4a"),
}
_PLAIN = ("#ffffff", "#707070")
_SIGNS = {"add": "+", "mul": "×", "sub": "−"}
_FOLDED = {"fillcolor": '"#e6e9ef"', "color": '"#5a6375"', "penwidth": "1.8", "margin": '"0.18,0.08"'}
_SIGN = {"shape": "circle", "style": "filled", "width": "0.3", "fixedsize": "true", "fontsize": "14"}
_SHAPE = {"shape": "plaintext", "style": "solid", "fontsize": "9", "height": "0.17", "width": "0", "margin": '"0.03,0"'}
_CORNER = {"fontsize": "9", "labeljust": "r", "labelloc": "b"}
_SMALL = ("activation", "normalisation", "regularisation")
_UNSEEN = ("bias", "weight", "init", "connections", "pad", "eps", "momentum", "affine", "count_pad", "ceil", "alpha", "beta")
_CLUSTERS = ("#f7f8fa", "#eff1f5", "#e6e9ef")  # by depth
_HEAD = """digraph {
  graph [rankdir=TB, newrank=true, ranksep=0.13, nodesep=0.3, fontname="Helvetica,Arial,sans-serif", fontsize=11, fontcolor="#404040", bgcolor=white, pad=0.2]
  node [fontname="Helvetica,Arial,sans-serif", fontsize=11, shape=box, style="rounded,filled", height=0.3, margin="0.13,0.05", penwidth=1.1]
  edge [fontname="Helvetica,Arial,sans-serif", fontsize=9, fontcolor="#505050", color="#505050", arrowsize=0.55, penwidth=0.9]
"""


@dataclass(slots=True)
class _Item:
    """A box of the picture: a layer, a folded scope, an input, an output or the end of an auxiliary head."""

    id: str
    attributes: dict[str, str]
    path: tuple[str, ...] = ()
    nodes: list[Node] = field(default_factory=list)
    aux: bool = False

    @property
    def keeps_shape(self) -> bool:
        """Whether it is one layer of the small kinds that hand their input's shape on."""
        return len(self.nodes) == 1 and self.nodes[0].op.family in _SMALL


@dataclass(slots=True)
class _Flow:
    source: _Item
    value: Value
    targets: list[_Item] = field(default_factory=list)


@dataclass(slots=True)
class _Edge:
    source: _Item
    target: _Item
    attributes: dict[str, str]


@dataclass(slots=True)
class _Cluster:
    """A scope of the picture with its own boxes and the scopes inside it, in order."""

    path: str
    items: list[_Item] = field(default_factory=list)
    children: dict[str, _Cluster] = field(default_factory=dict)


def emit_dot(graph: Graph, depth: int | None = None) -> str:
    """The picture as DOT text; `depth` folds scopes deeper than that into one box. The same graph gives the same text."""
    return _Picture(graph, depth).emit()


def svg_text(graph: Graph, depth: int | None = None) -> str:
    """The picture as one `<svg>` element, to stand in a page; raises `CompileError` where `dot` is missing."""
    text = _render(emit_dot(graph, depth), "svg").decode("utf-8")
    return text[text.index("<svg") :]


def draw(graph: Graph, path: str | Path, depth: int | None = None) -> None:
    """Write the picture; the suffix of `path` says what is made, one of `SUFFIXES`.

    Raises `ValueError` for other suffixes, `CompileError` where `dot` is missing or fails.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"a picture's name ends in {', '.join(SUFFIXES)}; found `{path}`")
    text = emit_dot(graph, depth)
    form = path.suffix.lower()[1:]
    made = text.encode("utf-8") if form in ("dot", "gv") else _render(text, form)
    with replacing(path) as temporary:
        temporary.write_bytes(made)


def _render(text: str, form: str) -> bytes:
    if form == "png":
        text = text.replace("digraph {\n", "digraph {\n  dpi=144\n", 1)
    try:
        made: bytes = graphviz.pipe("dot", form, text.encode("utf-8"), quiet=True)
    except graphviz.ExecutableNotFound:
        raise failure([Diagnostic("graphviz-missing", "the program `dot` is not installed", help=_INSTALL)]) from None
    except subprocess.CalledProcessError as error:
        said = (error.stderr or b"").decode("utf-8", "replace").strip() or f"exit code {error.returncode}"
        help_ = "fold blocks with --depth, or write .svg"
        raise failure([Diagnostic("graphviz-failed", f"`dot` cannot make this picture: {said}", help=help_)]) from None
    if form == "pdf":  # cairo writes the time into it, and the same net is to give the same bytes
        made = re.sub(rb"/CreationDate \([^)]*\)", lambda m: b"/CreationDate (D:20000101000000Z)".ljust(len(m[0])), made)
    return made


class _Picture:
    """Builds the boxes, clusters and edges of one graph."""

    def __init__(self, graph: Graph, depth: int | None) -> None:
        self.graph = graph
        self.depth = depth
        self.root = _Cluster("")
        self.made: dict[int, _Item] = {}  # the box that makes a value, by the value's id
        self.count = 0
        self.clusters = 0
        self.params = {id(n): cost.params for n, cost in Costs(graph).rows()}
        self.flows: dict[int, _Flow] = {}  # by the value's id
        self.last = ""
        self.heads = {h.name: h for h in graph.aux}

    def emit(self) -> str:
        """The whole text."""
        for value in self.graph.inputs:
            self.made[id(value)] = self._place((), _oval(value.name, "input"))
        for item in self._layers():
            self._arrive(item)
        for output in reversed(self.graph.outputs):
            end = self._place((), _oval(output.name, "output"))
            self._note(self.made[id(output.value)], end, output.value)
            self.last = end.id
        for head in self.graph.aux:
            self._aux_end(head)
        edges = self._edge_lines(self._edges())
        params = sum(self.params[id(n)] for n in self.graph.nodes if n.aux is None)
        title = f"{self.graph.name}: {params:,} parameters"
        start = f"  label={_quote([title])}\n  labelloc=t\n  fontsize=16\n"
        return _HEAD + start + "".join(self._lines(self.root, "  ") + edges) + "}\n"

    # ---- boxes

    def _layers(self) -> list[_Item]:
        items: list[_Item] = []
        folded: dict[str, _Item] = {}
        for node in self.graph.nodes:
            parts = tuple(node.name.split("."))
            if self.depth is None or len(parts) <= self.depth:
                item = self._place(parts[:-1], self._box(node))
                items.append(item)
            else:
                path = ".".join(parts[: self.depth])
                if path not in folded:
                    folded[path] = self._place(parts[: self.depth - 1] if self.depth else (), {})
                    items.append(folded[path])
                item = folded[path]
            item.nodes.append(node)
            item.aux = node.aux is not None
            self.made[id(node.output)] = item
        for path, item in folded.items():
            item.attributes = self._folded(path, item)
        return items

    def _scope(self, parts: tuple[str, ...]) -> _Cluster:
        cluster = self.root
        for i, name in enumerate(parts, start=1):
            cluster = cluster.children.setdefault(name, _Cluster(".".join(parts[:i])))
        return cluster

    def _place(self, path: tuple[str, ...], attributes: dict[str, str]) -> _Item:
        item = _Item(f"n{self.count}", attributes, path)
        self.count += 1
        self._scope(path).items.append(item)
        return item

    def _box(self, node: Node) -> dict[str, str]:
        fill, border = _COLOURS.get(node.op.family, _PLAIN)
        name, copied = node.name.rpartition(".")[2], node.shared and bool(node.params())
        lines = [] if name.isdigit() else [name]
        style = {"fillcolor": f'"{fill}"', "color": f'"{border}"'}
        if node.op.kind in _SIGNS and not lines:
            return {"label": _quote([_SIGNS[node.op.kind]]), **_SIGN, **style}
        lines.append(describe(node.op, len(node.type.shape) - 1) + (", frozen" if node.frozen else ""))
        if node.op.family in _SMALL:
            lines = [": ".join(lines)]
            style |= {"fontsize": "9", "height": "0.2"}
        if copied:
            lines.append(f"weights of {node.module}")
        style["style"] = '"rounded,filled,dashed"' if copied or node.aux else '"rounded,filled"'
        return {"label": _quote(lines), **style}

    def _folded(self, path: str, item: _Item) -> dict[str, str]:
        lines = self._scope_title(path) or [self.graph.name]
        counts = f"{len(item.nodes)} layers, {sum(self.params[id(n)] for n in item.nodes):,} parameters"
        lines += [t for t in (self._inside(path, item), counts) if t]
        return {"label": _quote(lines), "style": '"filled,dashed"' if item.aux else '"filled"', **_FOLDED}

    def _inside(self, path: str, item: _Item) -> str:
        """`3 × basicblock` where a group is made of calls of one block."""
        scope = self.graph.scopes.get(path)
        start = len(path) + 1 if path else 0
        members = dict.fromkeys(n.name[: n.name.find(".", start)] if "." in n.name[start:] else "" for n in item.nodes)
        kinds = {self.graph.scopes[m].kind if m in self.graph.scopes else None for m in members}
        kind = kinds.pop() if len(kinds) == 1 and (scope is None or scope.kind is None) else None
        return f"{len(members)} × {kind}" if kind else ""

    def _scope_title(self, path: str) -> list[str]:
        """The scope's own name where it has one, and its block's."""
        scope = self.graph.scopes.get(path)
        name = path.rpartition(".")[2]
        kind = scope.kind if scope is not None else None
        if kind == "aux" and name in self.heads:
            kind = f"auxiliary head, weight {self.heads[name].weight:g}"
        return list(dict.fromkeys(t for t in ("" if name.isdigit() else name, kind) if t))

    # ---- edges

    def _arrive(self, item: _Item) -> None:
        """Note the edges into a box; a folded scope takes a value once, a layer as often as it is written."""
        seen = set()
        for node in item.nodes:
            for value in node.inputs:
                source = self.made[id(value)]
                if source is not item and (id(value) not in seen or len(item.nodes) == 1):
                    seen.add(id(value))
                    self._note(source, item, value)

    def _note(self, source: _Item, target: _Item, value: Value) -> None:
        self.flows.setdefault(id(value), _Flow(source, value)).targets.append(target)

    def _aux_end(self, head: AuxHead) -> None:
        source = self.made[id(head.value)]
        if source.path[:1] == (head.name,):
            end = self._place((head.name,), _oval(f"loss × {head.weight:g}", "output"))
            end.attributes |= {"style": '"dashed"', "fontsize": "9", "peripheries": "1"}
            end.aux = True
            self._note(source, end, head.value)

    def _edges(self) -> list[_Edge]:
        """The arrows; the shape stands between a value's producer and all that take it, but for the small kinds that keep it."""
        edges = []
        for flow in self.flows.values():
            start = flow.source
            if not all(t.keeps_shape for t in flow.targets):
                start = self._place(max((_common(flow.source, t) for t in flow.targets), key=len), _shape_label(flow.value))
                start.aux = all(t.aux for t in flow.targets)
                edges.append(_Edge(flow.source, start, {"arrowhead": "none"}))
            edges += [_Edge(start, t, {}) for t in flow.targets]
        return edges

    def _trunk(self, edges: list[_Edge]) -> set[int]:
        """The edges of the longest way to the first output, by `id`: it is drawn as a straight line."""
        length: Counter[str] = Counter()
        best: dict[str, _Edge] = {}
        for edge in edges:
            if length[edge.source.id] + 1 > length[edge.target.id]:
                length[edge.target.id], best[edge.target.id] = length[edge.source.id] + 1, edge
        found, place = set(), self.last
        while place in best:
            found.add(id(best[place]))
            place = best.pop(place).source.id
        return found

    def _edge_lines(self, edges: list[_Edge]) -> list[str]:
        trunk = self._trunk(edges)
        arrivals = Counter(e.target.id for e in edges)
        lines = []
        for edge in edges:
            # Into a join the arrow may be long, so that a short arm stands at the height at which its input splits.
            weight = 1000 if id(edge) in trunk else 1 if arrivals[edge.target.id] > 1 else 300
            attributes = {"weight": str(weight), **edge.attributes}
            if edge.target.aux:
                attributes["style"] = "dashed"
            lines.append(f"  {edge.source.id} -> {edge.target.id}{_list(attributes)}\n")
        return lines

    # ---- text

    def _lines(self, cluster: _Cluster, indent: str) -> list[str]:
        lines = [f"{indent}{m.id}{_list(m.attributes)}\n" for m in cluster.items]
        # In this order dot stands arms from left to right as they are written, and skips to the right of what they skip.
        for member in reversed(cluster.children.values()):
            lines.append(f"{indent}subgraph cluster_{self.clusters} {{\n{indent}  graph{_list(self._frame(member))}\n")
            self.clusters += 1
            lines += [*self._lines(member, indent + "  "), f"{indent}}}\n"]
        return lines

    def _frame(self, cluster: _Cluster) -> dict[str, str]:
        dashed = cluster.path.partition(".")[0] in self.heads
        title = ": ".join(self._scope_title(cluster.path))
        # The line out of a narrow scope runs down its middle: half of its width must hold the name.
        margin = 8 if len(cluster.children) > 1 else min(max(8, round(4.8 * len(title) - 28)), 32)
        return {
            "label": _quote([title]),
            "margin": str(margin),
            "style": '"rounded,filled,dashed"' if dashed else '"rounded,filled"',
            "fillcolor": f'"{_CLUSTERS[min(cluster.path.count("."), len(_CLUSTERS) - 1)]}"',
            "color": '"#8c93a3"' if dashed else '"#b4bac6"',
            **_CORNER,
        }


def describe(op: Op, axes: int) -> str:
    """The kind and what its author would say of it: `conv 3x3, 64, stride 2`."""
    given = [(a, getattr(op, a.name)) for a in op.args if a.name not in _UNSEEN]
    window = getattr(op, "k", None) if op.family in ("convolution", "pooling") else None
    parts = [] if window is None else [_dims(window, axes)]
    required = [a for a, _ in given if a.required and not (a.name == "k" and window is not None)]
    bare = required if len(required) == 1 else [a for a, _ in given if op.family == "regularisation"]
    told = [(a, v) for a, v in given if a in required or a in bare or (not a.required and _tells(a, v, window))]
    parts += [_text(v) if a in bare else f"{a.name} {_text(v)}" for a, v in told]
    return f"{op.kind} {', '.join(parts)}".strip()


def _tells(declared: Arg, value: object, window: object) -> bool:
    if declared.name == "stride":
        return value is not None and (value != window if declared.default is None else value != 1)
    return value is not None and value != declared.default


def _dims(value: object, axes: int) -> str:
    return "x".join([str(value)] * max(1, axes)) if isinstance(value, int) else _text(value)


def _text(value: object) -> str:
    if isinstance(value, tuple) and all(isinstance(v, int) and not isinstance(v, bool) for v in value):
        return str(value[0]) if len(set(value)) == 1 and len(value) > 1 else "x".join(map(str, value))
    return value if isinstance(value, str) else show(value)


def _common(one: _Item, other: _Item) -> tuple[str, ...]:
    """The deepest scope that holds both."""
    return tuple(a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(one.path, other.path, strict=False)))


def _shape_label(value: Value) -> dict[str, str]:
    text = str(value.type) if value.type.dtype == "float32" else f"{value.type} {value.type.dtype}"
    return {"label": _quote([text]), **_SHAPE}


def _oval(name: str, role: str) -> dict[str, str]:
    ends = {"peripheries": "2"} if role == "output" else {}
    return {"label": _quote([name]), "shape": "ellipse", "style": "filled", "fillcolor": '"#ffffff"', "color": '"#303030"', **ends}


def _quote(lines: list[str]) -> str:
    """A quoted label; a line's backslashes, quotes, entities and unprintable characters are taken as text."""
    return '"' + "\\n".join(_escape(_short(t)) for t in lines) + '"'


def _short(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 13]}…{text[-12:]}"


def _escape(text: str) -> str:
    plain = "".join(c if c.isprintable() else "\ufffd" for c in text)
    return plain.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")


def _list(attributes: dict[str, str]) -> str:
    return f" [{', '.join(f'{k}={v}' for k, v in attributes.items())}]" if attributes else ""
