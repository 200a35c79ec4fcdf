"""Warnings about layers without an effect: no activation between two, dropout of an output."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Annotation, Diagnostic
from netdsl.elaborate.notes import call_notes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.ir.graph import Graph, Node, Value
    from netdsl.source import Span

ENDS = ("dense", "softmax", "log_softmax", "sigmoid")  # layers that give a result of a net
LINEAR = ("bn", "dropout", "dropout2d", "droppath")  # in evaluation, linear for each channel
LEAST_WIDTH = 16  # of a layer that costs something


def linear_warnings(graph: Graph) -> Iterator[Diagnostic]:
    """A warning for each `dense` or `conv` after another one, if there is no need of it.

    A batch norm and dropout between the two do not count: in evaluation, they are linear.
    """
    uses = graph.uses()
    examined: set[tuple[Span, Span]] = set()
    kept = {id(output.value) for output in graph.outputs}
    kept |= {id(head.value) for head in graph.aux}
    for node in graph.nodes:
        between = _linear_before(node)
        first = between[-1].producer if between else None
        if first is None or (first.span, node.span) in examined:
            continue
        is_seen = any(id(value) in kept or len(uses[id(value)]) > 1 for value in between)
        if is_seen or not _is_needless(first, node):
            continue
        examined.add((first.span, node.span))
        kind = node.op.kind
        effect = "one `dense` can compute the same as both"
        if kind == "conv":
            effect = "both together are one linear layer"
        yield Diagnostic(
            "linear-layers",
            f"there is no activation between this `{kind}` and the one before it, so {effect}",
            node.span,
            "warning",
            notes=(
                Annotation(f"the first `{kind}` is here", first.span),
                *call_notes(node.output.site),
            ),
            help=_between(first, node, between[0].producer),
        )


def _between(first: Node, second: Node, last: Node | None) -> str:
    """Where to write an activation; the first layer may be in a block or net that is called.

    `last` is the layer right before the second one.
    """
    call, here = first.output.site.caller, second.output.site.caller
    if call is None or call is here:
        if last is not None and last.op.kind == "bn":
            first = last
        return f"write an activation between them: `{first.span.text} -> relu`"
    help_ = f"write an activation before this one: `relu -> {second.span.text}`"
    width = re.fullmatch(r"dense\(([a-z]\w*)\)", first.span.text)
    units = second.op.given.get("units")
    if width is None or call.caller is not here:
        return help_
    given = re.compile(rf"\b{width[1]}\s*=\s*[^,()]+")
    written = call.span.text
    if "(" not in written:
        written += f"({width[1]} = {units})"
    elif given.search(written):
        written = given.sub(f"{width[1]} = {units}", written)
    else:
        return help_
    return f"{help_}, or leave this one out, and write `{written}`"


def _linear_before(node: Node) -> list[Value]:
    """The values from this layer back to the result of a layer of the same kind; else nothing.

    Between the two there are at most a batch norm and dropout. Two layers of `conv` count if both
    see neighbours and all channels: a kernel of 1, of 1x3 or with groups is half of a product that
    is meant, of low rank or separable.
    """
    if not _is_plain(node):
        return []
    values = [node.inputs[0]]
    while (before := values[-1].producer) is not None and before.op.kind in LINEAR:
        values.append(before.inputs[0])
    if before is None or before.op.kind != node.op.kind or not _is_plain(before):
        return []
    return values


def _is_plain(node: Node) -> bool:
    """Whether a layer is a `dense`, or a `conv` of all channels with a kernel above 1.

    Its weights are learned, and its own.
    """
    given = node.op.given
    if len(node.inputs) > 1 or node.op.kind not in ("dense", "conv") or given["weight"] is not None:
        return False
    if node.op.kind == "dense":
        return True
    kernels = given["k"] if isinstance(given["k"], tuple) else (given["k"],)
    return given["connections"] is None and given["groups"] == 1 and min(kernels) > 1


def _is_needless(first: Node, second: Node) -> bool:
    """Whether there are not fewer numbers between two layers: else they are one of low rank.

    The numbers are those of a vector, or the channels of a map.
    """
    axis = 0 if second.op.kind == "conv" else -1
    shapes = (first.types[0].shape, first.type.shape, second.type.shape)
    before, middle, after = (shape[axis] for shape in shapes)
    if not isinstance(before, int) or not isinstance(middle, int) or not isinstance(after, int):
        return False
    return middle >= max(LEAST_WIDTH, min(before, after))


def output_warnings(graph: Graph) -> Iterator[Diagnostic]:
    """A warning for each vector of results that goes through dropout."""
    for output in graph.outputs:
        node = output.value.producer
        if node is None or node.op.family != "regularisation" or not node.op.given["p"]:
            continue
        before = node.inputs[0].producer
        if before is None or before.op.kind not in ENDS or len(node.type.shape) != 1:
            continue
        yield Diagnostic(
            "dropped-output",
            f"the output `{output.name}` goes through `{node.op.kind}`: in training, some of its"
            " numbers are 0, whatever the input is",
            node.span,
            "warning",
            notes=(Annotation(f"the `{before.op.kind}` is here", before.span),),
            help=f"write `{node.op.kind}` before the last layer with weights, or leave it out",
        )
