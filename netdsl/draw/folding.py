"""Which layers share a box with the layer before them, and how deep a large picture is folded."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netdsl.ir.graph import Graph, Node

MOST_BOXES = 60  # of a picture that is not folded
_FAMILIES = ("activation", "normalisation", "regularisation")


def uses_of(graph: Graph) -> dict[int, int]:
    """How many layers, outputs and auxiliary heads take each value, by the value's id."""
    taken = [value for node in graph.nodes for value in node.inputs]
    taken += [output.value for output in graph.outputs]
    taken += [head.value for head in graph.aux]
    return Counter(map(id, taken))


def fitting_depth(graph: Graph, most: int = MOST_BOXES) -> int | None:
    """The depth at which a picture has at most so many boxes, or None if it needs no folding.

    If there is no such depth, it is 1.
    """
    large = [node for node in graph.nodes if not is_small(node)]
    if len(large) <= most:
        return None
    deepest = max(node.scope.depth for node in large)
    for depth in range(deepest, 1, -1):
        if len({id(node.at_depth(depth)) for node in large}) <= most:
            return depth
    return 1 if deepest else None


def is_small(node: Node) -> bool:
    """Whether a node is a layer of one value that keeps its shape, and is drawn small."""
    is_function = node.op.family == "arithmetic" and node.types == (node.type,)
    return is_function or node.op.family in _FAMILIES
