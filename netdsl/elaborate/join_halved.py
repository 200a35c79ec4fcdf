"""Advice for a body that ends with `glu`, which halves an axis."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit
from netdsl.elaborate.join_repairs import Repair, changed_call
from netdsl.elaborate.join_ways import line, retyped, way
from netdsl.elaborate.shape_advice import layout

if TYPE_CHECKING:
    from netdsl.ir.graph import Node, Value

_MAKERS = {"conv": "out", "dense": "units"}
_MAP = 3  # axes of a map


def halved(made: Value, given: Value) -> Repair | None:
    """Advice to make twice the channels before a `glu`, so that the body has its input's shape."""
    nodes = way(made, given)
    for number, gate in enumerate(nodes):
        if gate.op.kind == "glu":
            maker = next((n for n in nodes[number:] if n.op.kind in _MAKERS), None)
            return _repair(made, given, gate, maker)
    return None


def _repair(made: Value, given: Value, gate: Node, maker: Node | None) -> Repair | None:
    """The first change of a `glu` and the layer before it with which the body fits its input."""
    axis: dict[str, object] = {}
    if len(given.type.shape) >= _MAP or layout(gate.inputs[0]) == "map":
        axis = {"axis": 1}
    changes = {gate.span: axis}
    written = gate.span.text
    if axis:
        written = "glu(axis = 1)"
    edits = [Edit(gate.span, written)]
    if retyped([made], changes) != [given.type]:
        if maker is None:
            return None
        name = _MAKERS[maker.op.kind]
        size = maker.op.given[name]
        changes[maker.span] = {name: 2 * size}
        if retyped([made], changes) != [given.type]:
            return None
        call = changed_call(maker, **{name: _doubled(maker, size)})
        written = f"{call}` and `{written}"
        edits.insert(0, Edit(maker.span, call))
    fact = f"`glu` on line {line(gate.span)} halves an axis"
    if axis and gate.op.given["axis"] in (-1, len(given.type.shape)):
        fact += ", by default the last one"
    fix = tuple(edit for edit in edits if edit.text != edit.span.text)
    return Repair(f"{fact}: write `{written}`", fix)


def _doubled(maker: Node, size: int) -> str:
    """Twice a number, or twice the name that a block has for it."""
    found = re.match(rf"{maker.op.kind}\(\s*(?:\w+\s*=\s*)?([^,()]+?)\s*[,)]", maker.span.text)
    if found is None or found[1].isdigit():
        return str(2 * size)
    if found[1].isidentifier():
        return f"2 * {found[1]}"
    return f"2 * ({found[1]})"
