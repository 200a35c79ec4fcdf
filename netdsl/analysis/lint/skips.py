"""A warning and a hint about labels of layers whose line goes on with a norm and an activation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Annotation, Diagnostic
from netdsl.words import listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from netdsl.ir.graph import Graph, Node, Value

    Uses = Mapping[int, list[Node]]

FOLLOWING = ("normalisation", "activation", "regularisation")  # families after a convolution
LEARNED = ("convolution", "dense")  # families whose results are references by mistake
JOINS = ("add", "concat", "max", "mul", "sub", "+", "-", "*", "matmul")
FAR = 400  # layers before a join that are examined


def skip_warnings(graph: Graph) -> Iterator[Diagnostic]:
    """A warning for each join with a convolution whose norm and activation are not joined.

    Only the joins of a decoder are meant, whose other input has become smaller and larger again
    since then: the blocks with the norm first join convolutions too.
    """
    uses = graph.uses()
    for node in graph.nodes:
        if node.op.kind not in ("concat", "add"):
            continue
        for value in node.inputs[1:]:
            line = _rest_of_line(value, node, uses)
            others = [other for other in node.inputs if other is not value]
            if line and any(_is_enlarged(other, line[0]) for other in others):
                yield _warning(node, value, line, _end_of_line(line, node, uses))


def label_hints(graph: Graph) -> Iterator[Diagnostic]:
    """A hint for each reference to a layer before an activation of its line."""
    uses = graph.uses()
    warned = {warning.span for warning in skip_warnings(graph)}
    for maker in graph.nodes:
        users = uses.get(id(maker.output), [])
        if len(users) < 2 or maker.op.family not in LEARNED or _label(maker) is None:
            continue
        line = _activated(maker, uses)
        for user in users:
            if line and user is not line[0] and user.span not in warned and _takes(user, maker):
                yield _before_activation(user, maker, line)


def _activated(maker: Node, uses: Uses) -> list[Node]:
    """The layers after one in its chain, up to an activation; none without an activation."""
    line = [maker]
    while line[-1].op.family != "activation":
        last = line[-1]
        after = [
            node
            for node in uses.get(id(last.output), [])
            if node.op.family in FOLLOWING and _is_next(node, last)
        ]
        if not after:
            return []
        line.append(after[0])
    return line[1:]


def _is_next(node: Node, before: Node) -> bool:
    """Whether a layer follows another one in the text of a chain."""
    text = before.span.file.text[before.span.end : node.span.start]
    return node.span.file is before.span.file and text.strip() == "->"


def _takes(node: Node, maker: Node) -> bool:
    """Whether a layer computes with a value; sizes, and another activation, do not count."""
    if node.op.kind in JOINS:
        return True
    return node.inputs[0] is maker.output and node.op.family in (*LEARNED, "pooling", "sequence")


def _before_activation(user: Node, maker: Node, line: list[Node]) -> Diagnostic:
    label, last = _label(maker), line[-1]
    kinds = listed([f"`{node.op.kind}`" for node in line])
    before = maker.span.file.text[maker.span.start : last.span.start]
    return Diagnostic(
        "label-before-activation",
        f"`@{label}` is the result of the `{maker.op.kind}`, before its {kinds}",
        user.span,
        "info",
        notes=(Annotation("the label is of this layer", maker.span),),
        help=f"for the result after it, move the label: `{before}{label}: {last.span.text}`; for"
        f" the one before it, put `{line[0].span.text}` on the next line",
    )


def _rest_of_line(value: Value, join: Node, uses: Uses) -> list[Node]:
    """The norms and activations after a convolution on its line, if only a join skips them."""
    maker, line = value.producer, []
    if maker is None or maker.op.family != "convolution" or _label(maker) is None:
        return []
    users = [user for user in uses[id(value)] if user is not join]
    while len(users) == 1 and users[0].op.family in FOLLOWING:
        [node] = users
        if node.span.file is not maker.span.file or node.span.first.line != maker.span.first.line:
            break
        line.append(node)
        users = uses.get(id(node.output), [])
    return line


def _end_of_line(line: list[Node], join: Node, uses: Uses) -> Node:
    """The last layer of a line that goes on with more layers of the same size, without braces."""
    last = line[-1]
    while len(users := [u for u in uses.get(id(last.output), []) if u is not join]) == 1:
        [node] = users
        between = node.span.file.text[last.span.end : node.span.start]
        if _size(node.output) != _size(last.output) or between.strip() != "->":
            break
        last = node
    return last


def _is_enlarged(value: Value, start: Node) -> bool:
    """Whether a value comes from a layer, along the first inputs, and has been enlarged since."""
    is_enlarged = False
    for _ in range(FAR):
        node = value.producer
        if node is None or node is start:
            return is_enlarged and node is start
        is_enlarged = is_enlarged or _size(node.output) > _size(node.inputs[0])
        value = node.inputs[0]
    return False


def _label(node: Node) -> str | None:
    """The label that is written before a layer."""
    written = re.search(r"([\w{}]+)[ \t]*:[ \t]*$", node.span.file.text[: node.span.start])
    return written[1] if written is not None else None


def _size(value: Value) -> int:
    """The positions of a map, as far as they are known."""
    size = 1
    for length in value.type.spatial:
        size *= length if isinstance(length, int) else 1
    return size


def _warning(join: Node, value: Value, line: list[Node], last: Node) -> Diagnostic:
    maker = value.producer
    assert maker is not None
    kinds = listed([f"`{node.op.kind}`" for node in line])
    label = _label(maker)
    before = maker.span.file.text[maker.span.start : last.span.start]
    return Diagnostic(
        "early-label",
        f"`@{label}` is the result of the `{maker.op.kind}`, without the {kinds} after it",
        join.span,
        "warning",
        notes=(Annotation("the label is of this layer", maker.span),),
        help=f"to join the result of the line, move the label: `{before}{label}: {last.span.text}`",
    )
