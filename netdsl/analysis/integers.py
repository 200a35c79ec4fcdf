"""The integers that the layers of a net accept at its inputs, such as the numbers of words."""

from __future__ import annotations

from itertools import chain, repeat
from typing import TYPE_CHECKING, NamedTuple

from netdsl.ir.op import NUMBERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.ir.graph import Graph, Node, Value
    from netdsl.ir.op import Sort


class Accepted(NamedTuple):
    """The layer that accepts the fewest integers of an input: 0 to `extent` - 1."""

    node: Node
    extent: int


def accepted_integers(graph: Graph, value: Value) -> Accepted | None:
    """What the layers that take a value, or parts of it, all accept; None if any integer is."""
    found = [
        Accepted(node, int(sort.extent))
        for node, sort in reached(graph, value)
        if sort.name == "indices"
    ]
    return min(found, key=lambda accepted: accepted.extent, default=None)


def reached(graph: Graph, value: Value) -> Iterator[tuple[Node, Sort]]:
    """The nodes that take the value, or parts of it, each with the sort of numbers it takes."""
    found = {id(value)}
    for node in graph.nodes:
        for taken, sort in sorted_inputs(node):
            if id(taken) in found:
                yield node, sort
                if node.op.any_dtype and sort is NUMBERS:
                    found.update(id(made) for made in node.outputs)


def sorted_inputs(node: Node) -> Iterator[tuple[Value, Sort]]:
    """Each input of a node, with the sort of numbers that the node takes there."""
    return zip(node.inputs, chain(node.op.sorts(), repeat(NUMBERS)), strict=False)
