"""Warnings about numbers of layers that another tool or a paper writes in another way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.diagnostics import Diagnostic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.ir.graph import Graph, Node

OLD_SHARE = 0.9  # the least momentum of batch norm that is meant as the share of the old batches
LONGEST_VECTOR = 16_384  # of the tables of usual nets
LONG_VECTOR = 1000
EVEN = (
    32  # longer vectors of usual nets are a multiple of it, which the size of a vocabulary is not
)
FEWER = 4  # times


def number_warnings(graph: Graph) -> Iterator[tuple[Node, Diagnostic]]:
    """The warnings about numbers of layers, each with its layer."""
    for node in graph.nodes:
        kind = node.op.kind
        if kind in ("bn", "instancenorm"):
            found = _old_share(node)
        elif kind in ("leaky_relu", "prelu"):
            found = _large_slope(node)
        elif kind == "embedding":
            found = _swapped_table(node)
        else:
            continue
        if found is not None:
            yield node, found


def _warning(code: str, message: str, node: Node, help: str) -> Diagnostic:
    return Diagnostic(code, message, node.span, "warning", help=help)


def _old_share(node: Node) -> Diagnostic | None:
    """`bn(momentum = 0.99)`, which is Keras' share of the old batches."""
    momentum = node.op.given.get("momentum", 0)
    if not OLD_SHARE <= momentum < 1:
        return None
    return _warning(
        "batch-momentum",
        f"the `momentum` of this `{node.op.kind}` is {momentum:g}: its running mean and"
        " variance come almost entirely from the last batch",
        node,
        "it is the share of the new batch, as in PyTorch; Keras and papers give that of the old"
        f" ones: is this `momentum = {1 - momentum:.4g}`?",
    )


def _large_slope(node: Node) -> Diagnostic | None:
    """`leaky_relu(5.5)`, by which Xu et al. 2015 (arXiv:1505.00853) divide."""
    name = "slope"
    if node.op.kind == "prelu":
        name = "init"
    slope = node.op.given.get(name, 0)
    if slope < 1:
        return None
    help_ = "a slope is a small number, such as 0.01"
    fact = "negative values are not reduced"
    if slope > 1:
        fact = "negative values are enlarged"
        help_ = f"some papers divide negative values by {slope:g}: write `1 / {slope:g}`"
    message = f"the slope of this `{node.op.kind}` is {slope:g}, so {fact}"
    return _warning("large-slope", message, node, help_)


def _swapped_table(node: Node) -> Diagnostic | None:
    """`embedding(64, 30522)`, whose second number is the size of a vocabulary."""
    rows, width = node.op.given["n"], node.op.given["dim"]
    is_odd = width >= LONG_VECTOR and width % EVEN != 0
    if width < FEWER * rows or not (width > LONGEST_VECTOR or is_odd):
        return None
    return _warning(
        "argument-order",
        f"this `embedding` has {rows:,} vectors of {width:,} numbers",
        node,
        "the number of vectors comes first, and then their length: is this"
        f" `embedding({width}, {rows})`?",
    )
