"""Warnings about layers without an effect: no activation between two, dropout of an output."""

from __future__ import annotations

import re
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
    """A warning for each `dense` or `conv` right after another one, if there is no need of it."""
    uses = graph.uses()
    examined: set[tuple[Span, Span]] = set()
    kept = {id(output.value) for output in graph.outputs}
    kept |= {id(head.value) for head in graph.aux}
    for node in graph.nodes:
        first = _dense_before(node) or _conv_before(node)
        if first is None or (first.span, node.span) in examined:
            continue
        between = first.output, node.inputs[0]
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
            help=_between(first, node),
        )


def _between(first: Node, second: Node) -> str:
    """Where to write an activation: the first layer may be in a block or net that is called."""
    call, here = first.output.site.caller, second.output.site.caller
    if call is None or call is here:
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


def _conv_before(node: Node) -> Node | None:
    """The `conv` whose result this `conv` takes; both see neighbours and all channels.

    A kernel of 1, of 1x3 or with groups is half of a product that is meant: of low rank, separable.
    """
    before = node.inputs[0].producer
    if before is None or not _is_full(before) or not _is_full(node):
        return None
    return before


def _is_full(node: Node) -> bool:
    """Whether a layer is a `conv` with learned weights for all channels and a kernel above 1."""
    if node.op.kind != "conv":
        return False
    given = node.op.given
    is_own = given["weight"] is None and given["connections"] is None
    kernels = given["k"] if isinstance(given["k"], tuple) else (given["k"],)
    return is_own and given["groups"] == 1 and min(kernels) > 1


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
