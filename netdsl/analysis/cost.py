"""What a net costs: parameters, multiply-accumulates, units, depth and activation memory.

MACs are the multiply-accumulates of the products in convolution, dense, attention and recurrent
layers and of `matmul`, for one sample, as papers and torchvision count them. `weights` are the
weights of the layers that multiply by weights, without biases. `units` are the elements of a
layer's output.

All totals are for inference, so auxiliary heads have rows but do not count in the totals. Weights
that two layers share count once; the MACs of both layers count. `buffers` are the stored numbers
that are not learned: moving means and variances, but not the counter of batches, which no result
depends on. Params and buffers together are what Keras prints as its total.
"""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from netdsl.ir.op import COUNTER
from netdsl.ir.types import ITEM_BYTES, Sym

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from netdsl.ir.graph import Graph, Node
    from netdsl.ir.types import TensorType


# The same with the types that only models of other tools have.
STORED_BYTES = {
    **ITEM_BYTES,
    "int8": 1,
    "int16": 2,
    "uint16": 2,
    "bfloat16": 2,
    "uint32": 4,
    "uint64": 8,
}

TYPICAL = 512  # of an open size, to find the moment with the most memory


class Cost(NamedTuple):
    """The figures of one layer. `bytes` is the size of its results for one sample."""

    params: int
    macs: int | Sym
    weights: int
    units: int | Sym
    bytes: int | Sym
    buffers: int


class PartCost(NamedTuple):
    """The figures of a layer, a block or a group."""

    params: int
    macs: int | Sym
    weights: int
    units: int | Sym
    buffers: int


class Totals(NamedTuple):
    """The figures of a net, for one sample.

    `units` is the sum over the layers with weights, and `depth` is the number of such layers on the
    longest path. `activation_bytes` is the size of all values, including the inputs; `peak_bytes`
    is the largest size that is in use at once.
    """

    params: int
    trainable: int
    buffers: int
    macs: int | Sym
    weights: int
    units: int | Sym
    depth: int
    activation_bytes: int | Sym
    peak_bytes: int | Sym


class PeakMemory(NamedTuple):
    """The most bytes in use at once. A formula may hold only for sizes around 512."""

    bytes: int | Sym
    is_for_all_sizes: bool


class Costs:
    """The figures of a graph's layers, computed once for each op with the same input types."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._known: dict[tuple[object, ...], Cost] = {}
        self._totals: Totals | None = None
        self._rows = [self._cost(n) for n in graph.nodes]

    def _cost(self, node: Node) -> Cost:
        key = (node.op, *node.types, *node.results)
        cost = self._known.get(key)
        if cost is None:
            y, xs = node.type, node.types
            params = sum(p.size for p in node.op.params(*xs).values() if not p.tied)
            cost = Cost(
                params,
                node.op.macs(y, *xs),
                node.op.weights(*xs),
                y.size,
                total(_bytes(value.type) for value in node.outputs),
                sum(p.size for name, p in node.op.buffers(*xs).items() if name != COUNTER),
            )
            self._known[key] = cost
        return cost

    def rows(self) -> Iterable[tuple[Node, Cost]]:
        """Every node with its figures, in order. Shared weights count only at their first node."""
        for node, cost in zip(self.graph.nodes, self._rows, strict=True):
            yield node, cost._replace(params=0, weights=0, buffers=0) if node.shared else cost

    def of(self, prefix: str) -> PartCost:
        """The figures of the layer, block or group with that name."""
        nodes = set(map(id, self.graph.part(prefix)))
        own = [(n, c) for n, c in self.rows() if id(n) in nodes]
        return PartCost(
            sum(c.params for _, c in own),
            total(c.macs for _, c in own),
            sum(c.weights for _, c in own),
            units(prefix, own),
            sum(c.buffers for _, c in own),
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
            buffers=sum(c.buffers for _, c in rows),
            macs=total(c.macs for _, c in rows),
            weights=sum(c.weights for _, c in rows),
            units=total(c.units for n, c in rows if n.op.multiplies),
            depth=depth(self.graph),
            activation_bytes=total(
                [*(_bytes(v.type) for v in self.graph.inputs), *(c.bytes for _, c in rows)]
            ),
            peak_bytes=self.peak.bytes,
        )

    @cached_property
    def peak(self) -> PeakMemory:
        """The most memory in use at once, computed once."""
        return peak(self.graph)


def units(name: str, rows: Sequence[tuple[Node, Cost]]) -> int | Sym:
    """The number of neurons in the part of a net with that name.

    If the part is a single layer, these are the elements of its output. Otherwise they are the
    output elements of all its layers with weights.
    """
    is_layer = [n.name for n, _ in rows] == [name]
    return total(c.units for n, c in rows if is_layer or n.op.multiplies)


def total(values: Iterable[int | Sym]) -> int | Sym:
    """The sum. Equal formulas are added together first, so that a long net takes linear time."""
    counted = Counter(values)
    return sum(
        (v * n for v, n in counted.items() if not isinstance(v, int)),
        start=sum(v * n for v, n in counted.items() if isinstance(v, int)),
    )


def depth(graph: Graph) -> int:
    """The number of layers with weights on the longest path, the 50 in `ResNet-50`."""
    depths: dict[int, int] = {}  # by the value's id
    for node in graph.nodes:
        if node.aux is None:
            before = max(depths.get(id(v), 0) for v in node.inputs)
            depths |= {id(v): before + node.op.multiplies for v in node.outputs}
    return max(depths.get(id(o.value), 0) for o in graph.outputs)


def peak(graph: Graph) -> PeakMemory:
    """The most activation memory in use at once for one sample.

    With open sizes, it is a formula for the moment at which memory is largest if each of them is
    512.
    """
    moments = list(_moments(graph, dict.fromkeys(graph.symbols, TYPICAL)))
    largest = max(moments, key=lambda moment: moment.bytes)
    if not graph.symbols:
        return PeakMemory(largest.bytes, is_for_all_sizes=True)
    others = {moment.live for moment in moments}
    found = total(Counter(dict(largest.live)).elements())
    return PeakMemory(found, all(_is_never_less(largest.live, other) for other in others))


def peak_at(graph: Graph, sizes: dict[str, int]) -> int:
    """The most activation memory in use at once for one sample of these sizes, in bytes."""
    return max(moment.bytes for moment in _moments(graph, sizes))


class _Moment(NamedTuple):
    """A moment of inference: the bytes in use, and the sizes that they are made of."""

    bytes: int
    live: frozenset[tuple[int | Sym, int]]  # the size of a value, and how many values have it


def _moments(graph: Graph, sizes: dict[str, int]) -> Iterator[_Moment]:
    """The moments at which a layer runs. Every buffer is freed after its last use."""
    last_use = _last_uses(graph)
    live: dict[int, int | Sym] = {id(v): _bytes(v.type) for v in graph.inputs}
    counts = Counter(live.values())
    now = sum(_at(v, sizes) for v in live.values())
    yield _Moment(now, frozenset(counts.items()))
    for i, node in enumerate(graph.nodes):
        if node.aux is not None:
            continue
        made = {id(v): _bytes(v.type) for v in node.outputs}
        live |= made
        counts.update(made.values())
        now += sum(_at(size, sizes) for size in made.values())
        yield _Moment(now, frozenset(counts.items()) if sizes else frozenset())
        for key in {id(v) for v in (*node.inputs, *node.outputs)}:
            if last_use.get(key, i) <= i and key in live:
                size = live.pop(key)
                now -= _at(size, sizes)
                counts[size] -= 1
                if not counts[size]:
                    del counts[size]


def _is_never_less(
    values: frozenset[tuple[int | Sym, int]], others: frozenset[tuple[int | Sym, int]]
) -> bool:
    """Whether the bytes of some values cannot be less than those of others, as far as is obvious.

    Open sizes are at least 1, and the floors in a formula at least 0.
    """
    own, theirs = Counter(dict(values)), Counter(dict(others))
    if own >= theirs:
        return True
    difference = total((own - theirs).elements()) - total((theirs - own).elements())
    if isinstance(difference, Sym):
        difference = difference.subs({s: Sym.var(s) + 1 for s in difference.symbols()})
    if isinstance(difference, Sym):
        return min(difference.terms.values()) >= 0
    return difference >= 0


def _last_uses(graph: Graph) -> dict[int, int]:
    """The index of the last node that takes each value, by the value's id, at inference.

    For an output of the net, it is the number of nodes.
    """
    last: dict[int, int] = {}
    for i, node in enumerate(graph.nodes):
        if node.aux is None:
            last |= {id(v): i for v in node.inputs}
    return last | {id(output.value): len(graph.nodes) for output in graph.outputs}


def _bytes(type_: TensorType) -> int | Sym:
    return type_.size * STORED_BYTES[type_.dtype]


def _at(value: int | Sym, sizes: dict[str, int]) -> int:
    return value if isinstance(value, int) else value.at(sizes)
