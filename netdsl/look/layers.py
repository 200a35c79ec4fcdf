"""Which layers and units a view shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from netdsl.analysis.field import layer_named
from netdsl.diagnostics import did_you_mean
from netdsl.errors import NetdslError
from netdsl.look.net import units_of
from netdsl.words import counted, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.ir.graph import Graph, Node

T = TypeVar("T")
MOST_NAMES = 8  # in advice
FOLLOWING = ("activation", "normalisation")  # families of layers that belong to the one before


class UnitChoice(NamedTuple):
    """What the user wants to see: a layer, a unit of it, and the seed of what is random."""

    layer: Node | None = None
    unit: int | None = None
    seed: int = 0


def choose(graph: Graph, layer: str | None, unit: int | None, seed: int) -> UnitChoice:
    """The choice for the name of a layer and the number of a unit.

    Raises `NetdslError` for a layer or a unit that does not exist.
    """
    if layer is None:
        if unit is not None:
            raise _wrong(graph, f"--unit {unit} has no layer", "name its layer: `--layer NAME`")
        return UnitChoice(seed=seed)
    node = layer_named(graph, layer)
    if node is None or node.aux is not None:
        message = f"`{graph.name}` has no layer `{layer[:60]}`"
        if node is not None:
            message = f"`{layer[:60]}` belongs to an auxiliary head, which exists only in training"
        raise _wrong(graph, message, _similar(graph, layer))
    count = units_of(node)
    if unit is not None and unit >= count:
        message = f"`{node.name}` has no unit {unit}: it has {counted(count, 'unit')}"
        raise _wrong(graph, message, f"the units of `{node.name}` are 0 to {count - 1}")
    return UnitChoice(node, unit, seed)


def _similar(graph: Graph, name: str) -> str:
    """Advice for a name that no layer has: similar names, or some of all names."""
    names = [n.name for n in graph.nodes if n.aux is None and not n.label.isdigit()]
    similar = did_you_mean(name, [*names, *graph.scopes])
    if similar is not None:
        return similar
    shown = listed([f"`{n}`" for n in spread(names, MOST_NAMES)])
    return f"layers are {shown}; `netdsl check` lists them all"


def _wrong(graph: Graph, message: str, help_: str) -> NetdslError:
    return NetdslError("wrong-unit", message, graph.site.span, help=help_)


def is_map(node: Node) -> bool:
    """Whether the result of a layer has channels, rows and columns, and several places."""
    shape = node.type.shape
    return len(shape) == 3 and shape[1:] != (1, 1)


def followed(graph: Graph, node: Node, families: tuple[str, ...] = FOLLOWING) -> Node:
    """The last of the activations and normalisations that follow a layer directly, or itself."""
    uses = graph.uses()
    while True:
        after = uses.get(id(node.output), [])
        if len(after) != 1 or after[0].op.family not in families or after[0].aux is not None:
            return node
        node = after[0]


def title_of(graph: Graph, node: Node) -> str:
    """The name of a layer for people: `C1 → tanh`, `layer1.0.6 (relu)`."""
    if not node.label.isdigit():
        return node.name
    (source, *others) = node.inputs
    before = source.producer
    if node.op.family in FOLLOWING and before is not None and not others:
        return f"{title_of(graph, before)} → {node.op.kind}"
    return f"{node.name} ({node.op.kind})"


def spread(items: Sequence[T], most: int) -> list[T]:
    """At most so many items, evenly spread, with the first and the last."""
    if len(items) <= most:
        return list(items)
    if most == 1:
        return [items[0]]
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]


def stages(graph: Graph) -> list[Node]:
    """The layers whose maps are worth a look: of a convolution its activation, and what pools."""
    found: dict[int, Node] = {}
    for node in graph.nodes:
        if node.aux is not None or not is_map(node):
            continue
        if node.op.family in ("convolution", "join"):
            last = followed(graph, node)
            found[id(last)] = last
        if node.op.family == "pooling":
            found[id(node)] = node
    return list(found.values())


def with_maps(graph: Graph) -> list[Node]:
    """The convolutions that give maps, or rather the normalisations that follow them.

    A normalisation can turn the sign of a convolution; what saturates comes after both.
    """
    found: dict[int, Node] = {}
    for node in graph.nodes:
        if node.aux is None and node.op.family == "convolution" and is_map(node):
            last = followed(graph, node, ("normalisation",))
            found[id(last)] = last
    return list(found.values())


def units_to_show(node: Node, choice: UnitChoice, most: int) -> list[int]:
    """The unit that the user chose, or the first units of a layer."""
    if choice.unit is not None:
        return [choice.unit]
    return list(range(min(units_of(node), most)))
