"""Advice for joins that broadcast: a gate of one number a channel, with too few or many channels.

An axis of size 1 fits every size, so it is never what is wrong. The input that is broadcast is the
one to change, as in `mul { | identity | gap -> conv(64, 1) -> sigmoid }`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.elaborate.evaluate import INPUT
from netdsl.elaborate.join_repairs import Repair, changed_call
from netdsl.elaborate.join_ways import fork, line, ordinal, retyped, takes, way
from netdsl.ir.graph import Value
from netdsl.ir.types import shape_text

if TYPE_CHECKING:
    from netdsl.elaborate.join_ways import Joining
    from netdsl.ir.graph import Node
    from netdsl.ir.types import Sym
    from netdsl.source import Span

    Size = int | Sym

SEQUENCE = 2  # axes of T x D
MOST_AXES = 4  # channels and three spatial axes
# The arguments with the size of the axis that a layer makes.
SIZES = {"conv": "out", "deconv": "out", "dense": "units", "embedding": "dim", "param": "shape"}


class _Gate(NamedTuple):
    """Two inputs of a join: the one that is broadcast, and the shape that it has to have."""

    number: int
    other: int
    shape: tuple[Size, ...]
    axis: int  # the one whose size is wrong
    is_vector: bool  # a vector of one number for each channel, which has to become a map


def for_gate(join: Joining, other: int) -> Repair | None:
    """Advice for two inputs, the first and another, of which one is broadcast, or None."""
    gate = None if join.op.kind == "concat" else _gate_of(join, other)
    if gate is None:
        return None
    value = join.xs[gate.number]
    nodes = way(value, fork(value, join.xs[gate.other]))
    maker = next((node for node in nodes if _makes(join, gate, node, nodes)), None)
    if maker is None:
        return _added(join, gate, nodes)
    needed = f"{join.named(gate.number)} needs {gate.shape[gate.axis]} {_noun(gate)}"
    help_ = f"{needed}: write {_written(join, maker, gate)}"
    reshaped = next((node for node in nodes if node.op.kind == "reshape"), None)
    if gate.is_vector:
        target = f"reshape({shape_text(gate.shape)})"
        help_ += f", and {_at_end(join, gate.number, target)}"
    elif reshaped is not None:
        help_ += f", and `reshape({shape_text(gate.shape)})` on line {line(reshaped.span)}"
    return Repair(help_)


def _gate_of(join: Joining, other: int) -> _Gate | None:
    types = join.xs[0].type, join.xs[other].type
    shapes = tuple(type_.shape for type_ in types)
    if not all(isinstance(size, int) for shape in shapes for size in shape):
        return None
    ranks = [len(shape) for shape in shapes]
    if ranks[0] != ranks[1]:
        return _vector(join, other)
    ones = [{i for i in range(ranks[0]) if shape[i] == 1} for shape in shapes]
    alone = [ones[0] - ones[1], ones[1] - ones[0]]
    wrong = [i for i, (a, b) in enumerate(zip(*shapes, strict=True)) if a != b and 1 not in (a, b)]
    axis = int(ranks[0] == SEQUENCE)
    if wrong != [axis] or bool(alone[0]) == bool(alone[1]):
        return None
    small = int(not alone[0])
    shape = list(shapes[small])
    shape[axis] = shapes[1 - small][axis]
    numbers = (0, other)
    return _Gate(numbers[small], numbers[1 - small], tuple(shape), axis, False)


def _vector(join: Joining, other: int) -> _Gate | None:
    """The gate of a map that is multiplied by a vector, or that itself flows into the join."""
    numbers = sorted((0, other), key=lambda i: len(join.xs[i].type.shape))
    vector, map_ = (join.xs[i].type for i in numbers)
    if len(vector.shape) != 1 or len(map_.shape) <= SEQUENCE:
        return None
    length = vector.shape[0]
    if length in (1, map_.size):
        return None
    if map_.channels == length or not (join.op.kind == "mul" or _is_kept(join, numbers[1])):
        return None
    shape = (map_.channels, *[1] * len(map_.spatial))
    return _Gate(numbers[0], numbers[1], shape, 0, True)


def _is_kept(join: Joining, number: int) -> bool:
    """Whether an input is the current value as it is."""
    arms = join.invocation.arms
    if number < len(arms):
        return arms[number].span.text.strip("| \n") == "identity"
    return number == 0


def _makes(join: Joining, gate: _Gate, node: Node, nodes: list[Node]) -> bool:
    """Whether another size in a layer gives the gate its shape."""
    name = SIZES.get(node.op.kind)
    if name is None or name not in node.op.given:
        return False
    changes: dict[Span, dict[str, object]] = {node.span: {name: gate.shape[gate.axis]}}
    if node.op.kind == "param":
        changes = {node.span: {name: _shape_of_param(node, gate)}}
        if str(node.type) not in node.span.text:
            return False
    for later in nodes[: nodes.index(node)]:
        if later.op.kind == "reshape" and not gate.is_vector:
            changes[later.span] = {"shape": gate.shape}
    types = retyped((join.xs[gate.number], join.xs[gate.other]), changes)
    if types is None:
        return False
    if gate.is_vector:
        return types[0].shape == gate.shape[:1]
    return types[0].shape == gate.shape and takes(join.op, types)


def _shape_of_param(node: Node, gate: _Gate) -> tuple[Size, ...]:
    shape = list(node.type.shape)
    shape[min(gate.axis, len(shape) - 1)] = gate.shape[gate.axis]
    return tuple(shape)


def _noun(gate: _Gate) -> str:
    return "channels" if gate.axis == 0 else "numbers a step"


def _written(join: Joining, node: Node, gate: _Gate) -> str:
    """The call to write, and that of which it takes the place."""
    text = node.span.text
    value = _size_text(join, node, gate)
    if node.op.kind == "param":
        changed = text.replace(str(node.type), shape_text(_shape_of_param(node, gate)), 1)
    else:
        changed = changed_call(node, **{SIZES[node.op.kind]: value})
    call = join.invocation.call.span
    inside = call.file is node.span.file and call.start <= node.span.start < call.end
    is_own = gate.number < len(join.invocation.arms) and inside
    return f"`{changed}` in place of {'its last ' * is_own}`{text}` on line {line(node.span)}"


def _size_text(join: Joining, node: Node, gate: _Gate) -> str:
    """The size as it is to be written; a number in a block would hold for every use of it."""
    wanted = gate.shape[gate.axis]
    is_found, x = join.invocation.env.find(INPUT)
    in_block = node.output.site.caller is not None and gate.axis == 0
    if in_block and is_found and isinstance(x, Value) and x.type.shape[0] == wanted:
        return "in.channels"
    return str(wanted)


def _added(join: Joining, gate: _Gate, nodes: list[Node]) -> Repair | None:
    """Advice for an arm without a layer that could have another size."""
    if gate.number >= len(join.invocation.arms) or _is_kept(join, gate.number):
        return None
    wanted = gate.shape[gate.axis]
    is_map = gate.axis == 0 and not gate.is_vector
    if is_map and len(gate.shape) > MOST_AXES:
        return None
    layer = f"conv({wanted}, 1)" if is_map else f"dense({wanted})"
    arm = f"the {ordinal(gate.number)} arm"
    end = f" -> reshape({shape_text(gate.shape)})" * gate.is_vector
    help_ = f"{arm} needs {wanted} {_noun(gate)}: end it with `-> {layer}{end}`"
    if nodes and nodes[0].op.family == "activation":
        help_ = f"{arm} needs {wanted} {_noun(gate)}: write `{layer} -> {nodes[0].span.text}{end}`"
        help_ += f" in place of `{nodes[0].span.text}`"
    return Repair(help_)


def _at_end(join: Joining, number: int, layer: str) -> str:
    """Where to write a layer that follows an input."""
    if number < len(join.invocation.arms):
        return f"end the arm with `-> {layer}`"
    reference = join.reference(number)
    if reference is None:
        return f"`{layer}` before the join"
    call = join.invocation.call
    return f"`{call.name} {{ | identity | {reference.span.text} -> {layer} }}` for the join"
