"""Advice for a `deconv` whose map is larger than its stride makes it: `deconv(3, 4, 2)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit
from netdsl.elaborate.join_repairs import Repair, missing_pixels, written_with
from netdsl.elaborate.join_ways import line, retyped, sizes, way

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from netdsl.ir.graph import Node, Value
    from netdsl.source import Span

    Changes = Mapping[Span, Mapping[str, object]]


def with_borders(nodes: Iterable[Node], fits: Callable[[Changes], bool]) -> Repair | None:
    """Advice to cut the borders of a `deconv`, or to add a last pixel, if the sizes then fit."""
    for node in nodes:
        arguments = _arguments(node)
        if arguments and fits({node.span: arguments}):
            texts = [f"{name} = {value}" for name, value in arguments.items()]
            written = written_with(node, *texts)
            fact = f"`{node.span.text}` on line {line(node.span)} gives {sizes(node.output)}"
            wanted = f"{node.op.given['stride']} times the {sizes(node.inputs[0])} before it"
            help_ = f"{fact}: write `{written}` for {wanted}"
            return Repair(help_, (Edit(node.span, written),))
    return None


def in_body(made: Value, given: Value) -> Repair | None:
    """The same for the body of a `residual`, whose input is `given`."""
    nodes = way(made, given)
    return with_borders(nodes, lambda changes: retyped([made], changes) == [given.type])


def _arguments(node: Node) -> dict[str, int]:
    """The arguments with which a `deconv` multiplies the size by its stride; empty if none do."""
    given = node.op.given
    if node.op.kind != "deconv":
        return {}
    lacking = missing_pixels(node)
    if lacking is not None:
        return {"output_pad": lacking}
    if given["pad"] != 0 or given["output_pad"] != 0:
        return {}
    stride, k = given["stride"], given["k"]
    if not isinstance(stride, int) or not isinstance(k, int) or stride < 2 or k <= stride:
        return {}
    excess = given["dilation"] * (k - 1) + 1 - stride
    arguments = {"pad": (excess + 1) // 2}
    if excess % 2:
        arguments["output_pad"] = 1
    return arguments
