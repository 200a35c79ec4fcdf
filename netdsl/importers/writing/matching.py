"""Finds the layer of the original that each layer of a compiled text stands for."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from netdsl.ir.op import Weight

if TYPE_CHECKING:
    from netdsl.importers.flat import Flat, FlatLayer
    from netdsl.ir.graph import Graph, Node

COMMUTES = ("add", "mul", "max")


class MismatchError(Exception):
    """A text does not describe the same net as another one."""


def in_order(graph: Graph, flat: Flat) -> dict[str, FlatLayer]:
    """The layers of a text that lists them in order, by the name of the node."""
    return {node.name: layer for node, layer in zip(graph.nodes, flat.layers, strict=True)}


def matched(graph: Graph, plain: Graph, flat: Flat) -> dict[str, FlatLayer]:
    """The layer of each node of a graph, by the node's name.

    `plain` is the graph of the text that lists the layers in order. Raises `MismatchError` unless
    the two have the same layers with the same arguments, inputs and outputs.
    """
    layers = in_order(plain, flat)
    same = {id(a): id(b) for a, b in zip(graph.inputs, plain.inputs, strict=True)}
    waiting: dict[object, list[Node]] = defaultdict(list)
    for node in reversed(plain.nodes):
        waiting[_key(node, {id(v): id(v) for v in node.inputs})].append(node)
    found: dict[str, FlatLayer] = {}
    for node in graph.nodes:
        if any(id(value) not in same for value in node.inputs):
            raise MismatchError(node.name)
        candidates = waiting[_key(node, same)]
        if not candidates:
            raise MismatchError(node.name)
        names = [".".join(layers[c.name].path) for c in candidates]
        at = names.index(node.module) if node.module in names else -1
        twin = candidates.pop(at)
        found[node.name] = layers[twin.name]
        for name, value in (("", node.output), *node.results.items()):
            other = twin.results.get(name) if name else twin.output
            if other is not None:
                same[id(value)] = id(other)
    ends = {o.name: same.get(id(o.value)) for o in graph.outputs}
    if any(waiting.values()) or ends != {o.name: id(o.value) for o in plain.outputs}:
        raise MismatchError("the net has further layers or other outputs")
    return found


def _key(node: Node, same: dict[int, int]) -> object:
    """What equal layers have in common: kind, arguments and inputs."""
    inputs = [same[id(value)] for value in node.inputs]
    if node.op.kind in COMMUTES:
        inputs.sort()
    given = {k: "tied" if isinstance(v, Weight) else v for k, v in node.op.given.items()}
    return node.op.kind, repr(sorted(given.items())), tuple(inputs)
