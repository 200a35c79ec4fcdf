"""Warnings about layers that leave an open size of an input only one value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.analysis.conditions import difference
from netdsl.diagnostics import Diagnostic
from netdsl.elaborate.notes import call_notes
from netdsl.ir.types import Sym

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.ir.graph import Graph, Node

SEQUENCES = ("attention", "matmul")  # a number in another layer is likely to be meant


def pinned_sizes(graph: Graph) -> Iterator[Diagnostic]:
    """A warning for each open size that a layer makes equal to a number or to another size."""
    if not graph.equalities:
        return
    nodes = {id(node.output.site): node for node in graph.nodes}
    examined: set[Sym] = set()
    for a, b, site in graph.equalities:
        node, unequal = nodes.get(id(site)), difference(a, b)
        if node is None or not isinstance(unequal, Sym) or unequal in examined:
            continue
        examined.add(unequal)
        sizes = _pinned(unequal)
        if node.op.kind in SEQUENCES and sizes is not None and not _are_together(graph, sizes):
            yield _warning(node, *sizes)


def _pinned(unequal: Sym) -> tuple[str, str] | None:
    """A name and what it must be, a number or another name, if nothing else makes a formula 0."""
    name, *others = sorted(unequal.symbols())
    rest = unequal - Sym({(name,): 1})
    if isinstance(rest, int):
        return name, str(-rest)
    if len(others) == 1 and rest == Sym({(others[0],): -1}):
        return name, others[0]
    return None


def _are_together(graph: Graph, sizes: tuple[str, str]) -> bool:
    """Whether one input has both sizes, two names: such an input is square."""
    name, other = sizes
    shapes = [[str(size) for size in x.type.shape] for x in graph.inputs]
    return not other.isdigit() and any(name in shape and other in shape for shape in shapes)


def _warning(node: Node, name: str, other: str) -> Diagnostic:
    *others, last = map(str, node.types)
    taken = f"{', '.join(others)} and {last}"
    help_ = f"if that is meant, write `{other}` for {name} in the input"
    if node.op.kind == "matmul" and node.types[0].shape[-1] == node.types[1].shape[-1]:
        help_ = "for the scores of queries and keys, write `transpose = true`"
    elif node.op.kind == "attention" and len(node.inputs) > 2:
        help_ = "the values have a row for each key, a mask has queries x keys; " + help_
    return Diagnostic(
        "pinned-size",
        f"this `{node.op.kind}` takes {taken}, which fits only if {name} == {other}",
        node.span,
        "warning",
        help=help_,
        notes=call_notes(node.output.site),
    )
