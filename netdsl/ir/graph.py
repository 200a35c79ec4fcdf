"""The typed graph: values, nodes, and the inputs, outputs and auxiliary heads of a net.

A graph is always valid: there is none for a program with errors. Every node comes after the nodes
that make its inputs. It makes one value, and further ones if the net refers to them, such as the
final states of an `lstm`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

from netdsl.ir.op import Weight

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netdsl.ir.op import Op, Param
    from netdsl.ir.types import Sym, TensorType
    from netdsl.source import Span


Derived = TypeVar("Derived")


class Site:
    """A place in the text, and the block calls that led the compiler to it."""

    __slots__ = ("caller", "span")

    def __init__(self, span: Span, caller: Site | None = None) -> None:
        self.span = span
        self.caller = caller


class Value:
    """A tensor: an input of the net, or the result of a node, its `producer`."""

    __slots__ = ("name", "producer", "site", "type")
    type_word = "a tensor"

    def __init__(
        self, name: str, type: TensorType | None, site: Site, producer: Node | None = None
    ) -> None:
        self.name = name
        # It is None only if the program has an error; such a program gets no graph.
        self.type: TensorType = type  # type: ignore[assignment]
        self.site = site
        self.producer = producer

    @property
    def weight(self) -> Weight | None:
        """The learned tensor that has the name of the layer, for the result of a `param`."""
        if self.producer is None:
            return None
        param = self.producer.params().get("")
        if param is None:
            return None
        return Weight(self.producer.module, param.shape)

    def result(self, name: str) -> Value | None:
        """The further result of that name of the layer that makes this value, if it has one."""
        node = self.producer
        if node is None or node.output is not self or self.type is None:
            return None
        types = node.op.results(*node.types)
        if name in types and name not in node.results:
            node.results[name] = Value(f"{node.name}.{name}", types[name], self.site, node)
        return node.results.get(name)


class Node:
    """One occurrence of a layer.

    `module` is the name of its weights. It differs from `name` if a labelled module is used twice:
    then it is the name of the first node that uses it. `aux` is the name of the auxiliary head that
    the node belongs to, and `scope` the part of the net that contains it. `results` are the further
    results that the net uses, by name, and `sources` the inputs of the net of which the layer uses
    only the sizes.
    """

    __slots__ = (
        "aux",
        "frozen",
        "inputs",
        "module",
        "name",
        "op",
        "output",
        "results",
        "scope",
        "sources",
    )
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
        self.results: dict[str, Value] = {}
        self.sources: tuple[Value, ...] = ()

    @property
    def outputs(self) -> list[Value]:
        """Its result, and the further results that the net uses."""
        return [self.output, *self.results.values()]

    @property
    def label(self) -> str:
        """Its name within its scope: the last part of `name`."""
        return self.name.rpartition(".")[2]

    def at_depth(self, depth: int) -> Scope | Node:
        """The scope of that depth (0 is the net) around the node, or else the node itself."""
        if depth > self.scope.depth:
            return self
        return self.scope.path[depth]

    @property
    def taken(self) -> tuple[Value, ...]:
        """The values that its lowering takes: its inputs, then its sources."""
        return (*self.inputs, *self.sources)

    @property
    def types(self) -> tuple[TensorType, ...]:
        """The types of its inputs."""
        return tuple(value.type for value in self.inputs)

    @property
    def type(self) -> TensorType:
        """The type of its result."""
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

    def tensor_name(self, key: str) -> str:
        """The name in checkpoints of the learned or stored tensor that the layer calls `key`."""
        if not key:
            return self.module
        return f"{self.module}.{key}"

    def tensors(self) -> dict[str, Param]:
        """Its learned and stored tensors by their names in checkpoints."""
        own = self.params() | self.buffers()
        return {self.tensor_name(key): param for key, param in own.items()}


class Scope:
    """A part of the net: the net, a block call, a labelled group or join, or an auxiliary head.

    `kind` is the block's name, `aux` for an auxiliary head, and None for other scopes. `site` is
    None for the net itself and for scopes that exist only as a prefix of their members' names, such
    as labelled joins.
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
        """Its name within its outer scope: the last part of `name`."""
        return self.name.rpartition(".")[2]

    @property
    def path(self) -> tuple[Scope, ...]:
        """The scopes from the net down to this one."""
        if self.outer is None:
            return (self,)
        return (*self.outer.path, self)

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


class InputExample(NamedTuple):
    """The numbers that the text gives as an example of an input, row by row, without a batch."""

    shape: tuple[int, ...]
    numbers: tuple[float | int, ...]


class NetOutput:
    """A value that the net returns, under a name of its own."""

    __slots__ = ("name", "value")

    def __init__(self, name: str, value: Value) -> None:
        self.name = name
        self.value = value


class Graph:
    """One typed net.

    `root` is the tree of its scopes, and `scopes` are the scopes that the text names, by name.
    `equalities` are pairs of symbolic sizes that must be equal for the net to be valid, each with
    the place that requires it. `nonnegative` are sizes that must be at least 0, by the layer that
    requires it and the types of its inputs. `examples` are those of the inputs, by name.
    """

    def __init__(self, name: str, doc: str, site: Site) -> None:
        self.name = name
        self.doc = doc
        self.site = site
        self.arguments: dict[str, object] = {}
        self.inputs: list[Value] = []
        self.examples: dict[str, InputExample] = {}
        self.outputs: list[NetOutput] = []
        self.nodes: list[Node] = []
        self.aux: list[AuxHead] = []
        self.root = Scope()
        self.scopes: dict[str, Scope] = {}
        self._tree: dict[str, Scope] = {"": self.root}
        self.equalities: list[tuple[int | Sym, int | Sym, Site]] = []
        self.nonnegative: dict[tuple[Op, tuple[TensorType, ...]], list[Sym]] = {}
        self._derived: dict[object, object] = {}

    def derived(self, make: Callable[[Graph], Derived]) -> Derived:
        """What `make` computes from the finished graph, such as `Costs`; it is computed once."""
        if make not in self._derived:
            self._derived[make] = make(self)
        return cast("Derived", self._derived[make])

    def add(self, node: Node) -> None:
        """Append a layer to the nodes and to its scope."""
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
        """The layers inside the scope of that name, then the layers that have that name."""
        nodes: list[Node] = []
        scope = self._tree.get(name)
        if scope is not None:
            nodes += scope.nodes()
        outer = self._tree.get(name.rpartition(".")[0])
        if outer is not None:
            nodes += [m for m in outer.members if isinstance(m, Node) and m.name == name]
        return nodes

    @property
    def symbols(self) -> list[str]:
        """The open input sizes, in the order in which the inputs name them."""
        names: dict[str, None] = {}
        for value in self.inputs:
            for size in value.type.shape:
                if not isinstance(size, int):
                    names.update(dict.fromkeys(sorted(size.symbols())))
        return list(names)

    def drop_unused_results(self) -> None:
        """Forget the further results that only expressions refer to, such as `shape(@enc.h)`."""
        used = {id(value) for node in self.nodes for value in node.inputs}
        used.update(id(output.value) for output in self.outputs)
        used.update(id(head.value) for head in self.aux)
        for node in self.nodes:
            if node.results:
                node.results = {k: v for k, v in node.results.items() if id(v) in used}

    def uses(self) -> dict[int, list[Node]]:
        """The nodes that take each value, by the value's `id`."""
        nodes: dict[int, list[Node]] = {}
        for node in self.nodes:
            for value in node.inputs:
                nodes.setdefault(id(value), []).append(node)
        return nodes
