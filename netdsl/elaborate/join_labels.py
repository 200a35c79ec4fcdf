"""Advice for a join with a reference to another value than the one that was meant.

Another label may fit, or the value at the end of a line, or the one before the end of a group.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from netdsl.diagnostics import MANY
from netdsl.elaborate.evaluate import evaluate
from netdsl.elaborate.join_ways import line, resizes, way
from netdsl.elaborate.scope import written
from netdsl.errors import NetdslError
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from netdsl.elaborate.join_ways import Joining
    from netdsl.elaborate.scope import Binding, Namespace
    from netdsl.ir.graph import Node, Value


def labels_for(join: Joining) -> Iterator[tuple[str, Binding]]:
    """The labels that a join can refer to, with their paths; those of inner scopes come first."""
    seen: set[str] = set()
    scope = join.scope
    while scope is not None:
        for label, binding in scope.labels.items():
            if label not in seen and binding.value.type is not None:
                yield written(label), binding
        seen.update(scope.labels)
        if scope.outer is None:
            return
        scope = scope.outer


def label_of(join: Joining, number: int) -> tuple[str, Binding] | None:
    """The label to which a reference refers."""
    value = join.xs[number]
    return next((item for item in islice(labels_for(join), MANY) if item[1].value is value), None)


def meant(join: Joining, first: int, other: int) -> str | None:
    """Advice for a reference to another value than the one that was meant."""
    for number, against in ((other, first), (first, other)):
        if join.reference(number) is None:
            continue
        advice = _end_of_line(join, number)
        if advice is None and join.xs[number].type.spatial != join.xs[against].type.spatial:
            advice = _before_end(join, number) or _other_label(join, number, against)
        if advice is not None:
            return advice
    return None


def _end_of_line(join: Joining, number: int) -> str | None:
    """Advice for `a: maxpool(2) -> conv(8, 3) -> relu`, where `a` names only the `maxpool`."""
    found = label_of(join, number)
    value = join.xs[number]
    if found is None or value.producer is None:
        return None
    name, binding = found
    place = value.producer.span
    if place.file is not binding.span.file or line(place) != line(binding.span):
        return None
    others = [x for i, x in enumerate(join.xs) if i != number]
    after = {n for x in others for n in _after(x, value) if line(n.span) == line(place)}
    last = max(after, key=lambda n: n.span.start, default=None)
    if last is None or last.span.file is not place.file or last.span.start < place.end:
        return None
    if not join.takes(number, last.type):
        return None
    return (
        f"`{name}` names only the `{value.producer.op.kind}` on line {line(place)}: move the"
        f" label to the end of that line, `-> {name}: {last.span.text}`"
    )


def _after(x: Value, value: Value) -> list[Node]:
    """The layers on the way from one value to another; none if there is no such way."""
    nodes = way(x, value)
    if not nodes or nodes[-1].inputs[0] is not value:
        return []
    return nodes


def _before_end(join: Joining, number: int) -> str | None:
    """Advice for the label of a group that ends with a pooling layer."""
    found = label_of(join, number)
    node = join.xs[number].producer
    if found is None or node is None or node.op.family != "pooling" or not resizes(node):
        return None
    before = node.inputs[0].type
    if not join.takes(number, before):
        return None
    name, binding = found
    if isinstance(binding.element, ast.Group):
        place = f"move this `{node.op.kind}` out of `{name}`"
    else:
        place = "give the layer before it a label"
    return (
        f"`@{name}` is the result of the `{node.op.kind}` on line {line(node.span)}; before that,"
        f" the value is {before}: {place}"
    )


def _other_label(join: Joining, number: int, against: int) -> str | None:
    """Advice for a reference beside which another label fits."""
    reference = join.reference(number)
    assert reference is not None
    current = join.xs[against]
    of_same_size = {current}
    for node in way(current):
        if resizes(node):
            break
        of_same_size.add(node.inputs[0])
    fitting = [
        (name, binding)
        for name, binding in islice(labels_for(join), MANY)
        if binding.value not in of_same_size and join.takes(number, binding.value.type)
    ]
    stem = re.fullmatch(r"@(\w*?)\d+", _text(join, reference))
    if stem is not None:
        fitting = [item for item in fitting if re.fullmatch(rf"{re.escape(stem[1])}\d+", item[0])]
    if not fitting:
        return None
    name, binding = fitting[-1]
    fact = f"`@{name}` fits {join.named(against)}: it is {binding.value.type}"
    if "{" in reference.span.text:
        return f"in this round, {fact}; does the loop have the right order?"
    return fact


def reshaped(xs: Sequence[Value], scope: Namespace) -> str | None:
    """Advice for `(@x * @s)`, where a label below `s` names it with the axes of `x`."""
    if len(xs) != 2 or len(xs[0].type.shape) == len(xs[1].type.shape):
        return None
    small, large = sorted(xs, key=lambda x: len(x.type.shape))
    for label, binding in scope.labels.items():
        value = binding.value
        if value.type is None or len(value.type.shape) != len(large.type.shape):
            continue
        node = value.producer
        if node is not None and node.op.kind == "reshape" and node.inputs[0] is small:
            return f"`@{label}` has the axes: it is {value.type}"
    return None


def _text(join: Joining, reference: ast.Reference) -> str:
    """A reference with the values of the expressions in it."""
    try:
        pieces = [
            piece if isinstance(piece, str) else str(evaluate(piece, join.invocation.env))
            for piece in reference.path.pieces
        ]
    except NetdslError:
        return reference.span.text
    return "@" + "".join(pieces)
