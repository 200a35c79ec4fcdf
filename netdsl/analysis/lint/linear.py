"""Warnings about layers without an effect: `dense` after `dense`, and dropout of an output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.diagnostics import Annotation, Diagnostic
from netdsl.elaborate.notes import call_notes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.ir.graph import Graph, Node
    from netdsl.source import Span

ENDS = ("dense", "softmax", "log_softmax", "sigmoid")  # layers that give a result of a net
LEAST_WIDTH = 16  # of a layer that costs something


def linear_warnings(graph: Graph) -> Iterator[Diagnostic]:
    """A warning for each `dense` that right before it has another one, and no need of it."""
    uses = graph.uses()
    examined: set[tuple[Span, Span]] = set()
    kept = {id(output.value) for output in graph.outputs}
    kept |= {id(head.value) for head in graph.aux}
    for node in graph.nodes:
        first = _dense_before(node)
        if first is None or (first.span, node.span) in examined:
            continue
        between = first.output, node.inputs[0]
        is_seen = any(id(value) in kept or len(uses[id(value)]) > 1 for value in between)
        if is_seen or not _is_needless(first, node):
            continue
        examined.add((first.span, node.span))
        yield Diagnostic(
            "linear-layers",
            "there is no activation between this `dense` and the one before it, so one `dense`"
            " can compute the same as both",
            node.span,
            "warning",
            notes=(
                Annotation("the first `dense` is here", first.span),
                *call_notes(node.output.site),
            ),
            help=f"write an activation between them: `{first.span.text} -> relu`",
        )


def _dense_before(node: Node) -> Node | None:
    """The `dense` whose result, or its dropout, this `dense` takes."""
    if node.op.kind != "dense" or len(node.inputs) > 1:
        return None
    before = node.inputs[0].producer
    if before is not None and before.op.kind == "dropout":
        before = before.inputs[0].producer
    if before is None or before.op.kind != "dense" or len(before.inputs) > 1:
        return None
    if any(dense.op.given["weight"] is not None for dense in (before, node)):
        return None
    return before


def _is_needless(first: Node, second: Node) -> bool:
    """Whether the vectors between two layers are not shorter: else they are one of low rank."""
    before, middle, after = (x.shape[-1] for x in (first.types[0], first.type, second.type))
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
