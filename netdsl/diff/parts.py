"""The tree of a graph's scopes, with a number for each distinct part, to compare two trees.

Two parts have the same number if they have the same layers with the same arguments and labels.
Positions are no labels: a layer that is only counted differently is the same.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from netdsl.ir.graph import Node
from netdsl.ir.op import Weight

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.ir.graph import Graph, Scope
    from netdsl.ir.op import Op

MISSING = object()


class NetPart:
    """A layer or a scope of one of the two nets.

    `exact` is the number of what it is, `content` the number without its own label, and `kinds`
    counts the layers inside: each by its number, and by its kind.
    """

    __slots__ = ("content", "exact", "item", "kinds", "members", "outer", "place", "size")

    def __init__(self, item: Scope | Node, outer: NetPart | None, place: int) -> None:
        self.item = item
        self.outer = outer
        self.place = place  # among the members of `outer`
        self.members: list[NetPart] = []
        self.exact = self.content = 0
        self.size = 1
        self.kinds: Counter[object] = Counter()

    @property
    def is_layer(self) -> bool:
        """Whether it is a layer, not a scope."""
        return isinstance(self.item, Node)

    @property
    def node(self) -> Node:
        """The layer that it is."""
        assert isinstance(self.item, Node)
        return self.item

    @property
    def label(self) -> str:
        """Its label, or an empty text if it has only a position."""
        label = self.item.label
        return label * (not label.isdigit())

    @property
    def kind(self) -> str:
        """The kind of the layer, or the name of the block."""
        if isinstance(self.item, Node):
            return self.item.op.kind
        return self.item.kind or ""

    def around(self) -> Iterator[NetPart]:
        """The scopes around it, from the inside."""
        scope = self.outer
        while scope is not None:
            yield scope
            scope = scope.outer

    def walk(self) -> list[NetPart]:
        """Itself and all parts inside it, each before its own parts, in the order of the text."""
        parts: list[NetPart] = []
        waiting = [self]
        while waiting:
            part = waiting.pop()
            parts.append(part)
            waiting += reversed(part.members)
        return parts

    def layers(self) -> list[NetPart]:
        """The layers inside, in the order of the text."""
        return [part for part in self.walk() if part.is_layer]


class NetParts:
    """Makes the trees of two graphs, whose parts have comparable numbers."""

    def __init__(self) -> None:
        self._numbers: dict[object, int] = {}
        self._ops: dict[int, tuple[Op, int]] = {}

    def tree(self, graph: Graph) -> NetPart:
        """The net as a part."""
        root = NetPart(graph.root, None, 0)
        waiting = [root]
        for part in waiting:
            if not isinstance(part.item, Node):
                part.members = [NetPart(m, part, i) for i, m in enumerate(part.item.members)]
                waiting += part.members
        for part in reversed(waiting):
            self._number(part)
        return root

    def _number(self, part: NetPart) -> None:
        if isinstance(part.item, Node):
            inside: object = (self._op(part.item.op), part.item.frozen, len(part.item.inputs))
            part.kinds = Counter()
        else:
            inside = (part.kind, *(member.exact for member in part.members))
            part.size = sum(member.size for member in part.members)
            for member in part.members:
                part.kinds += member.kinds
        part.content = self._intern(inside)
        part.exact = self._intern((part.label, part.content))
        if part.is_layer:
            part.kinds = Counter({part.exact: 1, part.kind: 1})

    def _intern(self, key: object) -> int:
        return self._numbers.setdefault(key, len(self._numbers))

    def _op(self, op: Op) -> int:
        """The number of a kind with its arguments; nets share their ops."""
        known = self._ops.get(id(op))
        if known is None:
            arguments = tuple((name, comparable(value)) for name, value in op.given.items())
            known = self._ops[id(op)] = op, self._intern((op.kind, arguments))
        return known[1]


def comparable(value: object) -> object:
    """A value of an argument such that equal ones are the same argument.

    Weights are compared as further inputs are: by the layers that they belong to.
    """
    if isinstance(value, Weight):
        return "weight"
    return repr(value)


def is_of_join(part: NetPart) -> bool:
    """Whether a scope has the arms of a labelled join, which is a layer of the same name."""
    if part.is_layer or part.outer is None:
        return False
    return any(p.is_layer and p.item.name == part.item.name for p in part.outer.members)
