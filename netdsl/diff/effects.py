"""How two graphs differ, layer by layer, once their layers are matched."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.diff.parts import comparable, is_of_join
from netdsl.diff.wiring import Wiring
from netdsl.ops.args import show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.diff.matching import Matching
    from netdsl.diff.parts import NetPart
    from netdsl.ir.graph import Value

WHATS = (
    "input",
    "output",
    "removed",
    "added",
    "moved",
    "replaced",
    "block",
    "wrapped",
    "unwrapped",
    "argument",
    "inputs",
    "renamed",
    "frozen",
    "shared",
    "aux",
)


class Effect(NamedTuple):
    """One difference of one layer or scope, or of an input of the net.

    `what` is one of `WHATS`; `a` and `b` are the parts of the two nets, of which one is None if it
    is new or gone. `name`, `old` and `new` are those of an argument, or the labels, kinds, shapes
    or inputs that differ.
    """

    what: str
    a: NetPart | Value | None
    b: NetPart | Value | None
    name: str = ""
    old: str = ""
    new: str = ""

    @property
    def part(self) -> NetPart | Value:
        """The part of the second net, or of the first if it is gone."""
        part = self.b or self.a
        assert part is not None
        return part

    @property
    def kind(self) -> str:
        """The kind of the layer or the name of the block; empty for an input or an output."""
        return getattr(self.part, "kind", "")


def effects_of(matching: Matching) -> list[Effect]:
    """All differences but those of shapes and positions, in the order of the second net."""
    wiring = Wiring(matching)
    effects = [
        *_of_inputs(matching),
        *(Effect("removed", a, None) for a in matching.removed if not is_of_join(a)),
        *(Effect("added", None, b) for b in matching.added if not is_of_join(b)),
        *(Effect("replaced", a, b, "", _kind(a), _kind(b)) for a, b in matching.replaced),
        *(Effect("wrapped", None, b) for b in matching.wrapped),
        *(Effect("unwrapped", a, None) for a in matching.unwrapped),
        *(Effect("moved", a, b) for a, b in matching.moved if wiring.has_moved(a, b)),
    ]
    for a, b in matching.pairs():
        effects += _of_pair(a, b, wiring)
    replaced = {id(a) for a, _ in matching.replaced}
    effects = [e for e in effects if not (e.what == "renamed" and id(e.a) in replaced)]
    return [*effects, *_of_outputs(matching, effects), *_of_heads(matching)]


def _of_heads(matching: Matching) -> Iterator[Effect]:
    """The auxiliary heads whose loss has another weight."""
    before, after = (graph.aux for graph in matching.graphs)
    weights = {head.name: head for head in before}
    for head in after:
        old = weights.get(head.name)
        if old is not None and old.weight != head.weight:
            shown_weights = str(old.weight), str(head.weight)
            yield Effect("aux", old.value, head.value, head.name, *shown_weights)


def _of_inputs(matching: Matching) -> Iterator[Effect]:
    """The differences of the inputs, which are compared in their order."""
    before, after = (graph.inputs for graph in matching.graphs)
    for a, b in zip(before, after, strict=False):
        if a.name != b.name:
            yield Effect("input", a, b, "name", a.name, b.name)
        if a.type != b.type:
            yield Effect("input", a, b, "", str(a.type), str(b.type))
    for a in before[len(after) :]:
        yield Effect("input", a, None, "", str(a.type), "")
    for b in after[len(before) :]:
        yield Effect("input", None, b, "", "", str(b.type))


def _of_outputs(matching: Matching, effects: list[Effect]) -> Iterator[Effect]:
    """The outputs that are called or chosen differently, unless a layer's new name says so."""
    before, after = (graph.outputs for graph in matching.graphs)
    renamed = {(e.old, e.new) for e in effects if e.what == "renamed"}
    for a, b in zip(before, after, strict=False):
        if a.name != b.name and (a.name, b.name) not in renamed:
            yield Effect("output", a.value, b.value, "name", a.name, b.name)
    for a in before[len(after) :]:
        yield Effect("output", a.value, None, "", a.name, "")
    for b in after[len(before) :]:
        yield Effect("output", None, b.value, "", "", b.name)


def _kind(part: NetPart) -> str:
    return part.kind or "group"


def _of_pair(a: NetPart, b: NetPart, wiring: Wiring) -> Iterator[Effect]:
    """The differences between two parts that are the same part of the two nets."""
    if a.label != b.label and a.outer is not None:
        yield Effect("renamed", a, b, "", a.item.label, b.item.label)
    if not a.is_layer:
        if a.kind != b.kind:
            yield Effect("block", a, b, "", _kind(a), _kind(b))
        return
    if a.kind == b.kind:
        yield from _arguments(a, b, wiring)
    changed = wiring.changed_inputs(a, b)
    if changed is not None:
        yield Effect("inputs", a, b, "", *changed)
    if a.node.frozen != b.node.frozen:
        words = ("learned", "frozen")
        yield Effect("frozen", a, b, "", words[a.node.frozen], words[b.node.frozen])
    sharing = wiring.sharing(a), wiring.sharing(b)
    if sharing[0] != sharing[1]:
        yield Effect("shared", a, b, "", *map(_sharing_text, sharing))


def _arguments(a: NetPart, b: NetPart, wiring: Wiring) -> Iterator[Effect]:
    old, new = a.node.op.given, b.node.op.given
    for name in old:
        if comparable(old[name]) != comparable(new[name]) or wiring.other_weight(
            old[name], new[name]
        ):
            yield Effect("argument", a, b, name, shown(old[name]), shown(new[name]))


def shown(value: object) -> str:
    """The value of an argument, as its author would write it."""
    if isinstance(value, tuple) and value and all(type(v) is int for v in value):
        return "x".join(map(str, value))
    if value is None:
        return "none"
    return show(value).strip('"')


def _sharing_text(sharing: tuple[str, str] | None) -> str:
    if sharing is None:
        return "weights of its own"
    return f"the weights of {sharing[1]}"
