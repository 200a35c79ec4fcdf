"""Turns blocks of the text into local functions of an ONNX model, which viewers draw as boxes.

Equal blocks share a function: the names inside it do not contain the name of the block. Weights are
inputs of the function. A block stays as it is if its nodes are not consecutive, or if no other
node uses its values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.backends.onnx.make import make_node, operator_sets
from netdsl.backends.onnx.origin import LINE, layer_of, line_of, mark
from netdsl.backends.onnx.proto import FunctionProto
from netdsl.ir.graph import Scope

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netdsl.backends.onnx.proto import NodeProto

DOMAIN = "netdsl"


def group(
    nodes: list[NodeProto], scopes: Iterable[Scope], outputs: set[str], opset: int
) -> list[FunctionProto]:
    """Replace the nodes of each block by a call, inner blocks first; returns the functions."""
    functions: dict[bytes, FunctionProto] = {}  # by their contents without a name
    for scope in sorted((s for s in scopes if s.kind), key=lambda s: -s.depth):
        first, last = _range(nodes, _names_inside(scope))
        members, rest = nodes[first:last], nodes[:first] + nodes[last:]
        ins, outs = _border(members, rest, outputs)
        if not outs:
            continue
        function = _function(members, scope.name, ins, outs, opset)
        body = function.serialized()
        if body not in functions:
            function.name = _unique(str(scope.kind), {f.name for f in functions.values()})
            functions[body] = function
        nodes[first:last] = [_call(functions[body].name, scope, ins, outs)]
    return list(functions.values())


def _range(nodes: list[NodeProto], layers: set[str]) -> tuple[int, int]:
    """The range of the nodes of these layers; empty if the nodes are not consecutive."""
    places = [i for i, node in enumerate(nodes) if layer_of(node) in layers]
    if not places or places[-1] - places[0] + 1 != len(places):
        return 0, 0
    return places[0], places[-1] + 1


def _border(
    members: list[NodeProto], rest: list[NodeProto], outputs: set[str]
) -> tuple[list[str], list[str]]:
    """The values that consecutive nodes take from outside, and those of them used outside."""
    own = list(dict.fromkeys(name for node in members for name in node.output))
    taken = dict.fromkeys(name for node in members for name in node.input)
    needed = outputs | {name for node in rest for name in node.input}
    ins = [name for name in taken if name and name not in own]
    return ins, [name for name in own if name in needed]


def _call(function: str, scope: Scope, ins: list[str], outs: list[str]) -> NodeProto:
    call = make_node(function, ins, outs, scope.name, domain=DOMAIN)
    assert scope.site is not None
    mark(call, line_of(scope.site), scope.name, str(scope.kind))
    return call


def _names_inside(scope: Scope) -> set[str]:
    """The names of a scope, of the scopes inside it, and of its layers."""
    names = {scope.name}
    for member in scope.members:
        if isinstance(member, Scope):
            names |= _names_inside(member)
        else:
            names.add(member.name)
    return names


def _function(
    members: list[NodeProto], scope: str, ins: list[str], outs: list[str], opset: int
) -> FunctionProto:
    """The nodes as a function without a name, whose inner names do not contain the scope's."""
    local = {name: _local(name, scope, f"x{i}") for i, name in enumerate(ins)}
    taken = set(local.values())
    for i, node in enumerate(members):
        # Named after the node, because the name of a value can be that of an output of the net.
        for name in node.output:
            local[name] = _local(node.name, scope, f"y{i}")
            while local[name] in taken:
                local[name] += "/value"
            taken.add(local[name])
    return FunctionProto(
        name="",
        input=[local[name] for name in ins],
        output=[local[name] for name in outs],
        node=[_renamed(node, scope, local) for node in members],
        opset_import=operator_sets(opset, DOMAIN),
        domain=DOMAIN,
    )


def _renamed(node: NodeProto, scope: str, local: dict[str, str]) -> NodeProto:
    """A copy of a node, with names that are local to a function."""
    copy = node.copy()
    copy.name = _local(node.name, scope, node.op_type)
    copy.input[:] = [local.get(name, name) for name in node.input]
    copy.output[:] = [local[name] for name in node.output]
    for entry in copy.metadata_props:
        if entry.key != LINE:
            entry.value = _local(entry.value, scope, entry.value)
    return copy


def _local(name: str, scope: str, other: str) -> str:
    """A name within its scope; `other` for a name outside the scope."""
    if name.startswith((f"{scope}.", f"{scope}/")):  # of a layer, or of a node of one layer
        return name[len(scope) + 1 :]
    return other


def _unique(name: str, taken: set[str]) -> str:
    unique, number = name, 1
    while unique in taken:
        number += 1
        unique = f"{name}_{number}"
    return unique
