"""Turns a graph into a picture: boxes with lines of text, the scopes around them, and the arrows.

`dot` and `mermaid` write it. The shape of each value is shown beside the box that makes it, but
only once, at the end, for a run of small layers that keep the shape.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from netdsl.analysis.cost import Costs
from netdsl.draw.describe import describe
from netdsl.draw.folding import is_small, uses_of
from netdsl.draw.themes import LIGHT
from netdsl.ir.graph import Node, Scope
from netdsl.source import printable
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.ir.graph import AuxHead, Graph, Value

Look = Literal["layer", "small", "sign", "folded", "input", "output", "loss", "shape"]
MAX_TEXT = 48  # characters of a line
COLOURS, PLAIN, FOLDED = LIGHT.families, LIGHT.plain, LIGHT.folded
SCOPES, SCOPE_BORDER, AUX_BORDER = LIGHT.scopes, LIGHT.scope_border, LIGHT.aux_border
_SIGNS = {"add": "+", "mul": "×", "sub": "−", "+": "+", "*": "×", "-": "−", "/": "/", "**": "^"}


class Band(NamedTuple):
    """A layer as a part of a box: its own name, its kind with arguments, and notes."""

    name: str
    words: str
    notes: tuple[str, ...]
    node: Node


@dataclass(slots=True)
class Box:
    """A layer, a folded scope, an input, an output, the end of an auxiliary head, or a shape.

    `aux` is whether it is part of an auxiliary head. Its border is `dashed` if the box exists only
    in training, or if it uses the weights of another layer. `bands` are its layers, unless it is
    folded: one, or more if small layers are stacked below it. `scope` is that of a folded box.
    """

    id: str
    look: Look
    lines: list[str]
    family: str = ""
    path: tuple[Scope, ...] = ()
    nodes: list[Node] = field(default_factory=list)
    aux: bool = False
    dashed: bool = False
    bands: list[Band] = field(default_factory=list)
    scope: Scope | None = None

    @property
    def colours(self) -> tuple[str, str]:
        """Fill and border of its family."""
        return COLOURS.get(self.family, PLAIN)

    @property
    def keeps_shape(self) -> bool:
        """Whether it is a single small layer, whose result has the shape of its input."""
        return len(self.nodes) == 1 and is_small(self.nodes[0])


@dataclass(slots=True)
class Flow:
    """A value, with the box that makes it and the boxes that take it.

    `shape` is the box with the value's shape, if it is shown.
    """

    source: Box
    value: Value
    targets: list[Box] = field(default_factory=list)
    shape: Box | None = None


@dataclass(slots=True)
class Cluster:
    """A scope of the picture, with its own boxes and the scopes inside it, in order."""

    scope: Scope
    title: str = ""
    aux: bool = False
    boxes: list[Box] = field(default_factory=list)
    shapes: list[Box] = field(default_factory=list)
    children: dict[Scope, Cluster] = field(default_factory=dict)

    @property
    def fill(self) -> str:
        """The colour inside; deeper scopes are darker."""
        return SCOPES[min(max(self.scope.depth - 1, 0), len(SCOPES) - 1)]

    @property
    def border(self) -> str:
        """The colour of its border."""
        return AUX_BORDER if self.aux else SCOPE_BORDER

    def walk(self) -> Iterator[Cluster]:
        """Itself and every scope inside it."""
        yield self
        for child in self.children.values():
            yield from child.walk()


class Picture:
    """The boxes, scopes and flows of one graph.

    With a `depth`, each scope that is deeper becomes one box; with `blocks`, each call of a block.
    With `stack`, small layers share the box of the layer before them. The picture of a graph is
    always the same.
    """

    def __init__(
        self,
        graph: Graph,
        depth: int | None = None,
        *,
        stack: bool = False,
        blocks: bool = False,
    ) -> None:
        self.graph = graph
        self.depth = depth
        self.blocks = blocks
        self._uses = uses_of(graph)
        self._stack = stack
        self.root = Cluster(graph.root)
        self.end: Box | None = None  # the box of the first output
        self._sources: dict[int, Box] = {}  # the box that makes each value, by the value's id
        self._count = 0
        self._flows: dict[int, Flow] = {}  # by the value's id
        self._heads = {head.name: head for head in graph.aux}
        self._params = {id(node): cost.params for node, cost in graph.derived(Costs).rows()}
        self._build()

    @property
    def title(self) -> str:
        """The net's name and size."""
        nodes = [node for node in self.graph.nodes if node.aux is None]
        return f"{self.graph.name}: {self._parameters(nodes)}"

    @property
    def flows(self) -> list[Flow]:
        """The flows, in the order in which their values are first taken."""
        return list(self._flows.values())

    def boxes(self) -> list[Box]:
        """Every box except shapes, in the order of the text."""
        boxes = (box for cluster in self.root.walk() for box in cluster.boxes)
        return sorted(boxes, key=lambda box: int(box.id[1:]))

    def _build(self) -> None:
        for value in self.graph.inputs:
            self._sources[id(value)] = self._place((), "input", [value.name])
        for box in self._layers():
            self._connect(box)
        for output in reversed(self.graph.outputs):
            self.end = self._place((), "output", [output.name])
            self._flow(self._sources[id(output.value)], self.end, output.value)
        for head in self.graph.aux:
            self._aux_end(head)
        self._show_shapes()

    # ---- boxes

    def _layers(self) -> list[Box]:
        """Make the boxes of all layers and folded scopes."""
        boxes: list[Box] = []
        folded: dict[Scope, Box] = {}
        for node in self.graph.nodes:
            part = self._part(node)
            if isinstance(part, Node):
                box = self._stack_for(node) or self._layer(node)
                if not box.nodes:
                    boxes.append(box)
            elif part in folded:
                box = folded[part]
            else:
                box = folded[part] = self._place(part.path[1:-1], "folded", [])
                boxes.append(box)
            box.nodes.append(node)
            self._sources |= {id(value): box for value in node.outputs}
        for box in boxes:
            box.aux = all(node.aux is not None for node in box.nodes)
        for scope, box in folded.items():
            box.lines, box.dashed, box.scope = self._folded_lines(scope, box), box.aux, scope
        return boxes

    def _part(self, node: Node) -> Node | Scope:
        """The layer itself, or the scope whose box contains it."""
        if self.blocks:
            for scope in node.scope.path[1:]:
                if scope.kind is not None and scope.kind != "aux":
                    return scope
        if self.depth is not None:
            return node.at_depth(self.depth)
        return node

    def _stack_for(self, node: Node) -> Box | None:
        """The box of the layer before a small layer, if nothing else takes that layer's result."""
        uses = [self._uses.get(id(value)) for value in node.inputs]
        if not self._stack or not is_small(node) or uses != [1]:
            return None
        if node.shared and node.params():
            return None
        box = self._sources[id(node.inputs[0])]
        if not box.bands or box.look == "sign" or box.path != node.scope.path[1:]:
            return None
        before = box.bands[-1].node
        if before.output is not node.inputs[0] or bool(before.aux) != bool(node.aux):
            return None
        box.bands.append(self._band(node))
        return box

    def _cluster(self, path: tuple[Scope, ...]) -> Cluster:
        """The cluster of the last scope of a path, which is made if it is new."""
        cluster = self.root
        for scope in path:
            if scope not in cluster.children:
                title = self._title_of(scope)
                aux = cluster.aux or scope.name in self._heads
                cluster.children[scope] = Cluster(scope, title, aux)
            cluster = cluster.children[scope]
        return cluster

    def _place(self, path: tuple[Scope, ...], look: Look, lines: list[str]) -> Box:
        """Make a box in the scope at the end of a path."""
        box = Box(f"n{self._count}", look, lines, path=path)
        self._count += 1
        cluster = self._cluster(path)
        if look == "shape":
            cluster.shapes.append(box)
        else:
            cluster.boxes.append(box)
        return box

    def _band(self, node: Node) -> Band:
        words = describe(node.op, len(node.type.shape) - 1)
        if node.frozen:
            words += ", frozen"
        if node.shared and node.params():
            notes = [f"weights of {node.module}"]
        else:
            notes = [f"weight {p.tied}" for p in node.params().values() if p.tied]
        return Band(_own_name(node), words, tuple(notes), node)

    def _layer(self, node: Node) -> Box:
        band = self._band(node)
        name, family = band.name, node.op.family
        is_copy = node.shared and bool(node.params())
        lines = [line for line in (name, band.words) if line]
        look: Look = "layer"
        if node.op.kind in _SIGNS and not name and len(node.inputs) > 1:
            look, lines = "sign", [_SIGNS[node.op.kind]]
        elif is_small(node):
            look, lines = "small", [": ".join(lines)]
        box = self._place(node.scope.path[1:], look, [*lines, *band.notes])
        box.family, box.dashed = family, is_copy or bool(node.aux)
        box.bands.append(band)
        return box

    def _folded_lines(self, scope: Scope, box: Box) -> list[str]:
        lines = self._scope_title(scope) or [self.graph.name]
        if scope.name and not scope.name.isdigit() and lines[0] != scope.name:
            lines = [scope.name, *(line for line in lines if line != _own_name(scope))]
        calls = _calls(scope, box)
        if calls:
            lines.append(calls)
        nodes = box.nodes
        if not box.aux:  # the totals of the net do not include auxiliary heads either
            nodes = [node for node in nodes if node.aux is None]
        lines.append(f"{counted(len(nodes), 'layer')}, {self._parameters(nodes)}")
        return lines

    def _parameters(self, nodes: list[Node]) -> str:
        return f"{sum(self._params[id(node)] for node in nodes):,} parameters"

    def _scope_title(self, scope: Scope) -> list[str]:
        """The scope's own name, if it has one, and the name of its block."""
        name, kind = _own_name(scope), scope.kind
        if scope.name in self._heads:
            kind = f"auxiliary head, weight {self._heads[scope.name].weight:g}"
        return list(dict.fromkeys(word for word in (name, kind) if word))

    def _title_of(self, scope: Scope) -> str:
        """The name of a scope in the table, and its block: `layer1.0: bottleneck`."""
        *_, kind = ("", *self._scope_title(scope))
        if scope.name.isdigit():
            return kind
        if kind == _own_name(scope):
            return scope.name
        return f"{scope.name}: {kind}"

    # ---- flows

    def _connect(self, box: Box) -> None:
        """Add the box to the flows of its inputs.

        A folded scope gets one arrow for each value, and a layer one for each time that the text
        passes it the value.
        """
        seen = set()
        for node in box.nodes:
            for value in node.inputs:
                source = self._sources[id(value)]
                if source is not box and (id(value) not in seen or len(box.nodes) == 1):
                    seen.add(id(value))
                    self._flow(source, box, value)

    def _flow(self, source: Box, target: Box, value: Value) -> None:
        self._flows.setdefault(id(value), Flow(source, value)).targets.append(target)

    def _aux_end(self, head: AuxHead) -> None:
        """Make the box of the loss of an auxiliary head, unless the head is folded."""
        source, path = self._sources[id(head.value)], self.graph.scopes[head.name].path[1:]
        if source.path[: len(path)] == path:
            end = self._place(path, "loss", [f"loss × {head.weight:g}"])
            end.aux = True
            self._flow(source, end, head.value)

    def _show_shapes(self) -> None:
        """Add the shapes of values, except those that only small, shape-keeping layers take."""
        for flow in self._flows.values():
            if all(target.keeps_shape for target in flow.targets):
                continue
            path = max((_common(flow.source, target) for target in flow.targets), key=len)
            flow.shape = self._place(path, "shape", [_shape_text(flow.value)])
            flow.shape.aux = all(target.aux for target in flow.targets)


def _own_name(part: Node | Scope) -> str:
    """The name that the text gives a layer or scope; empty if it has only a number."""
    return "" if part.label.isdigit() else part.label


def _calls(scope: Scope, box: Box) -> str:
    """`3 × basicblock` if a group or join consists of calls of one block."""
    members = dict.fromkeys(node.at_depth(scope.depth + 1) for node in box.nodes)
    if scope.kind is not None or any(isinstance(member, Node) for member in members):
        return ""
    kinds = {member.kind for member in members if isinstance(member, Scope)}
    if len(kinds) > 1 or None in kinds:
        return ""
    return f"{len(members)} × {kinds.pop()}"


def short(text: str) -> str:
    """A line as it is drawn: at most `MAX_TEXT` characters, all printable.

    The middle of a longer line is cut out.
    """
    if len(text) > MAX_TEXT:
        text = f"{text[: MAX_TEXT - 13]}…{text[-12:]}"
    return printable(text)


def _common(box: Box, other: Box) -> tuple[Scope, ...]:
    """The path to the deepest scope around both boxes."""
    common = 0
    for scope, other_scope in zip(box.path, other.path, strict=False):
        if scope != other_scope:
            break
        common += 1
    return box.path[:common]


def _shape_text(value: Value) -> str:
    text = str(value.type)
    if value.type.dtype != "float32":
        text += f" {value.type.dtype}"
    if value.producer is not None and value is not value.producer.output:
        return f"{value.name.rpartition('.')[2]}: {text}"
    return text
