"""What training a net on several devices computes, stores and sends, before the machine is known.

All figures are those of training: auxiliary heads count, which the totals of a net leave out.
Weights that several layers share count once. Frozen weights and constants have no gradients.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from netdsl.analysis.cost import total
from netdsl.ir.op import COUNTER
from netdsl.ir.types import ITEM_BYTES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from netdsl.analysis.cost import Costs
    from netdsl.ir.graph import Graph, Node, Value
    from netdsl.ir.types import Sym

    Stage = str | Sequence[str]  # the label of a part, or those of several parts in a row


# The layers that use only the size of the batch: their values are the same for every sample.
SOURCES = ("param", "const", "positions")


class Cut(NamedTuple):
    """A place where a pipeline can divide a net, and what crosses it for one sample.

    `before` and `after` are the names of the parts on both sides. `macs` are the
    multiply-accumulates of the forward pass before the cut. `forward` is the size in bytes of the
    values that later layers take, and `backward` that of the gradients that come back.
    """

    before: str
    after: str
    macs: int | Sym
    forward: int | Sym
    backward: int | Sym

    @property
    def name(self) -> str:
        """Both names, such as `features | classifier`."""
        return f"{self.before} | {self.after}"


class Traffic(NamedTuple):
    """The figures of one step for a whole net.

    `learned` is the number of parameters that have gradients, `gradients` the size of these in
    bytes, `params` that of all parameters, and `buffers` that of the stored tensors that are not
    learned. `forward` and `backward` are the multiply-accumulates of one sample.
    """

    learned: int
    gradients: int
    params: int
    buffers: int
    forward: int | Sym
    backward: int | Sym
    cuts: tuple[Cut, ...]


def traffic_of(
    graph: Graph, costs: Costs, frozen: Collection[str] = (), stages: Sequence[Stage] = ()
) -> Traffic:
    """The figures of a graph.

    `frozen` are the names of further weights that are not trained. Without `stages`, the cuts are
    those between the labelled blocks and groups at the top level of the net.
    """
    params = _params(graph)
    learned = {name for name, (_, is_learned) in params.items() if is_learned} - set(frozen)
    needed = _needing_gradients(graph, learned)
    macs = [cost.macs for _, cost in costs.rows()]
    sizes = {name: size for name, (size, _) in params.items()}
    buffers = {
        node.tensor_name(key): param.size * ITEM_BYTES[param.dtype]
        for node in graph.nodes
        for key, param in node.buffers().items()
        if key != COUNTER
    }
    factors = [_products(node, learned, needed) for node in graph.nodes]
    return Traffic(
        learned=sum(sizes[name].elements for name in learned),
        gradients=sum(sizes[name].bytes for name in learned),
        params=sum(size.bytes for size in sizes.values()),
        buffers=sum(buffers.values()),
        forward=total(macs),
        backward=total(own * factor for own, factor in zip(macs, factors, strict=True)),
        cuts=tuple(_cuts(graph, macs, needed, stages)),
    )


class _Size(NamedTuple):
    elements: int
    bytes: int


def _params(graph: Graph) -> dict[str, tuple[_Size, bool]]:
    """The size of each parameter by its name in checkpoints, and whether the text has it learned.

    A layer that uses the weights of an earlier one has none of its own.
    """
    found: dict[str, tuple[_Size, bool]] = {}
    for node in graph.nodes:
        for key, param in node.params().items():
            if not param.tied:
                size = _Size(param.size, param.size * ITEM_BYTES[param.dtype])
                is_learned = not (node.frozen or param.is_constant)
                found.setdefault(node.tensor_name(key), (size, is_learned))
    return found


def _weights(node: Node) -> list[str]:
    """The names in checkpoints of the weights that a layer uses, also those of an earlier layer."""
    return [param.tied or node.tensor_name(key) for key, param in node.params().items()]


def _needing_gradients(graph: Graph, learned: Collection[str]) -> set[int]:
    """The ids of the values whose gradients training computes: learned weights are above them."""
    needed: set[int] = set()
    for node in graph.nodes:
        has_learned = any(name in learned for name in _weights(node))
        if has_learned or not needed.isdisjoint(_taken(node)):
            needed |= {id(v) for v in node.outputs if v.type.dtype.startswith("float")}
    return needed


def _taken(node: Node) -> set[int]:
    """The ids of the values that a layer computes with."""
    if node.op.kind in SOURCES:
        return set()
    return {id(value) for value in node.inputs}


def _products(node: Node, learned: Collection[str], needed: set[int]) -> int:
    """How often the backward pass computes as many products as the forward pass of a layer.

    It does so once for the gradients of its weights, and once for those of its input. A layer that
    multiplies its inputs with each other does so for each of them.
    """
    inputs = sum(value in needed for value in _taken(node))
    weights = _weights(node)
    if not weights:
        return inputs
    return any(name in learned for name in weights) + (inputs > 0)


# ---- cuts


def _cuts(
    graph: Graph, macs: list[int | Sym], needed: set[int], stages: Sequence[Stage]
) -> Iterator[Cut]:
    parts = list(_stated(graph, stages) if stages else _labelled(graph))
    last = _last_uses(graph)
    for (before, _), (after, start) in pairwise(parts):
        crossing = list(_crossing(graph, start, last))
        yield Cut(
            before,
            after,
            total(macs[:start]),
            total(_bytes(value) for value in crossing),
            total(_bytes(value) for value in crossing if id(value) in needed),
        )


def _labelled(graph: Graph) -> Iterator[tuple[str, int]]:
    """The labelled blocks and groups at the top level, each with the number of its first layer.

    Parts without a label have a number for a name. An auxiliary head is no part of the line of
    layers that a pipeline divides, nor is a group that is used again: its weights are in one stage.
    """
    seen: set[str] = set()
    for number, node in enumerate(graph.nodes):
        part = node.at_depth(1)
        if part is node or part.name in seen or node.aux is not None:
            continue
        seen.add(part.name)
        scope = graph.scopes.get(part.name)
        is_stated = scope is not None and scope.site is not None
        if is_stated and not part.label.isdecimal() and "@" not in part.name:
            yield part.name, number


def _stated(graph: Graph, stages: Sequence[Stage]) -> Iterator[tuple[str, int]]:
    """The stages that a section states, each with the number of its first layer.

    Labels that the net does not have are left out: they have an error of their own.
    """
    for stage in stages:
        labels = [stage] if isinstance(stage, str) else list(stage)
        starts = [
            number
            for number, node in enumerate(graph.nodes)
            if any(f"{node.name}.".startswith(f"{label}.") for label in labels)
        ]
        if starts:
            yield " + ".join(labels), starts[0]


def _last_uses(graph: Graph) -> dict[int, int]:
    """The number of the last layer that takes each value, by its id.

    It is the number of layers for a value of which the loss is computed, at the end of the last
    stage.
    """
    last: dict[int, int] = {}
    for number, node in enumerate(graph.nodes):
        last |= dict.fromkeys(_taken(node), number)
    ends = [*(output.value for output in graph.outputs), *(head.value for head in graph.aux)]
    return last | {id(value): len(graph.nodes) for value in ends}


def _crossing(graph: Graph, start: int, last: dict[int, int]) -> Iterator[Value]:
    """The values that exist before a layer, and that it or a later one takes.

    Values that are the same for every sample do not cross: each stage can make them.
    """
    made = [v for node in graph.nodes[:start] if node.op.kind not in SOURCES for v in node.outputs]
    for value in (*graph.inputs, *made):
        if last.get(id(value), -1) >= start:
            yield value


def _bytes(value: Value) -> int | Sym:
    return value.type.size * ITEM_BYTES[value.type.dtype]
