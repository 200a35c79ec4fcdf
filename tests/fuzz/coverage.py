"""Counts what random programs use: layer kinds, arguments and pairs of adjacent layers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Self

from netdsl.errors import NetdslError
from netdsl.library import block_names
from netdsl.ops import LAYERS
from netdsl.source import SourceFile
from netdsl.syntax import ast
from netdsl.syntax.parser import parse_expression

if TYPE_CHECKING:
    from netdsl.driver import Compiled
    from netdsl.ir.graph import Node

FORMS = {
    ast.Literal: "number",
    ast.DimsLiteral: "sizes",
    ast.NameOrDims: "sizes",
    ast.Sequence: "list",
    ast.Name: "name",
    ast.Operation: "expression",
    ast.Conditional: "expression",
    ast.Function: "expression",
    ast.Index: "expression",
    ast.ListPart: "expression",
    ast.Comprehension: "expression",
    ast.Unary: "expression",
    ast.Attribute: "in.size",
    ast.Reference: "tensor",
}


@dataclass
class Coverage:
    """Counts over many nets; `+=` adds those of another process."""

    nets: int = 0
    layers: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    blocks: Counter[str] = field(default_factory=Counter)
    # By kind, argument and how it was given: by place, by name or by default.
    arguments: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    forms: Counter[str] = field(default_factory=Counter)
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, net: Compiled) -> None:
        """Count one net."""
        self.nets += 1
        graph = net.graph
        for node in graph.nodes:
            self.layers += 1
            self.kinds[node.op.kind] += 1
            for value in node.inputs:
                if value.producer is not None:
                    self.pairs[value.producer.op.kind, node.op.kind] += 1
            self._arguments(node)
        for scope in graph.scopes.values():
            self.blocks[scope.kind or "group"] += 1
        self.forms.update(
            open_sizes=bool(graph.symbols),
            auxiliary=len(graph.aux),
            shared=sum(n.shared for n in graph.nodes),
            frozen=sum(n.frozen for n in graph.nodes),
            outputs=len(graph.outputs),
            inputs=len(graph.inputs),
        )

    def _arguments(self, node: Node) -> None:
        declared = [a.name for a in LAYERS[node.op.kind].args]
        given = arguments_of(node.span.text)
        positional = [e for n, e in given if n is None]
        named = {n: e for n, e in given if n is not None}
        for i, name in enumerate(declared):
            way = "place" if i < len(positional) else "name" if name in named else "default"
            self.arguments[node.op.kind, name, way] += 1
            if way != "default":
                self.forms[positional[i] if way == "place" else named[name]] += 1

    def __iadd__(self, other: Coverage) -> Self:
        self.nets += other.nets
        self.layers += other.layers
        for name in ("kinds", "blocks", "arguments", "forms", "pairs"):
            getattr(self, name).update(getattr(other, name))
        return self

    def never(self) -> list[str]:
        """The kinds, library blocks, and ways to give or omit an argument that no net used."""
        missing = [k for k in LAYERS if not self.kinds[k]] + [
            b for b in block_names() if not self.blocks[b]
        ]
        for kind, cls in LAYERS.items():
            for declared in cls.args if kind.isidentifier() else ():  # not of operators
                ways = {
                    way: self.arguments[kind, declared.name, way]
                    for way in ("place", "name", "default")
                }
                if not ways["place"] + ways["name"]:
                    missing.append(f"{kind}.{declared.name} given")
                if not declared.required and not ways["default"]:
                    missing.append(f"{kind}.{declared.name} left out")
        return missing

    def _counts(self, kind: str, name: str) -> str:
        place, named, default = (
            self.arguments[kind, name, way] for way in ("place", "name", "default")
        )
        return f"{name} {place}+{named}/{default}"

    def table(self) -> str:
        """A line for each kind, with the number of its uses and of its arguments.

        The counts of an argument are: by place + by name / left out.
        """
        forms = ", ".join(f"{count:,} {form}" for form, count in sorted(self.forms.items()))
        pairs = f"{len(self.pairs):,} pairs of neighbours"
        lines = [f"{self.nets:,} nets, {self.layers:,} layers, {pairs}; {forms}"]
        for kind, cls in sorted(LAYERS.items()):
            arguments = ", ".join(self._counts(kind, a.name) for a in cls.args)
            lines.append(f"{kind:<18}{self.kinds[kind]:>7,}  {arguments}")
        lines += [f"{b:<18}{self.blocks[b]:>7,}  block" for b in block_names()]
        return "\n".join(lines)


@cache
def arguments_of(call: str) -> tuple[tuple[str | None, str], ...]:
    """The arguments of a call except references without names: the name, and the form."""
    head = call.split("{", 1)[0].strip()
    if not head.endswith(")"):
        return ()
    try:
        tree = parse_expression(SourceFile("call", head))
    except NetdslError:
        return ()
    if not isinstance(tree, ast.Function):
        return ()
    return tuple(
        (a.name, FORMS[type(a.value)])
        for a in tree.arguments
        if a.name is not None or "@" not in a.span.text  # other tensors are no arguments
    )
