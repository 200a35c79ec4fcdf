"""Which sorts of numbers the layers of a net take, such as indices."""

from __future__ import annotations

from itertools import chain, repeat
from typing import TYPE_CHECKING

from netdsl.ir.op import NUMBERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.ir.graph import Graph, Node, Value
    from netdsl.ir.op import Sort


def sorted_inputs(node: Node) -> Iterator[tuple[Value, Sort]]:
    """Each input of a node, with the sort of numbers that the node takes there."""
    return zip(node.inputs, chain(node.op.sorts(), repeat(NUMBERS)), strict=False)


def uses_of(graph: Graph, value: Value) -> list[tuple[Node, Sort]]:
    """The nodes that take a value, each with the sort of numbers that it takes there."""
    return [(n, sort) for n in graph.nodes for taken, sort in sorted_inputs(n) if taken is value]


def reached_from(graph: Graph, value: Value) -> Iterator[tuple[Node, Sort]]:
    """The nodes that take the value, or parts of it, each with the sort of numbers it takes."""
    reached = {id(value)}
    for node in graph.nodes:
        for taken, sort in sorted_inputs(node):
            if id(taken) in reached:
                yield node, sort
                if node.op.any_dtype and sort is NUMBERS:
                    reached.update(id(made) for made in node.outputs)
