"""The typed graph: values, the nodes that make them, and a net's inputs, outputs and auxiliary
heads.

A graph is always valid: programs with errors have none. Every node makes one value; nodes stand in
an order in which each comes after the ones it takes its inputs from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    """A tensor: an input of the net, or what a node makes.

    `type` is None only while a program with errors is read.
    """

    __slots__ = ("name", "producer", "site", "type")
    type_word = "a tensor"

    def __init__(
        self, name: str, type: TensorType | None, site: Site, producer: Node | None = None
    ) -> None:
        self.name = name
        # A finished graph has no None here: what reads one need not ask.
        self.type: TensorType = type  # type: ignore[assignment]
        self.site = site
        self.producer = producer


class Node:
    """One occurrence of a layer.

    `name` is its own; `module` names the weights, another node's where a labelled module is used
    twice. `aux` names the auxiliary head that it belongs to, `scope` the part of the net that holds
    it.
    """

    __slots__ = ("aux", "frozen", "inputs", "module", "name", "op", "output", "scope")
    scope: Scope

    def __init__(
        self,
        name: str,
        module: str,
        op: Op,
        inputs: tuple[Value, ...],
        output: Value,
        aux: str | None,
    ) -> None:
        self.name = name
        self.module = module
        self.op = op
        self.inputs = inputs
        self.output = output
        self.aux = aux
        self.frozen = False

    @property
    def label(self) -> str:
        """Its name within its scope: the last part of `name`."""
        return self.name.rpartition(".")[2]

    def at_depth(self, depth: int) -> Scope | Node:
        """The scope of that depth (0 is the net) that contains the node, or the node itself."""
        if depth > self.scope.depth:
            return self
        return self.scope.path[depth]

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


class Scope:
    """A part of the net that holds layers: the net, a block call, a labelled group or join, a head.

    `kind` is the block's name, or `aux` for an auxiliary head. `site` is None for the net itself
    and for scopes that exist only as a prefix of their members' names, such as labelled joins.
    """

    __slots__ = ("depth", "kind", "members", "name", "outer", "site")

    def __init__(self, name: str = "", outer: Scope | None = None) -> None:
        self.name = name
        self.outer = outer
        self.depth: int = 0 if outer is None else outer.depth + 1
        self.kind: str | None = None
        self.site: Site | None = None
        self.members: list[Scope | Node] = []

    @property
    def label(self) -> str:
        """Its name within the scope around it: the last part of `name`."""
        return self.name.rpartition(".")[2]

    @property
    def path(self) -> tuple[Scope, ...]:
        """The scopes from the net down to this one."""
        return (self,) if self.outer is None else (*self.outer.path, self)

    def nodes(self) -> Iterator[Node]:
        """Every layer inside, in the order of the text."""
        for member in self.members:
            if isinstance(member, Node):
                yield member
            else:
                yield from member.nodes()


class AuxHead(NamedTuple):
    """A side branch that exists in training only and adds `weight` times its loss."""

    name: str
    weight: float
    value: Value


class NetOutput:
    """A value that the net returns, under a name of its own."""

    __slots__ = ("name", "value")

    def __init__(self, name: str, value: Value) -> None:
        self.name = name
        self.value = value


class Graph:
    """One net, typed.

    `equalities` are pairs of symbolic sizes that must be equal for the net to be valid.

    `root` is the tree of its scopes, and `scopes` are those that the text names, by their names.
    """

    def __init__(self, name: str, doc: str, site: Site) -> None:
        self.name = name
        self.doc = doc
        self.site = site
        self.arguments: dict[str, object] = {}
        self.inputs: list[Value] = []
        self.outputs: list[NetOutput] = []
        self.nodes: list[Node] = []
        self.aux: list[AuxHead] = []
        self.root = Scope()
        self.scopes: dict[str, Scope] = {}
        self._tree: dict[str, Scope] = {"": self.root}
        self.equalities: list[tuple[int | Sym, int | Sym, Site]] = []

    def add(self, node: Node) -> None:
        """Append a layer, and put it into the tree of scopes."""
        self.nodes.append(node)
        node.scope = self._scope(node.name.rpartition(".")[0])
        node.scope.members.append(node)

    def name_scope(self, name: str, kind: str | None, site: Site) -> None:
        """Give a scope its kind and its place in the text."""
        scope = self.scopes[name] = self._scope(name)
        scope.kind, scope.site = kind, site

    def _scope(self, name: str) -> Scope:
        scope = self._tree.get(name)
        if scope is None:
            outer = self._scope(name.rpartition(".")[0])
            scope = self._tree[name] = Scope(name, outer)
            outer.members.append(scope)
        return scope

    def part(self, name: str) -> list[Node]:
        """The layer of that name, and those inside the scope of that name, in the order of the
        text.
        """
        scope = self._tree.get(name)
        inside = [] if scope is None else list(scope.nodes())
        outer = self._tree.get(name.rpartition(".")[0])
        own = (
            []
            if outer is None
            else [m for m in outer.members if isinstance(m, Node) and m.name == name]
        )
        return inside + own

    @property
    def symbols(self) -> list[str]:
        """The open input sizes, in the order in which the inputs name them."""
        names = [
            s
            for v in self.inputs
            for d in v.type.shape
            if not isinstance(d, int)
            for s in sorted(d.symbols())
        ]
        return list(dict.fromkeys(names))

    def uses(self) -> dict[int, list[Node]]:
        """The nodes that take each value, by the value's `id`."""
        found: dict[int, list[Node]] = {}
        for node in self.nodes:
            for value in node.inputs:
                found.setdefault(id(value), []).append(node)
        return found
