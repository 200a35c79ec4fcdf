"""The layers on the ways to the inputs of a join, and the shapes that other arguments would give.

Advice that changes a layer is tried here before it is given.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from netdsl.errors import NetdslError
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from netdsl.elaborate.invocation import Invocation
    from netdsl.elaborate.scope import Namespace
    from netdsl.ir.graph import Node, Value
    from netdsl.ir.op import Op
    from netdsl.ir.types import TensorType
    from netdsl.source import Span

FAR = 400  # layers before a join that are examined
MOST_CALLS = 2  # whole calls in a message
MOST_STEPS = 5  # changes of the size that a message lists
LONGEST_CALL = 40  # characters
MAP = 2  # the fewest axes of a map
FEWEST_HEADS = 3  # predictions of as many sizes
ORDINALS = ("first", "second", "third", "fourth")


class Joining(NamedTuple):
    """A join that does not take its inputs `xs`, and the labels that it can refer to."""

    invocation: Invocation
    op: Op
    xs: tuple[Value, ...]
    scope: Namespace

    @property
    def references(self) -> list[ast.Reference]:
        """The references among its arguments, or in its list; the last inputs are their values."""
        values = [a.value for a in self.invocation.call.arguments if a.name is None]
        if len(values) == 1 and isinstance(values[0], ast.Sequence):
            values = list(values[0].items)
        return [value for value in values if isinstance(value, ast.Reference)]

    def reference(self, number: int) -> ast.Reference | None:
        """The reference that gives an input, or None for the current value and for an arm."""
        references = self.references
        first = len(self.xs) - len(references)
        if number < first:
            return None
        return references[number - first]

    def named(self, number: int) -> str:
        """What an input is called in a message."""
        if number < len(self.invocation.arms):
            return f"the {ordinal(number)} arm"
        reference = self.reference(number)
        if reference is not None:
            return f"`{reference.span.text}`"
        if number == 0 and self.references:
            return "the current value"
        return f"the {ordinal(number)} input"

    def takes(self, number: int, type_: TensorType) -> bool:
        """Whether the join takes its inputs if one of them has another type."""
        types = [x.type for x in self.xs]
        types[number] = type_
        return takes(self.op, types)


def ordinal(number: int) -> str:
    """The word for a position that is counted from 0."""
    return ORDINALS[number] if number < len(ORDINALS) else f"{number + 1}th"


def takes(op: Op, types: Sequence[TensorType]) -> bool:
    """Whether a layer takes inputs of these types."""
    try:
        op.inferred(*types)
    except NetdslError:
        return False
    return True


# ---- ways


def way(value: Value, end: Value | None = None) -> list[Node]:
    """The layers from which a value comes, along the first inputs, the nearest first."""
    nodes: list[Node] = []
    while value is not end and value.producer is not None and len(nodes) < FAR:
        nodes.append(value.producer)
        value = value.producer.inputs[0]
    return nodes


def source(value: Value) -> Value:
    """The input of the net, or another value without inputs, at the beginning of a way."""
    nodes = way(value)
    return nodes[-1].inputs[0] if nodes else value


def fork(a: Value, b: Value) -> Value | None:
    """The last value that is on the ways to two values, or None."""
    on_first = {a, *(node.inputs[0] for node in way(a))}
    values = (b, *(node.inputs[0] for node in way(b)))
    return next((value for value in values if value in on_first), None)


def resizes(node: Node) -> bool:
    """Whether a layer changes the size of its map."""
    return node.type.spatial != node.inputs[0].type.spatial


def sizes(value: Value) -> str:
    """The spatial size of a value."""
    return "x".join(map(str, value.type.spatial))


def steps(value: Value, end: Value | None) -> str:
    """How the size changes on a way: the layers with their lines and results."""
    nodes = [node for node in reversed(way(value, end)) if resizes(node)]
    if not nodes:
        return "keeps the size"
    listed = [f"{sizes(n.output)} at `{_short(n)}` on line {line(n.span)}" for n in nodes]
    if len(nodes) > MOST_CALLS:
        listed = [f"{sizes(n.output)} at `{n.op.kind}` (line {line(n.span)})" for n in nodes]
    if len(listed) > MOST_STEPS:
        listed = [*listed[:2], "...", *listed[2 - MOST_STEPS :]]
    return "becomes " + ", ".join(listed)


def _short(node: Node) -> str:
    """The call of a layer, or only its kind if the call is long."""
    text = node.span.text
    if len(text) > LONGEST_CALL or "\n" in text:
        return node.op.kind
    return text


def ways_of(join: Joining, first: int, other: int) -> str | None:
    """How the sizes of two inputs come about, from the last value that both come from."""
    a, b = join.xs[first], join.xs[other]
    end = fork(a, b)
    names = join.named(first), join.named(other)
    if end is not None:
        first_way, second_way = steps(a, end), steps(b, end)
        return f"from {sizes(end)}, {names[0]} {first_way}; {names[1]} {second_way}"
    starts = [source(x) for x in (a, b)]
    if any(x.producer is not None for x in starts) or len(starts[0].type.shape) < MAP:
        return None
    inputs = [
        f"{name} comes from input `{x.name}` with {sizes(x)}"
        for name, x in zip(names, starts, strict=True)
    ]
    facts = " and ".join(inputs)
    if len({x.type.spatial for x in join.xs}) < FEWEST_HEADS or join.op.kind != "concat":
        return facts
    return (
        f"{facts}; join predictions of several sizes as lists: end each with"
        " `-> tokens -> reshape([-1, n])`, with the n numbers of a box"
    )


def part_of_list(join: Joining) -> str | None:
    """Advice for `concat(maps[1:])`, where a later part of the list has one size."""
    arguments = join.invocation.call.arguments
    if len(arguments) != 1 or join.references or join.invocation.arms:
        return None
    listed = re.fullmatch(r"(\w+)(?:\[(\d+):\])?", arguments[0].value.span.text)
    spatial = [x.type.spatial for x in join.xs]
    start = next(i for i in range(len(spatial)) if len(set(spatial[i:])) == 1)
    if listed is None or len(spatial) - start < 2:
        return None
    part = f"{listed[1]}[{int(listed[2] or 0) + start}:]"
    return f"the elements of `{part}` have one size, {sizes(join.xs[-1])}"


def line(span: Span) -> int:
    """The number of the line of a place."""
    return span.first.line


# ---- trying other arguments


def _before(xs: Sequence[Value]) -> Iterator[Node] | None:
    """All layers from which values come, each after those that make its inputs."""
    order: dict[Node, None] = {}
    stack = [(x.producer, False) for x in xs]
    while stack:
        node, is_ready = stack.pop()
        if node is None or node in order:
            continue
        if is_ready:
            order[node] = None
            continue
        if len(order) + len(stack) > FAR:
            return None
        stack.append((node, True))
        stack += [(x.producer, False) for x in node.inputs]
    return iter(order)


def retyped(
    xs: Sequence[Value],
    changes: Mapping[Span, Mapping[str, object]],
    only: Node | None = None,
) -> list[TensorType] | None:
    """The types of values if the layers at some places, or `only` one, have other arguments.

    None if a layer on the way does not take its new input.
    """
    nodes = _before(xs)
    if nodes is None:
        return None
    types: dict[Value, TensorType] = {}
    for node in nodes:
        inputs = tuple(types.get(x, x.type) for x in node.inputs)
        changed = changes.get(node.span) if only in (None, node) else None
        if changed is None and inputs == node.types:
            continue
        op = node.op
        if changed is not None:
            op = type(op)({**op.given, **changed})
        try:
            types[node.output] = op.inferred(*inputs)[0]
        except NetdslError:
            return None
    return [types.get(x, x.type) for x in xs]


def fits(
    join: Joining, changes: Mapping[Span, Mapping[str, object]], only: Node | None = None
) -> bool:
    """Whether a join takes its inputs if some layers have other arguments, as in `retyped`.

    Only the sizes are compared if the join is also wrong about channels.
    """
    types = retyped(join.xs, changes, only)
    if types is None:
        return False
    return takes(join.op, types) or len({t.spatial for t in types}) == 1
