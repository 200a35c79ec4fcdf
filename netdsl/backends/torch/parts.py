"""Divides a graph into the parts that become modules: one for each scope, inside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.ir.graph import Node

if TYPE_CHECKING:
    from netdsl.ir.graph import Graph, Scope, Value


class Leaf(NamedTuple):
    """One layer, as a piece of the part around it."""

    node: Node

    @property
    def label(self) -> str:
        """The name of the layer within the part around it."""
        return self.node.label

    @property
    def nodes(self) -> list[Node]:
        """The layer itself."""
        return [self.node]

    @property
    def inputs(self) -> list[Value]:
        """The values that the layer takes."""
        return list(self.node.inputs)

    @property
    def outputs(self) -> list[Value]:
        """The values that the layer makes."""
        return self.node.outputs


class Part:
    """Consecutive layers of one scope, with the values that come in and go out."""

    def __init__(self, scope: Scope, nodes: list[Node]) -> None:
        self.scope = scope
        self.nodes = nodes
        self.inputs: list[Value] = []
        self.outputs: list[Value] = []

    @property
    def label(self) -> str:
        """The name of its module within the part around it."""
        return self.scope.label


Piece = Leaf | Part


class Division:
    """Divides the parts of one graph into their pieces.

    A graph in which layers share weights is `flat`: it is one part that consists of leaves.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._uses = graph.uses()
        self._ends = [*(o.value for o in graph.outputs), *(h.value for h in graph.aux)]
        self._kept = {id(value) for value in self._ends}
        self.flat = any(node.shared for node in graph.nodes)

    def whole(self) -> Part:
        """The part that is the whole net."""
        part = Part(self._graph.root, self._graph.nodes)
        part.inputs = list(self._graph.inputs)
        return part

    def pieces(self, part: Part) -> list[Piece]:
        """The leaves and inner parts of a part, in order."""
        if self.flat:
            return [Leaf(node) for node in part.nodes]
        pieces: list[Piece] = []
        current: Part | None = None
        for node in part.nodes:
            member = node.at_depth(part.scope.depth + 1)
            if isinstance(member, Node):
                pieces.append(Leaf(node))
                current = None
                continue
            if current is None or current.scope is not member:
                current = Part(member, [])
                pieces.append(current)
            current.nodes.append(node)
        for piece in pieces:
            if isinstance(piece, Part):
                self._find_border(piece)
        return pieces

    def _find_border(self, part: Part) -> None:
        made = [value for node in part.nodes for value in node.outputs]
        inside = set(map(id, made))
        taken = (value for node in part.nodes for value in node.inputs)
        part.inputs = list({id(v): v for v in taken if id(v) not in inside}.values())
        members = {id(node) for node in part.nodes}
        outputs = [value for value in made if self._is_used_outside(value, members)]
        part.outputs = outputs or [part.nodes[-1].output]

    def _is_used_outside(self, value: Value, members: set[int]) -> bool:
        users = self._uses.get(id(value), ())
        return id(value) in self._kept or any(id(user) not in members for user in users)

    def last_uses(self, part: Part, pieces: list[Piece]) -> dict[int, int]:
        """The index of the last piece that takes each value, by the `id` of the value.

        What the part returns is used after all pieces.
        """
        last = {id(value): step for step, piece in enumerate(pieces) for value in piece.inputs}
        return last | {id(value): len(pieces) for value in part.outputs or self._ends}
