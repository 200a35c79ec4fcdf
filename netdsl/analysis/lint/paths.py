"""The warning about a `droppath` without a value that goes around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.analysis.lint.linear import ENDS
from netdsl.diagnostics import Diagnostic
from netdsl.elaborate.notes import call_notes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.ir.graph import Graph, Node

# Layers that join a dropped value with another one, of which something is left.
JOINS = ("add", "+", "sub", "-", "concat", "max")


def lone_droppaths(graph: Graph) -> Iterator[Diagnostic]:
    """A warning for each `droppath` that no later join puts together with a value from before."""
    nodes = graph.nodes
    found = [i for i, n in enumerate(nodes) if n.op.kind == "droppath" and 0 < n.op.given["p"] < 1]
    if not found:
        return
    outputs = {id(output.value) for output in graph.outputs}
    samples = _of_samples(graph)
    for place in found:
        node = nodes[place]
        before = node.inputs[0].producer
        is_end = before is not None and before.op.kind in ENDS and id(node.output) in outputs
        if is_end and len(node.type.shape) == 1:
            continue  # it is `dropped-output`
        if _is_joined(node, nodes[place + 1 :], samples):
            continue
        yield Diagnostic(
            "lone-droppath",
            "in training, this `droppath` sets whole samples to 0, and no value goes around it:"
            " nothing is left of them",
            node.span,
            "warning",
            notes=call_notes(node.output.site),
            help=f"write `residual {{ ... -> {node.span.text} }}`, or `dropout` to drop single"
            " numbers",
        )


def _of_samples(graph: Graph) -> set[int]:
    """The ids of the values that depend on the numbers of an input, as a `param` does not."""
    samples = {id(value) for value in graph.inputs}
    for node in graph.nodes:
        if not node.op.is_source and any(id(value) in samples for value in node.inputs):
            samples.update(id(value) for value in node.outputs)
    return samples


def _is_joined(droppath: Node, later: list[Node], samples: set[int]) -> bool:
    """Whether a later layer joins what comes from a `droppath` with what does not."""
    dropped = {id(droppath.output)}
    for node in later:
        if not any(id(value) in dropped for value in node.inputs):
            continue
        others = {id(value) for value in node.inputs} - dropped
        if node.op.kind in JOINS and others & samples:
            return True
        dropped.update(id(value) for value in node.outputs)
    return False
