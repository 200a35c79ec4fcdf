"""The typed graph: values, the nodes that make them, and a net's inputs, outputs and auxiliary heads.

A graph is always valid: programs with errors have none. Every node makes one value; nodes stand in an order in which each
comes after the ones it takes its inputs from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from netdsl.ir.op import Op, Param
    from netdsl.ir.types import Sym, TensorType
    from netdsl.source import Span


class Site:
    """A place in the text, and the block calls through which the compiler came to it."""

    __slots__ = ("caller", "span")

    def __init__(self, span: Span, caller: Site | None = None) -> None:
        self.span = span
        self.caller = caller


class Value:
    """A tensor: an input of the net, or what a node makes. `type` is None only while a program with errors is read."""

    __slots__ = ("name", "producer", "site", "type")
    type_word = "a tensor"

    def __init__(self, name: str, type: TensorType | None, site: Site, producer: Node | None = None) -> None:
        self.name = name
        # A finished graph has no None here: what reads one need not ask.
        self.type: TensorType = type  # type: ignore[assignment]
        self.site = site
        self.producer = producer


class Node:
    """One occurrence of a layer.

    `name` is its own; `module` names the weights, another node's where a labelled module is used twice. `aux` names the
    auxiliary head that it belongs to.
    """

    __slots__ = ("aux", "frozen", "inputs", "module", "name", "op", "output")

    def __init__(self, name: str, module: str, op: Op, inputs: tuple[Value, ...], output: Value, aux: str | None) -> None:
        self.name = name
        self.module = module
        self.op = op
        self.inputs = inputs
        self.output = output
        self.aux = aux
        self.frozen = False

    @property
    def types(self) -> tuple[TensorType, ...]:
        """The types of its inputs."""
        return tuple(v.type for v in self.inputs)

    @property
    def type(self) -> TensorType:
        """The type of what it makes."""
        return self.output.type

    @property
    def shared(self) -> bool:
        """Whether its weights belong to an earlier node."""
        return self.name != self.module

    @property
    def span(self) -> Span:
        """Its place in the text."""
        return self.output.site.span

    def params(self) -> dict[str, Param]:
        """Its learned weights by name."""
        return self.op.params(*self.types)

    def buffers(self) -> dict[str, Param]:
        """Its stored tensors that are not learned (batch norm's running statistics)."""
        return self.op.buffers(*self.types)


class Scope(NamedTuple):
    """A named part of the net: a block call or a labelled group. `kind` is the block's name."""

    name: str
    kind: str | None
    site: Site


class AuxHead(NamedTuple):
    """A side branch that exists in training only and adds `weight` times its loss."""

    name: str
    weight: float
    value: Value


class Output:
    """A value that the net returns, under a name of its own."""

    __slots__ = ("name", "value")

    def __init__(self, name: str, value: Value) -> None:
        self.name = name
        self.value = value


class Graph:
    """One net, typed. `equalities` are pairs of symbolic sizes that must be equal for the net to be valid."""

    def __init__(self, name: str, doc: str, site: Site) -> None:
        self.name = name
        self.doc = doc
        self.site = site
        self.arguments: dict[str, object] = {}
        self.inputs: list[Value] = []
        self.outputs: list[Output] = []
        self.nodes: list[Node] = []
        self.aux: list[AuxHead] = []
        self.scopes: dict[str, Scope] = {}
        self.equalities: list[tuple[int | Sym, int | Sym, Site]] = []

    @property
    def symbols(self) -> list[str]:
        """The open input sizes, in the order in which the inputs name them."""
        names = [s for v in self.inputs for d in v.type.shape if not isinstance(d, int) for s in sorted(d.symbols())]
        return list(dict.fromkeys(names))

    def uses(self) -> dict[int, list[Node]]:
        """The nodes that take each value, by the value's `id`."""
        found: dict[int, list[Node]] = {}
        for node in self.nodes:
            for value in node.inputs:
                found.setdefault(id(value), []).append(node)
        return found
