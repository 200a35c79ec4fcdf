"""Blocks of the text as local functions of an ONNX model, which viewers show as one box each.

Equal blocks share a function: names inside are those of the block, without the place where it
stands. Weights go in as inputs. A block whose nodes do not stand together, or that gives nothing,
is left as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnx import FunctionProto, NodeProto, helper

from netdsl.ir.graph import Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


DOMAIN = "netdsl"


def group(
    nodes: list[NodeProto], scopes: Iterable[Scope], outputs: set[str], opset: int
) -> list[FunctionProto]:
    """Replace the nodes of each block by a call, inner blocks first; returns the functions."""
    made: dict[bytes, str] = {}
    functions: list[FunctionProto] = []
    for scope in sorted((s for s in scopes if s.kind), key=lambda s: -s.depth):
        inside = _names_inside(scope)
        found = [i for i, node in enumerate(nodes) if _layer(node) in inside]
        if not found or found[-1] - found[0] + 1 != len(found):
            continue
        members = nodes[found[0] : found[-1] + 1]
        rest = nodes[: found[0]] + nodes[found[-1] + 1 :]
        own = {name for node in members for name in node.output}
        needed = outputs | {name for node in rest for name in node.input}
        ins = list(
            dict.fromkeys(
                name for node in members for name in node.input if name and name not in own
            )
        )
        outs = [
            name
            for name in dict.fromkeys(n for node in members for n in node.output)
            if name in needed
        ]
        if not outs:
            continue
        function = _function(members, scope.name, ins, outs, opset)
        body = function.SerializeToString(deterministic=True)
        if body not in made:
            made[body] = function.name = _unique(str(scope.kind), {f.name for f in functions})
            functions.append(function)
        call = helper.make_node(made[body], ins, outs, name=scope.name, domain=DOMAIN)
        assert scope.site is not None
        first = scope.site.span
        for key, value in (
            ("netdsl.line", f"{first.file.name}:{first.first.line}"),
            ("netdsl.layer", scope.name),
            ("netdsl.kind", str(scope.kind)),
        ):
            call.metadata_props.add(key=key, value=value)
        nodes[found[0] : found[-1] + 1] = [call]
    return functions


def _names_inside(scope: Scope) -> set[str]:
    """The names of a scope, of the scopes inside it, and of its layers."""
    names = {scope.name}
    for member in scope.members:
        names |= _names_inside(member) if isinstance(member, Scope) else {member.name}
    return names


def _layer(node: NodeProto) -> str:
    return next((p.value for p in node.metadata_props if p.key == "netdsl.layer"), "")


def _function(
    members: list[NodeProto], scope: str, ins: list[str], outs: list[str], opset: int
) -> FunctionProto:
    """The nodes as a function without a name, in names that do not tell where the block stands."""
    local = {name: _local(name, scope, f"x{i}") for i, name in enumerate(ins)}
    taken = set(local.values())
    for i, node in enumerate(members):
        for name in node.output:  # called as its node: an output of the net has a name of its own
            local[name] = _local(node.name, scope, f"y{i}")
            while local[name] in taken:
                local[name] += "/value"
            taken.add(local[name])
    body = []
    for node in members:
        copy = NodeProto()
        copy.CopyFrom(node)
        copy.name = _local(node.name, scope, node.op_type)
        copy.input[:] = [local.get(n, n) for n in node.input]
        copy.output[:] = [local[n] for n in node.output]
        for entry in copy.metadata_props:
            if entry.key != "netdsl.line":
                entry.value = _local(entry.value, scope, entry.value)
        body.append(copy)
    return helper.make_function(
        DOMAIN,
        "",
        _names(ins, local),
        _names(outs, local),
        body,
        [helper.make_opsetid("", opset), helper.make_opsetid(DOMAIN, 1)],
    )


def _names(names: Iterable[str], local: Mapping[str, str]) -> list[str]:
    return [local[n] for n in names]


def _local(name: str, scope: str, other: str) -> str:
    """The name inside the block, or another for what comes from without."""
    return name.removeprefix(f"{scope}.") if name.startswith(f"{scope}.") else other


def _unique(name: str, taken: set[str]) -> str:
    return (
        name
        if name not in taken
        else next(made for i in range(2, len(taken) + 3) if (made := f"{name}_{i}") not in taken)
    )
