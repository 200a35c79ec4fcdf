"""Advice for layers of sequences: axes in another order, and tables with swapped sizes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit
from netdsl.elaborate.corrections import inserted
from netdsl.elaborate.entered import Entered, entered, of_other_order
from netdsl.elaborate.join_labels import label_of, labels_for
from netdsl.elaborate.join_repairs import Repair
from netdsl.elaborate.join_ways import line, takes, way
from netdsl.elaborate.shape_advice import other_channels
from netdsl.elaborate.shared_advice import common_parts
from netdsl.source import Span

if TYPE_CHECKING:
    from netdsl.elaborate.builder import NetBuilder
    from netdsl.elaborate.invocation import Invocation
    from netdsl.elaborate.join_ways import Joining
    from netdsl.elaborate.scope import Binding
    from netdsl.errors import OpError
    from netdsl.ir.graph import Value
    from netdsl.ir.op import Op
    from netdsl.ir.types import TensorType
    from netdsl.syntax import ast

SEQUENCE = 2  # axes of T x D, and of C x L
HEADS = 3  # axes of heads x T x D
SWAP = "[2, 1, 3]"
_TABLE = re.compile(r"embedding\((?P<n>[^,()]+),\s*(?P<dim>[^,()]+)(?P<rest>[^()]*)\)")
_UNITS = re.compile(r"dense\((?P<units>\w+)(?P<rest>[,)].*)")


def for_one_input(
    error: OpError, invocation: Invocation, op: Op, x: Value, net: NetBuilder
) -> Repair | None:
    """Advice for a layer with one input, from the layer before it."""
    repair = (
        flattened_map(error, invocation.call, op, x)
        or moved_axes(error, invocation, op, x, net)
        or swapped_embedding(error, op, x)
    )
    channels = other_channels(op, x) if error.code == "shape-mismatch" else None
    if channels is not None:
        return Repair(channels)
    place = invocation.span
    return repair or one_piece(error, op, x) or common_parts(error, op, x, place, net)


def moved_axes(
    error: OpError, invocation: Invocation, op: Op, x: Value, net: NetBuilder
) -> Repair | None:
    """Advice for an open size at the place of the channels, where the other axis has them."""
    if error.code != "open-size" or len(x.type.shape) != SEQUENCE:
        return None
    steps, length = x.type.shape
    moved = x.type._replace(shape=(length, steps))
    if not takes(op, [moved]):
        return None
    call = invocation.call
    begin = call.span if call.label is None else call.label.span
    name = {"convolution": "channels", "pooling": "channels"}.get(op.family, "vectors")
    order = "come first" if name == "channels" else "come last"
    fact = f"the {name} {order} in `{call.name}`, {moved}"
    outside = entered(net, call.span, x)
    if outside is not None and not of_other_order(outside.span.text):
        return Repair(f"{fact}: put `permute([2, 1])` {outside.before}")
    written = call.span.file.text[call.name_span.start : call.span.end]
    repeated = [r.loop for r in net.loops if not r.loop.body.arms]
    loops = [loop.span for loop in repeated if Entered(loop.span, "").contains([call.span])]
    others = [kind for loop in loops for kind in of_other_order(loop.text)]
    if others:
        both = f"before `{written}`, and again before the next `{others[0]}`"
        return Repair(f"{fact}: write `permute([2, 1])` {both}")
    help_ = f"{fact}: write `permute([2, 1]) -> {written}`"
    return Repair(help_, (inserted(begin, "permute([2, 1]) -> "),))


def flattened_map(error: OpError, call: ast.Call, op: Op, x: Value) -> Repair | None:
    """Advice for `flatten -> permute([2, 1])` of a map: `tokens`."""
    node = x.producer
    if error.code != "bad-axis" or op.kind != "permute" or node is None:
        return None
    if node.op.kind != "flatten" or len(node.types[0].shape) < HEADS:
        return None
    help_ = (
        "`flatten` makes one axis of all: for the sequence of the positions of a map, write"
        " `tokens` in place of both"
    )
    place = Span(call.span.file, node.span.start, call.span.end)
    is_next = re.fullmatch(r"flatten\s*->\s*permute\([^()]*\)", place.text)
    return Repair(help_, (Edit(place, "tokens"),) if is_next else ())


def swapped_embedding(error: OpError, op: Op, x: Value) -> Repair | None:
    """Advice for vectors of an `embedding(dim, n)`, whose arguments are in another order."""
    if error.code != "bad-groups" or op.family != "sequence":
        return None
    length = x.type.shape[-1]
    node = next((n for n in way(x) if n.op.kind == "embedding"), None)
    if node is None or node.op.given["dim"] != length:
        return None
    rows, table = node.op.given["n"], _TABLE.fullmatch(node.span.text)
    vectors = x.type._replace(shape=(*x.type.shape[:-1], rows))
    if table is None or rows >= length or not takes(op, [vectors]):
        return None
    written = f"embedding({table['dim']}, {table['n']}{table['rest']})"
    return Repair(
        f"the vectors come from `{node.span.text}` on line {line(node.span)}, whose second argument"
        f" is their length: write `{written}`",
        (Edit(node.span, written),),
    )


def heads_in_order(join: Joining) -> Repair | None:
    """Advice for a matrix product of 4x32x16 and 32x4x16, whose heads are in other places."""
    (x, other), reference = join.xs, join.reference(1)
    swapped = [_swapped(value.type) for value in join.xs]
    if join.op.kind != "matmul" or None in swapped or reference is None:
        return None
    found = label_of(join, 1)
    other_fits = swapped[1] is not None and join.takes(1, swapped[1])
    if found is not None and other_fits and not _is_permuted(other):
        label, bound = found
        fitting = [
            n for n, b in labels_for(join) if _is_permuted(b.value) and _is_of(b.value, other)
        ]
        if fitting:
            help_ = f"`@{label}` is {other.type}; `@{fitting[0]}` has its heads first"
            return Repair(help_, (Edit(reference.span, f"@{fitting[0]}"),))
        return _relabelled(label, bound, other)
    if swapped[0] is not None and join.takes(0, swapped[0]) and not _is_permuted(x):
        written = f"permute({SWAP}) -> "
        help_ = f"the current value is {x.type}: write `{written}{join.invocation.call.span.text}`"
        return Repair(help_, (inserted(join.invocation.call.span, written),))
    return None


def _relabelled(label: str, bound: Binding, value: Value) -> Repair | None:
    """Advice to exchange the axes where a label is, as in `reshape(...) -> k: permute(...)`."""
    node, begin = value.producer, bound.span
    if node is None or node.span.file is not begin.file:
        return None
    place = Span(begin.file, begin.start, node.span.end)
    written = f"{node.span.text} -> {label}: permute({SWAP})"
    fact = f"`@{label}` is {value.type}, and the heads come first"
    if place.text != f"{label}: {node.span.text}":
        return Repair(f"{fact}: exchange its first axes with `permute({SWAP})`")
    uses = re.findall(rf"@{label}\b", begin.file.text)
    fix = (Edit(place, written),) if len(uses) == 1 else ()
    return Repair(f"{fact}: write `{written}` on line {line(begin)}", fix)


def _swapped(x: TensorType) -> TensorType | None:
    """A type with its first two axes exchanged; None unless it has three."""
    if len(x.shape) != HEADS:
        return None
    steps, heads, length = x.shape
    return x._replace(shape=(heads, steps, length))


def _is_permuted(value: Value) -> bool:
    return value.producer is not None and value.producer.op.kind == "permute"


def _is_of(value: Value, source: Value) -> bool:
    """Whether a value is made of another one by one layer."""
    return value.producer is not None and value.producer.inputs[0] is source


def one_piece(error: OpError, op: Op, x: Value) -> Repair | None:
    """Advice for `qkv: dense(64)`, which is split into 3 pieces of 64."""
    node = x.producer
    if error.code != "bad-groups" or op.kind != "split" or node is None or node.op.kind != "dense":
        return None
    written, parts = _UNITS.fullmatch(node.span.text), op.given["parts"]
    is_last = op.given["axis"] in (-1, len(x.type.shape))
    if written is None or not is_last or node.op.given["units"] != x.type.shape[-1]:
        return None
    changed = f"dense({parts} * {written['units']}{written['rest']}"
    return Repair(f"write `{changed}` on line {line(node.span)}, which makes {parts} such pieces")
