"""Graph to a picture: boxes with their lines, the scopes that hold them, and the ways of values
between them.

Nothing here knows how a picture is written: see `dot`, `mermaid` and `page`. A value's shape stands
where it is made, but for runs of small layers that keep the shape; there it stands once, at the
end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING, Literal

from netdsl.analysis.cost import Costs
from netdsl.ir.graph import Node, Scope
from netdsl.ir.types import shape_text
from netdsl.ops.args import dims, padding, show, sizes
from netdsl.source import printable
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.ir.graph import AuxHead, Graph, Value
    from netdsl.ir.op import Arg, Op

Look = Literal["layer", "small", "sign", "folded", "input", "output", "loss", "shape"]
MAX_TEXT = 48
COLOURS = {  # family: fill, border; each pair stays apart from the others in grey as well
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
    "regions": ("#ead9cb", "#8f6a4a"),
}
PLAIN = ("#ffffff", "#707070")  # of families that a package of the user's adds
FOLDED = ("#e6e9ef", "#5a6375")
SCOPES = ("#f7f8fa", "#eff1f5", "#e6e9ef")  # by depth
SCOPE_BORDER, AUX_BORDER = "#b4bac6", "#8c93a3"
_SIGNS = {"add": "+", "mul": "×", "sub": "−"}
_SMALL = ("activation", "normalisation", "regularisation")
_UNSEEN = (
    "bias",
    "weight",
    "init",
    "connections",
    "pad",
    "eps",
    "momentum",
    "affine",
    "count_pad",
    "ceil",
    "alpha",
    "beta",
)


@dataclass(slots=True)
class Box:
    """A layer, a folded scope, an input, an output, the end of an auxiliary head, or a shape that
    stands between them.

    `dashed` are layers that stand there in training only, or with the weights of another.
    """

    id: str
    look: Look
    lines: list[str]
    family: str = ""
    path: tuple[Scope, ...] = ()
    nodes: list[Node] = field(default_factory=list)
    aux: bool = False
    dashed: bool = False

    @property
    def colours(self) -> tuple[str, str]:
        """Fill and border of its family."""
        return COLOURS.get(self.family, PLAIN)

    @property
    def keeps_shape(self) -> bool:
        """Whether it is one layer of the small kinds that hand their input's shape on."""
        return len(self.nodes) == 1 and self.nodes[0].op.family in _SMALL


@dataclass(slots=True)
class Flow:
    """A value on its way from the box that makes it to those that take it; `shape` is the box with
    its shape where that is shown.
    """

    source: Box
    value: Value
    targets: list[Box] = field(default_factory=list)
    shape: Box | None = None


@dataclass(slots=True)
class Cluster:
    """A scope of the picture with its own boxes and the scopes inside it, in order."""

    scope: Scope
    title: str = ""
    aux: bool = False
    boxes: list[Box] = field(default_factory=list)
    shapes: list[Box] = field(default_factory=list)
    children: dict[Scope, Cluster] = field(default_factory=dict)

    @property
    def fill(self) -> str:
        """Its colour, darker the deeper it lies."""
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
    """The boxes, scopes and ways of one graph; `depth` folds scopes deeper than that into one box.

    The same graph gives the same picture.
    """

    def __init__(self, graph: Graph, depth: int | None = None) -> None:
        self.graph = graph
        self.depth = depth
        self.root = Cluster(graph.root)
        self.end: Box | None = None  # of the first output
        self._made: dict[int, Box] = {}  # the box that makes a value, by the value's id
        self._count = 0
        self._flows: dict[int, Flow] = {}  # by the value's id
        self._heads = {h.name: h for h in graph.aux}
        self._params = {id(n): cost.params for n, cost in Costs(graph).rows()}
        self._build()

    @property
    def title(self) -> str:
        """The net's name and size."""
        return (
            f"{self.graph.name}:"
            f" {sum(self._params[id(n)] for n in self.graph.nodes if n.aux is None):,} parameters"
        )

    @property
    def flows(self) -> list[Flow]:
        """The ways, in the order in which their values are first taken."""
        return list(self._flows.values())

    def boxes(self) -> list[Box]:
        """Every box but the shapes, in the order of the text."""
        return sorted((b for c in self.root.walk() for b in c.boxes), key=lambda b: int(b.id[1:]))

    def _build(self) -> None:
        for value in self.graph.inputs:
            self._made[id(value)] = self._place((), "input", [value.name])
        for box in self._layers():
            self._arrive(box)
        for output in reversed(self.graph.outputs):
            self.end = self._place((), "output", [output.name])
            self._note(self._made[id(output.value)], self.end, output.value)
        for head in self.graph.aux:
            self._aux_end(head)
        self._show_shapes()

    # ---- boxes

    def _layers(self) -> list[Box]:
        boxes: list[Box] = []
        folded: dict[Scope, Box] = {}
        for node in self.graph.nodes:
            part = node if self.depth is None else node.at_depth(self.depth)
            if isinstance(part, Node):
                box = self._layer(node.scope.path[1:], node)
                boxes.append(box)
            else:
                if part not in folded:
                    folded[part] = self._place(part.path[1:-1], "folded", [])
                    boxes.append(folded[part])
                box = folded[part]
            box.nodes.append(node)
            self._made[id(node.output)] = box
        for box in boxes:
            box.aux = all(n.aux is not None for n in box.nodes)
        for scope, box in folded.items():
            box.lines, box.dashed = self._folded(scope, box), box.aux
        return boxes

    def _scope(self, path: tuple[Scope, ...]) -> Cluster:
        cluster = self.root
        for scope in path:
            if scope not in cluster.children:
                title = ": ".join(self._scope_title(scope))
                aux = cluster.aux or scope.name in self._heads
                cluster.children[scope] = Cluster(scope, title, aux)
            cluster = cluster.children[scope]
        return cluster

    def _place(self, path: tuple[Scope, ...], look: Look, lines: list[str]) -> Box:
        box = Box(f"n{self._count}", look, lines, path=path)
        self._count += 1
        scope = self._scope(path)
        (scope.shapes if look == "shape" else scope.boxes).append(box)
        return box

    def _layer(self, path: tuple[Scope, ...], node: Node) -> Box:
        name, copied = node.label, node.shared and bool(node.params())
        small = node.op.family in _SMALL
        lines = [] if name.isdigit() else [name]
        if node.op.kind in _SIGNS and not lines:
            box = self._place(path, "sign", [_SIGNS[node.op.kind]])
        else:
            lines.append(
                describe(node.op, len(node.type.shape) - 1) + (", frozen" if node.frozen else "")
            )
            lines = [": ".join(lines)] if small else lines
            box = self._place(
                path,
                "small" if small else "layer",
                [*lines, *([f"weights of {node.module}"] if copied else [])],
            )
        box.family, box.dashed = node.op.family, copied or bool(node.aux)
        return box

    def _folded(self, scope: Scope, box: Box) -> list[str]:
        lines = self._scope_title(scope) or [self.graph.name]
        # Heads count for nothing in the net's totals either.
        nodes = box.nodes if box.aux else [n for n in box.nodes if n.aux is None]
        counts = (
            f"{counted(len(nodes), 'layer')}, {sum(self._params[id(n)] for n in nodes):,}"
            " parameters"
        )
        return lines + [t for t in (self._inside(scope, box), counts) if t]

    def _inside(self, scope: Scope, box: Box) -> str:
        """`3 × basicblock` where a group is made of calls of one block."""
        members = dict.fromkeys(n.at_depth(scope.depth + 1) for n in box.nodes)
        kinds = {m.kind if isinstance(m, Scope) else None for m in members}
        kind = kinds.pop() if len(kinds) == 1 and scope.kind is None else None
        return f"{len(members)} × {kind}" if kind else ""

    def _scope_title(self, scope: Scope) -> list[str]:
        """The scope's own name where it has one, and its block's."""
        name, kind = scope.label, scope.kind
        if scope.name in self._heads:
            kind = f"auxiliary head, weight {self._heads[scope.name].weight:g}"
        return list(dict.fromkeys(t for t in ("" if name.isdigit() else name, kind) if t))

    # ---- ways

    def _arrive(self, box: Box) -> None:
        """Note the ways into a box; a folded scope takes a value once, a layer as often as it is
        written.
        """
        seen = set()
        for node in box.nodes:
            for value in node.inputs:
                source = self._made[id(value)]
                if source is not box and (id(value) not in seen or len(box.nodes) == 1):
                    seen.add(id(value))
                    self._note(source, box, value)

    def _note(self, source: Box, target: Box, value: Value) -> None:
        self._flows.setdefault(id(value), Flow(source, value)).targets.append(target)

    def _aux_end(self, head: AuxHead) -> None:
        source, path = self._made[id(head.value)], self.graph.scopes[head.name].path[1:]
        if source.path[: len(path)] == path:
            end = self._place(path, "loss", [f"loss × {head.weight:g}"])
            end.aux = True
            self._note(source, end, head.value)

    def _show_shapes(self) -> None:
        """A shape stands between a value's producer and all that take it, but for the small kinds
        that keep it.
        """
        for flow in self._flows.values():
            if not all(t.keeps_shape for t in flow.targets):
                flow.shape = self._place(
                    max((_common(flow.source, t) for t in flow.targets), key=len),
                    "shape",
                    [_shape_text(flow.value)],
                )
                flow.shape.aux = all(t.aux for t in flow.targets)


def short(text: str) -> str:
    """A line as it is drawn: the middle of a long one is cut out, and what cannot be printed is
    replaced.
    """
    cut = text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 13]}…{text[-12:]}"
    return printable(cut)


def describe(op: Op, axes: int) -> str:
    """The kind and what its author would say of it: `conv 3x3, 64, stride 2`."""
    windowed = op.family in ("convolution", "pooling")
    given = [
        (a, getattr(op, a.name))
        for a in op.args
        if (a.required or a.name not in _UNSEEN) and not (windowed and a.name == "k")
    ]
    window = getattr(op, "k", None) if windowed else None
    parts = (
        []
        if window is None
        else ["x".join(map(str, window if isinstance(window, tuple) else [window] * max(1, axes)))]
    )
    required = [a for a, _ in given if a.required]
    bare = (
        required if len(required) == 1 else [a for a, _ in given if op.family == "regularisation"]
    )
    parts += [
        _text(a, v) if a in bare else f"{a.name} {_text(a, v)}"
        for a, v in given
        if a.required or a in bare or _tells(a, v, window)
    ]
    return f"{op.kind} {', '.join(parts)}".strip()


def _tells(declared: Arg, value: object, window: object) -> bool:
    """Whether an optional argument says more than its default; a pool steps by its window unless it
    says otherwise.
    """
    default = window if declared.name == "stride" and declared.default is None else declared.default
    return value is not None and value != default


def _text(declared: Arg, value: object) -> str:
    """A value as it is written; one number where all axes have the same."""
    if isinstance(value, tuple) and declared.convert is sizes:
        return shape_text(value)
    if (
        isinstance(value, tuple)
        and declared.convert in (dims, padding)
        and isinstance(value[0], int)
    ):
        return "x".join(map(str, value if len(set(value)) > 1 else value[:1]))
    return value if isinstance(value, str) else show(value)


def _common(one: Box, other: Box) -> tuple[Scope, ...]:
    """The deepest scope that holds both."""
    return tuple(
        a
        for a, _ in takewhile(
            lambda pair: pair[0] == pair[1], zip(one.path, other.path, strict=False)
        )
    )


def _shape_text(value: Value) -> str:
    return str(value.type) if value.type.dtype == "float32" else f"{value.type} {value.type.dtype}"
