"""Which layers take other values than before, apart from what layers between them explain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.diff.align import align
from netdsl.ir.op import Weight

if TYPE_CHECKING:
    from netdsl.diff.matching import Matching
    from netdsl.diff.parts import NetPart
    from netdsl.ir.graph import Node, Value

Source = tuple[object, str]  # a layer or an input of the second net, and the name of its result

_SYMMETRIC = ("add", "mul", "max")  # with two inputs, their order does not matter


class Wiring:
    """The values that layers take, in terms of the layers of the second net."""

    def __init__(self, matching: Matching) -> None:
        # The name of the first net's inputs in the second.
        self._inputs = {
            id(a): b.name
            for a, b in zip(*(graph.inputs for graph in matching.graphs), strict=False)
        }
        self._partners: dict[int, Node] = {}  # of layers of either net that stay in their place
        self._modules: dict[str, str] = {}  # the names of weights of the first net in the second
        self._all: dict[int, Node] = {}
        moved = {id(p) for pair in matching.moved for part in pair for p in part.walk()}
        for a, b in matching.pairs():
            if not a.is_layer:
                continue
            self._all |= {id(a.node): b.node, id(b.node): b.node}
            self._modules[a.node.name] = b.node.name
            if id(a) not in moved:
                self._partners |= {id(a.node): b.node, id(b.node): b.node}
        self._sources: dict[int, frozenset[Source]] = {}

    def sharing(self, part: NetPart) -> tuple[str, str] | None:
        """The layer whose weights a layer uses, as one of the second net, and as its own net's."""
        node = part.node
        if not node.shared:
            return None
        return self._partner_name(node), node.module

    def _partner_name(self, node: Node) -> str:
        is_first = self._all.get(id(node)) is not node
        return self._modules.get(node.module, node.module) if is_first else node.module

    def other_weight(self, old: object, new: object) -> bool:
        """Whether two arguments are weights of different layers."""
        if not (isinstance(old, Weight) and isinstance(new, Weight)):
            return False
        owner, _, tensor = old.name.rpartition(".")
        return f"{self._modules.get(owner, owner)}.{tensor}" != new.name

    # ---- inputs

    def changed_inputs(self, a: NetPart, b: NetPart) -> tuple[str, str] | None:
        """What a layer took and takes, if no layer that came, went or moved explains it.

        If both are the same positions, those of the first net have their new names, too.
        """
        if id(a.node) not in self._partners:
            return None
        old, new = a.node.inputs, b.node.inputs
        before = [self._reached(v) for v in old]
        after = [self._reached(v) for v in new]
        if len(old) == len(new):
            if all(x & y or not (x | y) for x, y in zip(before, after, strict=True)):
                return None
            if b.kind in _SYMMETRIC and len(new) == 2 and _fit(before, after[::-1]):
                return None
        elif self._explained(old, new, before, after):
            return None
        names = ", ".join(v.name for v in new)
        if names != ", ".join(v.name for v in old):
            return ", ".join(v.name for v in old), names
        renamed = ", ".join(map(self._name_now, old))
        return None if renamed == names else (renamed, names)

    def _name_now(self, value: Value) -> str:
        """The name of a value of the first net, and what its layer is called in the second."""
        if value.producer is None:
            return value.name
        partner = self._all.get(id(value.producer))
        if partner is None:
            return f"{value.name} (removed)"
        if partner.name == value.producer.name:
            return value.name
        return f"{value.name} (now {partner.name})"

    def _explained(
        self,
        old: tuple[Value, ...],
        new: tuple[Value, ...],
        before: list[frozenset[Source]],
        after: list[frozenset[Source]],
    ) -> bool:
        """Whether the inputs that are more or fewer come from layers that are new or gone."""
        pairs = align(before, after, lambda sources: sources, lambda x, y: float(bool(x & y)))
        kept = {i for i, _ in pairs}, {j for _, j in pairs}
        others = [
            v
            for side, values in enumerate((old, new))
            for n, v in enumerate(values)
            if n not in kept[side]
        ]
        return all(v.producer is not None and id(v.producer) not in self._partners for v in others)

    def has_moved(self, a: NetPart, b: NetPart) -> bool:
        """Whether the values that flow into two equal parts, or out of them, differ."""
        inside_a = [p.node for p in a.walk() if p.is_layer]
        inside_b = [p.node for p in b.walk() if p.is_layer]
        return any(
            [self._direct(v) for v in x.inputs] != [self._direct(v) for v in y.inputs]
            for x, y in zip(inside_a, inside_b, strict=True)
        )

    def _direct(self, value: Value) -> object:
        """The value as one of the second net, whatever has moved."""
        if value.producer is None:
            return self._inputs.get(id(value), value.name)
        return id(self._all.get(id(value.producer), value.producer)), _result(value)

    def _reached(self, value: Value) -> frozenset[Source]:
        """The values of layers that stayed from which a value is made, by layers that did not."""
        found: set[Source] = set()
        waiting, seen = [value], {id(value)}
        while waiting:
            value = waiting.pop()
            known = self._sources.get(id(value))
            if known is not None:
                found |= known
                continue
            partner = value.producer and self._partners.get(id(value.producer))
            if value.producer is None:
                found.add(("", self._inputs.get(id(value), value.name)))
            elif partner is not None:
                found.add((id(partner), _result(value)))
            else:
                fresh = [v for v in value.producer.inputs if id(v) not in seen]
                seen.update(map(id, fresh))
                waiting += fresh
        return frozenset(found)


def _result(value: Value) -> str:
    """Which result of its layer a value is; empty for the first."""
    assert value.producer is not None
    return next((n for n, v in value.producer.results.items() if v is value), "")


def _fit(before: list[frozenset[Source]], after: list[frozenset[Source]]) -> bool:
    return all(x & y for x, y in zip(before, after, strict=True))
