"""Advice for an `upsample` before a join that does not meet an odd size again."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from netdsl.diagnostics import MANY, Edit
from netdsl.elaborate.join_labels import labels_for
from netdsl.elaborate.join_repairs import Repair, changed_call
from netdsl.elaborate.join_ways import fits, line, resizes, sizes, way

if TYPE_CHECKING:
    from netdsl.elaborate.join_ways import Joining
    from netdsl.ir.graph import Node, Value


def enlarged(join: Joining, first: int, other: int) -> Repair | None:
    """Advice to write `upsample(@a)` for `upsample(2)`, whose size differs by a remainder."""
    for number, against in ((first, other), (other, first)):
        node = next((n for n in way(join.xs[number]) if resizes(n)), None)
        value = join.xs[against]
        if node is None or not _is_near(node, value):
            continue
        target = {"scale": None, "size": value.type.spatial}
        label = _label(join, node, value)
        if label is None or not fits(join, {node.span: target}, node):
            continue
        written = changed_call(node, scale=f"@{label}").replace("scale = @", "@")
        fact = f"`{node.span.text}` on line {line(node.span)} gives {sizes(node.output)}"
        help_ = f"{fact}: write `{written}`, which gives the {sizes(value)} of `@{label}`"
        return Repair(help_, (Edit(node.span, written),))
    return None


def larger_label(join: Joining, small: Value, large: Value) -> str | None:
    """The label of the larger of two maps, if the size of the smaller one divides its size."""
    pairs = list(zip(small.type.spatial, large.type.spatial, strict=True))
    if not pairs or not all(isinstance(n, int) and isinstance(m, int) for n, m in pairs):
        return None
    if any(int(str(m)) % int(str(n)) or m == n for n, m in pairs):
        return None
    named = {id(b.value): name for name, b in reversed([*islice(labels_for(join), MANY)])}
    for value in (large, *(node.inputs[0] for node in way(large))):
        if value.type.spatial != large.type.spatial:
            return None
        if id(value) in named:
            return named[id(value)]
    return None


def _is_near(node: Node, value: Value) -> bool:
    """Whether a layer enlarges a map by a factor, to sizes that differ by less than the factor."""
    scale = node.op.given.get("scale")
    if node.op.kind != "upsample" or not isinstance(scale, int):
        return False
    pairs = zip(node.type.spatial, value.type.spatial, strict=True)
    return all(isinstance(a, int) and isinstance(b, int) and 0 <= a - b < scale for a, b in pairs)


def _label(join: Joining, node: Node, value: Value) -> str | None:
    """A label above a layer, for a value of the wanted size from which another one comes."""
    sources = {value, *(n.inputs[0] for n in way(value))}
    for label, binding in islice(labels_for(join), MANY):
        place = binding.span
        is_above = place.file is node.span.file and place.start < node.span.start
        has_size = binding.value.type.spatial == value.type.spatial
        if is_above and has_size and binding.value in sources:
            return label
    return None
