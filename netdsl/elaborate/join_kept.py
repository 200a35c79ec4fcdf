"""Advice for joins of several arms: windows without padding, and an arm of one position."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.elaborate.join_repairs import changed_call
from netdsl.elaborate.join_ways import fits, fork, ordinal, resizes, way
from netdsl.ir.op import WINDOWED
from netdsl.ir.types import shape_text
from netdsl.ops.padding import sizes_text
from netdsl.words import listed

if TYPE_CHECKING:
    from netdsl.elaborate.join_ways import Joining
    from netdsl.ir.graph import Node, Value

Changes = dict[str, tuple[int, ...]]  # other values of arguments, one for each spatial axis
MOST_LISTED = 4  # layers that one message lists
FEWEST_ARMS = 3  # with two, the advice is about the pair


def for_all_arms(join: Joining, stride: int | None) -> str | None:
    """Advice to pad the windows of all arms, or None if that does not make them equally large.

    With a `stride` of 1, all arms keep the size; without, each window keeps its stride.
    """
    end: Value | None = join.xs[0]
    for x in join.xs[1:]:
        end = end and fork(end, x)
    if end is None or len(join.invocation.arms) < FEWEST_ARMS:
        return None
    ways = [[node for node in reversed(way(x, end)) if resizes(node)] for x in join.xs]
    nodes = {node.span: node for nodes in ways for node in nodes}
    if sum(bool(nodes) for nodes in ways) < 2:
        return None
    changes = {span: _padding(node, stride) for span, node in nodes.items()}
    wrong = {span: change for span, change in changes.items() if change}
    if len(wrong) < 2 or None in changes.values() or not fits(join, wrong):
        return None
    calls = list(dict.fromkeys(_written(nodes[span], change) for span, change in wrong.items()))
    shown = [f"`{call}`" for call in calls[:MOST_LISTED]]
    rest = ", and so on" * (len(calls) > MOST_LISTED)
    return f"to give all arms one size, write {listed(shown)}{rest}"


def for_single_position(join: Joining) -> str | None:
    """Advice to enlarge the arm of a `concat` that has one position, as after `gap`, or None."""
    sizes = [x.type.spatial for x in join.xs]
    single = [i for i, size in enumerate(sizes) if size and set(size) == {1}]
    others = {size for size in sizes if set(size) != {1}}
    if len(single) != 1 or single[0] >= len(join.invocation.arms) or len(others) != 1:
        return None
    if join.op.kind != "concat":
        return None  # one position fits every size
    (size,) = others
    return f"end the {ordinal(single[0])} arm with `-> upsample(size = {shape_text(size)})`"


def _padding(node: Node, stride: int | None) -> Changes | None:
    """The arguments with which a window has half of its size as padding, or None.

    With a `stride` of 1 it keeps the size, so that its own stride has to be 1, or that of a pooling
    layer by default. Without, it keeps its stride.
    """
    given = node.op.given
    if node.op.family not in WINDOWED or node.op.kind == "deconv" or "pad" not in given:
        return None
    windows = node.op.windows(node.inputs[0].type)
    is_even = any(window.extent % 2 == 0 for window in windows)
    if stride == 1 and (is_even or given["stride"] not in (1, None)):
        return None
    if is_even:
        return {}
    changes: Changes = {}
    if stride == 1 and given["stride"] is None:
        changes["stride"] = (1,) * len(windows)
    pad = tuple(window.extent // 2 for window in windows)
    is_square = len(set(pad)) == 1
    if given["pad"] not in (pad, "same") and not (is_square and given["pad"] == pad[0]):
        changes["pad"] = pad
    return changes


def _written(node: Node, changes: Changes) -> str:
    """The call of a layer with other arguments."""
    return changed_call(node, **{name: sizes_text(value) for name, value in changes.items()})
