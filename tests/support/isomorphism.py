"""Compares graphs without regard to names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netdsl.ir.graph import Value
from netdsl.ir.op import Weight

if TYPE_CHECKING:
    from netdsl.ir.graph import Graph, Node


def nameless(graph: Graph) -> dict[str, list[Any]]:
    """A description of a graph without its names, which is equal if graphs differ only in names.

    It lists the nodes in order: their kind, arguments, inputs, type, weights, the node with which
    they share weights, whether they are frozen, and the auxiliary head that they belong to.
    """
    number: dict[int, str] = {id(v): f"input {i}" for i, v in enumerate(graph.inputs)}
    owner: dict[str, int] = {}
    place: dict[str, str] = {}
    heads = {head.name: i for i, head in enumerate(graph.aux)}
    nodes = []
    for i, node in enumerate(graph.nodes):
        edges = [number[id(v)] for v in node.inputs]
        number[id(node.output)] = f"node {i}"
        shared = owner.setdefault(node.module, i)
        weights = {
            name: (p.shape, repr(p.init)) for name, p in (node.params() | node.buffers()).items()
        }
        place |= {node.tensor_name(name): f"{name} of node {shared}" for name in weights}
        nodes.append(
            (
                node.op.kind,
                arguments_of(node, number, place),
                edges,
                str(node.type),
                node.type.dtype,
                weights,
                shared,
                node.frozen,
                heads.get(node.aux or ""),
            )
        )
    return {
        "inputs": [(str(v.type), v.type.dtype) for v in graph.inputs],
        "nodes": nodes,
        "outputs": [number[id(o.value)] for o in graph.outputs],
        "heads": [(number[id(h.value)], h.weight) for h in graph.aux],
        "equalities": [(str(a), str(b)) for a, b, _ in graph.equalities],
    }


def arguments_of(node: Node, number: dict[int, str], place: dict[str, str]) -> list[object]:
    """The arguments of a node. Tensors and weights of other layers are given by their positions."""
    arguments: list[object] = []
    for argument in node.op.args:
        value = getattr(node.op, argument.name)
        if isinstance(value, Value):
            arguments.append((argument.name, number.get(id(value), "a tensor")))
        elif isinstance(value, Weight):
            arguments.append((argument.name, place[value.name]))
        else:
            arguments.append((argument.name, repr(value)))
    return arguments


def first_difference(first: Graph, second: Graph) -> str | None:
    """The first difference between two graphs, or None if they differ only in names."""
    a, b = nameless(first), nameless(second)
    for part, items in a.items():
        for i, (x, y) in enumerate(zip(items, b[part], strict=False)):
            if x != y:
                return f"{part} {i}: {x} against {y}"
        if len(items) != len(b[part]):
            return f"{part}: {len(items)} against {len(b[part])}"
    return None
