"""Advice for labels that name only the first layer of a line, and for values split twice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.elaborate.join_ways import line, takes, way
from netdsl.errors import NetdslError
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from netdsl.elaborate.builder import NetBuilder
    from netdsl.elaborate.scope import Binding
    from netdsl.ir.graph import Node, Value
    from netdsl.ir.op import Op

_GOES_ON = re.compile(r"[ \t]*->")


def first_only(net: NetBuilder, op: Op, xs: Sequence[Value]) -> str | None:
    """Advice for a label that is meant to name a whole line, and names its first layer."""
    return _end_of_line(net, op, xs) or _applied_again(net, xs) or _split_twice(xs)


def _first_of_lines(net: NetBuilder) -> Iterator[tuple[str, Binding, Node]]:
    """The labels that name one layer, after which their line goes on, and that layer."""
    for label, binding in net.scope.labels.items():
        node = binding.value.producer
        if not isinstance(binding.element, ast.Call) or binding.element.body is not None:
            continue
        if node is None or not label.isidentifier() or binding.span.file is not node.span.file:
            continue
        if node.span.start < binding.span.end or line(node.span) != line(binding.span):
            continue
        if _GOES_ON.match(node.span.file.text, node.span.end):
            yield label, binding, node


def _end_of_line(net: NetBuilder, op: Op, xs: Sequence[Value]) -> str | None:
    """Advice for a reference to `a: dense(8) -> permute([2, 1])`, if the end of the line fits."""
    types = [x.type for x in xs]
    for label, binding, first in _first_of_lines(net):
        numbers = [number for number, x in enumerate(xs) if x is binding.value]
        after = [n for n in net.graph.nodes if _is_after(n, first)]
        if len(numbers) != 1 or not after or len(xs) == 1:
            continue
        last = max(after, key=lambda node: node.span.start)
        changed = [*types[: numbers[0]], last.type, *types[numbers[0] + 1 :]]
        if takes(op, changed):
            return (
                f"`{label}` names only the `{first.op.kind}` on line {line(first.span)}: move the"
                f" label to the end of that line, `-> {label}: {last.span.text}`"
            )
    return None


def _is_after(node: Node, first: Node) -> bool:
    """Whether a layer is on the line of another, and takes its result on the way."""
    if node.span.file is not first.span.file or line(node.span) != line(first.span):
        return False
    return node.span.start >= first.span.end and first in way(node.output)


def _applied_again(net: NetBuilder, xs: Sequence[Value]) -> str | None:
    """Advice for `tower: conv(8, 3) -> flatten` and `@b -> tower`, which applies only the conv."""
    before = {node.module for x in xs for node in way(x) if "@" in node.name}
    for label, _, first in _first_of_lines(net):
        if first.module in before and net.uses[net.scope.join(label)[0]]:
            return (
                f"`{label}` names only `{first.span.text}`, and only that is applied again: put"
                f" the line in braces, `{label}: {{ ... }}`"
            )
    return None


def _split_twice(xs: Sequence[Value]) -> str | None:
    """Advice for a half of a half, where both halves of one value are meant."""
    for x in xs:
        splits = [node for node in way(x) if node.op.kind == "split"]
        if len(splits) < 2 or splits[0].op.given["parts"] != splits[1].op.given["parts"]:
            continue
        second, first = splits[:2]
        whole = first.inputs[0]
        others = [other.type for other in xs if other is not x]
        try:
            fits = second.op.inferred(whole.type)[0] in others
        except NetdslError:
            continue
        if fits:
            maker = "the value before it"
            if whole.producer is not None:
                maker = f"the `{whole.producer.op.kind}` on line {line(whole.producer.span)}"
            return (
                f"line {line(second.span)} splits the result of line {line(first.span)}, which is"
                f" a part already: give {maker} a label, and write `@label -> {second.span.text}`"
            )
    return None
