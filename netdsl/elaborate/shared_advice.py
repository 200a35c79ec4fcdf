"""Advice for a module that is applied again, to an input of another size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.elaborate.join_ways import line
from netdsl.elaborate.origins import first_of

if TYPE_CHECKING:
    from netdsl.ir.graph import Node


def of_inputs(name: str, first: Node, again: Node) -> str | None:
    """Advice for two inputs of the net that have unequal sizes and equal channels, or None."""
    ours, theirs = (first_of(node.inputs[0]) for node in (first, again))
    if ours is theirs or ours.producer is not None or theirs.producer is not None:
        return None
    shapes = (ours.type.shape, theirs.type.shape)
    if len(shapes[0]) != len(shapes[1]) or shapes[0] == shapes[1]:
        return None
    places = [f"`{x.name}` is {x.type} (line {line(x.site.span)})" for x in (ours, theirs)]
    return (
        f"`{name}` is shared, but its inputs differ: {places[0]}, {places[1]}; give them one size"
    )
