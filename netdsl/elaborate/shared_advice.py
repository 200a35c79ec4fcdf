"""Advice for a module or a layer that is applied again, to an input of another size."""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING

from netdsl.diagnostics import proposal_of
from netdsl.elaborate.join_repairs import Repair
from netdsl.elaborate.join_ways import line
from netdsl.elaborate.origins import first_of
from netdsl.ops.base import divisor_list

if TYPE_CHECKING:
    from netdsl.elaborate.builder import NetBuilder
    from netdsl.errors import OpError
    from netdsl.ir.graph import Node, Value
    from netdsl.ir.op import Op
    from netdsl.source import Span


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


def common_parts(error: OpError, op: Op, x: Value, place: Span, net: NetBuilder) -> Repair | None:
    """Advice for a layer that divides an axis into parts, and has had other sizes of this axis.

    It is in a loop, or in a block that is used several times.
    """
    proposal = proposal_of(error.help)
    if proposal.aim != "parts" or error.code != "bad-groups":
        return None
    size = int(proposal.names[0])
    axis = next((i for i, n in enumerate(x.type.shape) if n == size), None)
    uses = [n for n in net.graph.nodes if n.span == place and n.op == op]
    if axis is None or any(len(n.types[0].shape) != len(x.type.shape) for n in uses):
        return None
    sizes = [n.types[0].shape[axis] for n in uses]
    others = [n for n in dict.fromkeys(sizes) if isinstance(n, int) and n != size]
    common = gcd(size, *others)
    if not others or common == 1:
        return None
    listed = ", ".join(map(str, others))
    every = "both" if len(others) == 1 else "all"
    fact = f"elsewhere it divides {listed}"
    return Repair(f"{fact}; {listed} and {size} are {every} divisible by {divisor_list(common)}")
