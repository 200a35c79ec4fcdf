"""Advice for joins of sequences: other numbers of steps, and vectors of other lengths."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit
from netdsl.elaborate.corrections import added
from netdsl.elaborate.join_repairs import Repair, written_with
from netdsl.elaborate.join_ways import line, retyped, takes, way
from netdsl.elaborate.shape_advice import layout

if TYPE_CHECKING:
    from netdsl.elaborate.join_ways import Joining
    from netdsl.ir.graph import Node, Value
    from netdsl.ir.types import TensorType

SEQUENCE = 2  # axes of T x D
_LISTED = re.compile(r"param\(\[(?P<sizes>[^\[\]()]*)\]")


def for_steps(join: Joining, first: int, other: int) -> Repair | None:
    """Advice for two inputs that are sequences by the layers that make them, or None."""
    a, b = join.xs[first], join.xs[other]
    ranks = {len(x.type.shape) for x in (a, b)}
    layouts = {layout(a), layout(b)}
    if ranks != {SEQUENCE} or layouts == {"map"}:
        return None
    if a.type.shape[0] == b.type.shape[0]:
        return _along_vectors(join)
    if join.invocation.name == "concat" or "moved" not in layouts:
        return None
    repair = _patches(a, b) or _patches(b, a)
    if repair is not None:
        return repair
    return Repair(_other_sizes(a, b) or _other_sizes(b, a) or _origins(join, first, other))


def _along_vectors(join: Joining) -> Repair | None:
    """`concat(@word, axis = 2)`, which joins the vectors of as many steps."""
    call = join.invocation.call
    if join.op.kind != "concat" or any(a.name == "axis" for a in call.arguments):
        return None
    if not takes(type(join.op)({**join.op.given, "axis": SEQUENCE}), [x.type for x in join.xs]):
        return None
    arguments = ", ".join([*(a.span.text for a in call.arguments), "axis = 2"])
    brace = " {" * (call.body is not None)
    help_ = f"they agree along axis 1: write `concat({arguments}){brace}`"
    if any(layout(x) != "moved" for x in join.xs):
        return Repair(help_)
    return Repair(help_, (added(call, "axis = 2"),))


def _patches(wanted: Value, x: Value) -> Repair | None:
    """Advice for patches whose `conv` lacks its stride, where a number of them is expected."""
    for node in way(x):
        k = node.op.given.get("k")
        if node.op.kind != "conv" or not isinstance(k, int) or node.op.given["stride"] != 1:
            continue
        if retyped([x], {node.span: {"stride": k}}) != [wanted.type]:
            continue
        written = written_with(node, f"stride = {k}")
        sizes = f"{node.type.spatial[0]}x{node.type.spatial[-1]}"
        fact = f"`{node.span.text}` on line {line(node.span)} has stride 1: {sizes} patches"
        return Repair(f"{fact}; write `{written}`", (Edit(node.span, written),))
    return None


def _other_sizes(x: Value, other: Value) -> str | None:
    """`param([197, d])` in place of `param([196, d])`."""
    node = x.producer
    if node is None or node.op.kind != "param":
        return None
    text = _with_sizes(node, other.type)
    return None if text is None else f"write `{text}` on line {line(node.span)}"


def _with_sizes(node: Node, other: TensorType) -> str | None:
    """The call of a `param` with other sizes."""
    listed = _LISTED.match(node.span.text)
    if listed is None or not all(isinstance(size, int) for size in other.shape):
        return None
    sizes = listed["sizes"].split(",")
    if len(sizes) != len(other.shape):
        return None
    pairs = zip(sizes, node.type.shape, other.shape, strict=True)
    texts = [text.strip() if a == b else str(b) for text, a, b in pairs]
    start, end = listed.span("sizes")
    return f"{node.span.text[:start]}{', '.join(texts)}{node.span.text[end:]}"


def _origins(join: Joining, first: int, other: int) -> str:
    """Where two inputs get their numbers of steps."""
    facts = [_origin(join, number) for number in (first, other)]
    return f"they need equally many steps: {'; '.join(facts)}"


def _origin(join: Joining, number: int) -> str:
    """Where one input gets its number of steps."""
    x = join.xs[number]
    steps, start = x.type.shape[0], x
    for node in way(x):
        if node.inputs[0].type.shape[:1] != (steps,):
            return f"{join.named(number)} has {steps} from `{node.op.kind}` in line " + str(
                line(node.span)
            )
        start = node.inputs[0]
    place = f"line {line(start.site.span)}"
    if start.producer is not None:
        return f"{join.named(number)} has {steps} from `{start.producer.op.kind}` in {place}"
    return f"{join.named(number)} has {steps} from input `{start.name}` in {place}"
