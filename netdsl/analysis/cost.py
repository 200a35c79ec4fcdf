"""What a net costs: parameters, multiply-accumulates, units, depth and activation memory.

MACs count the multiply-accumulates of convolution, dense, attention and recurrent products of one
sample, as the papers and torchvision do. `weights` are the weights without biases of those layers;
`units` the elements of a layer's output. All are for inference: auxiliary heads count for nothing
but their own rows. Weights used twice are counted once, their MACs twice.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from netdsl.ir.types import ITEM_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netdsl.ir.graph import Graph, Node
    from netdsl.ir.types import Sym, TensorType


class Cost(NamedTuple):
    """The figures of one layer. `bytes` is the size of its output for one sample."""

    params: int
    macs: int | Sym
    weights: int
    units: int | Sym
    bytes: int | Sym


class Totals(NamedTuple):
    """The figures of a net.

    `units` sums over the layers with weights; `depth` counts those on the longest path;
    `activation_bytes` are those of all values, the inputs among them.
    """

    params: int
    trainable: int
    macs: int | Sym
    weights: int
    units: int | Sym
    depth: int
    activation_bytes: int | Sym
    peak_bytes: int | Sym


class Costs:
    """The figures of a graph's layers, each kind and shape computed once."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._known: dict[Any, Cost] = {}
        self._totals: Totals | None = None
        self._rows = [self._cost(n) for n in graph.nodes]

    def _cost(self, node: Node) -> Cost:
        key = (node.op, *node.types)
        cost = self._known.get(key)
        if cost is None:
            y, xs = node.type, node.types
            params = sum(p.size for p in node.op.params(*xs).values())
            cost = Cost(
                params,
                node.op.macs(y, *xs),
                node.op.weights(*xs),
                y.size,
                y.size * ITEM_BYTES[y.dtype],
            )
            self._known[key] = cost
        return cost

    def rows(self) -> Iterable[tuple[Node, Cost]]:
        """Every node with its figures, in order; a second use of weights has none of its own."""
        for node, cost in zip(self.graph.nodes, self._rows, strict=True):
            yield node, cost._replace(params=0, weights=0) if node.shared else cost

    def of(self, prefix: str) -> tuple[int, int | Sym, int, int | Sym]:
        """Params, MACs, weights and units of the layer, block or group of that name."""
        nodes = set(map(id, self.graph.part(prefix)))
        own = [(n, c) for n, c in self.rows() if id(n) in nodes]
        return (
            sum(c.params for _, c in own),
            total(c.macs for _, c in own),
            sum(c.weights for _, c in own),
            units(prefix, own),
        )

    def totals(self) -> Totals:
        """The figures of the whole net at inference, computed once."""
        if self._totals is None:
            self._totals = self._add_up()
        return self._totals

    def _add_up(self) -> Totals:
        rows = [(n, c) for n, c in self.rows() if n.aux is None]
        return Totals(
            params=sum(c.params for _, c in rows),
            trainable=sum(c.params for n, c in rows if not n.frozen),
            macs=total(c.macs for _, c in rows),
            weights=sum(c.weights for _, c in rows),
            units=total(c.units for n, c in rows if n.op.multiplies),
            depth=depth(self.graph),
            activation_bytes=total(
                [*(_bytes(v.type) for v in self.graph.inputs), *(c.bytes for _, c in rows)]
            ),
            peak_bytes=peak_bytes(self.graph),
        )


def units(name: str, rows: Sequence[tuple[Node, Cost]]) -> int | Sym:
    """Neurons of the part of that name: the elements of its output where it is one layer, else of
    those of its layers that multiply.
    """
    alone = [n.name for n, _ in rows] == [name]
    return total(c.units for n, c in rows if alone or n.op.multiplies)


def total(values: Iterable[int | Sym]) -> int | Sym:
    """Adds open sizes kind by kind, so that a long net of open size takes linear time."""
    counted = Counter(values)
    return sum(
        (v * n for v, n in counted.items() if not isinstance(v, int)),
        start=sum(v * n for v, n in counted.items() if isinstance(v, int)),
    )


def depth(graph: Graph) -> int:
    """The layers with weights on the longest path from input to output, as in `ResNet-50`."""
    deep: dict[int, int] = {}
    for node in graph.nodes:
        if node.aux is None:
            deep[id(node.output)] = (
                max(deep.get(id(v), 0) for v in node.inputs) + node.op.multiplies
            )
    return max(deep.get(id(o.value), 0) for o in graph.outputs)


def peak_bytes(graph: Graph) -> int | Sym:
    """The most activation memory in use at once for one sample, every buffer freed after its last
    use.

    Open sizes: the formula of the moment that is largest when each symbol is 512, the first of
    several.
    """
    last: dict[int, int] = {}
    for i, node in enumerate(graph.nodes):
        last |= {id(v): i for v in node.inputs if node.aux is None}
    for output in graph.outputs:
        last[id(output.value)] = len(graph.nodes)
    at = dict.fromkeys(graph.symbols, 512)
    live: dict[int, int | Sym] = {id(v): _bytes(v.type) for v in graph.inputs}
    now = sum(_at(v, at) for v in live.values())
    best, best_live = now, list(live.values())
    for i, node in enumerate(graph.nodes):
        if node.aux is not None:
            continue
        made = _bytes(node.type)
        live[id(node.output)] = made
        now += _at(made, at)
        if now > best:
            best, best_live = now, list(live.values())
        for key in {id(v) for v in (*node.inputs, node.output)}:
            if last.get(key, i) <= i and key in live:
                now -= _at(live.pop(key), at)
    return sum(best_live[1:], start=best_live[0]) if at else best


def _bytes(type_: TensorType) -> int | Sym:
    return type_.size * ITEM_BYTES[type_.dtype]


def _at(value: int | Sym, at: dict[str, int]) -> int:
    return value if isinstance(value, int) else value.at(at)
