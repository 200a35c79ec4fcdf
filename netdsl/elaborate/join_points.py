"""Advice for a window of one pixel with a padding, in an arm of a join."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit
from netdsl.elaborate.join_repairs import Repair
from netdsl.elaborate.join_ways import fits, fork, line, sizes, way

if TYPE_CHECKING:
    from netdsl.elaborate.join_ways import Joining
    from netdsl.ir.graph import Node

_PADDING = re.compile(r"\s*,\s*pad\s*=\s*\w+(?=\s*[,)])")


def padded_point(join: Joining, first: int, other: int) -> Repair | None:
    """Advice to leave out the `pad` of a 1x1 window, if the inputs are equally large then."""
    xs = join.xs[first], join.xs[other]
    if xs[0].type.spatial == xs[1].type.spatial:
        return None
    end = fork(*xs)
    nodes = {n.span: n for x in xs for n in way(x, end) if _is_padded_point(n)}
    for node in nodes.values():
        written, count = _PADDING.subn("", node.span.text)
        if count == 1 and fits(join, {node.span: {"pad": 0}}):
            fact = f"`pad` enlarges the {sizes(node.inputs[0])} of a window of one pixel"
            help_ = f"{fact}: write `{written}` on line {line(node.span)}"
            return Repair(help_, (Edit(node.span, written),))
    return None


def _is_padded_point(node: Node) -> bool:
    """Whether a layer has a window of one pixel, and a padding."""
    return node.op.given.get("k") == 1 and node.op.given.get("pad", 0) not in (0, "same")
