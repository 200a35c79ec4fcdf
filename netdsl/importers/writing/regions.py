"""Finds the structure of a net: chains, joins whose arms start from one value, and references."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.importers.writing.plain import JOINS, OPERATORS
from netdsl.importers.writing.tree import Item, JoinItem, LeafItem

if TYPE_CHECKING:
    from netdsl.importers.flat import Flat, FlatLayer

ENLARGING = ("upsample", "deconv")
LONG_ARM = 30  # layers beside an empty arm of a concat; a longer arm reads better with a reference
LONG_RESIDUAL = 80  # the same for other joins
NESTED = 40  # joins inside each other


class Regions:
    """The structure of a flat net.

    A region begins at a value and ends at a join that every path from the value passes: the
    immediate post-dominator of the value. If its paths share no layer, they are the arms of the
    join. Everything else is written with references.
    """

    def __init__(self, flat: Flat) -> None:
        self.flat = flat
        self.order = {id(layer): i for i, layer in enumerate(flat.layers)}
        self.users = flat.uses()
        self.makers = flat.producers()
        self.ends = {value for _, value in flat.outputs}
        self._depth: list[int] = []
        self._above: list[int] = []
        self._dominators()

    def items(self) -> list[Item]:
        """The whole net as one chain from its first input."""
        return self._chain(self.flat.inputs[0].value, list(self.flat.layers), 0)

    # ---- post-dominators

    def _dominators(self) -> None:
        """The immediate post-dominator of each layer; the number of layers is the exit."""
        count = len(self.flat.layers)
        self._above = [count] * (count + 1)
        self._depth = [0] * (count + 1)
        for i in range(count - 1, -1, -1):
            layer = self.flat.layers[i]
            above = self._after((layer.output, *layer.results.values()))
            self._above[i] = above
            self._depth[i] = self._depth[above] + 1

    def _after(self, values: tuple[str, ...]) -> int:
        """The first layer that every path from values passes, by its number."""
        exit_ = len(self.flat.layers)
        if any(value in self.ends for value in values):
            return exit_
        found = -1
        for user in (user for value in values for user in self.users.get(value, ())):
            number = self.order[id(user)]
            found = number if found < 0 else self._common(found, number)
        if found < 0:
            return exit_
        return found

    def _common(self, a: int, b: int) -> int:
        while a != b:
            if self._depth[a] < self._depth[b]:
                a, b = b, a
            a = self._above[a]
        return a

    # ---- chains

    def _chain(self, value: str, layers: list[FlatLayer], nested: int) -> list[Item]:
        """The items that compute layers, beginning at a value; the layers are in order."""
        pending = {id(layer): layer for layer in layers}
        made = {value} | self._outside(layers)
        items: list[Item] = []
        current = value
        while pending:
            users = [u for u in self._distinct(current) if id(u) in pending]
            join = None
            if len(users) > 1:
                join = self._join(current, users, pending, made, nested)
            if join is not None:
                items.append(join)
                for item in self._layers_of(join):
                    del pending[id(item)]
            else:
                layer = self._next(users, pending, made)
                start = None if _continues(layer, current) else layer.inputs[0]
                items.append(LeafItem(layer, start))
                del pending[id(layer)]
                made.update(layer.results.values())
            current = items[-1].output
            made.add(current)
        return items

    def _outside(self, layers: list[FlatLayer]) -> set[str]:
        """The values that layers take and do not make."""
        made = {v for layer in layers for v in (layer.output, *layer.results.values())}
        return {value for layer in layers for value in layer.taken} - made

    def _distinct(self, value: str) -> list[FlatLayer]:
        return list({id(user): user for user in self.users.get(value, ())}.values())

    def _next(
        self, users: list[FlatLayer], pending: dict[int, FlatLayer], made: set[str]
    ) -> FlatLayer:
        """The layer to write next: one that takes the current value, or else the first."""
        for layer in users:
            if all(value in made for value in layer.taken):
                return layer
        return next(p for p in pending.values() if all(v in made for v in p.taken))

    def _join(
        self,
        value: str,
        users: list[FlatLayer],
        pending: dict[int, FlatLayer],
        made: set[str],
        nested: int,
    ) -> JoinItem | None:
        """The join of the arms that start from a value, if it has that form."""
        number = self._after((value,))
        if number == len(self.flat.layers) or nested > NESTED:
            return None
        join = self.flat.layers[number]
        if join.kind not in JOINS or id(join) not in pending or join.tensors:
            return None
        inside = self._between(value, join, made)
        if inside is None:
            return None
        arms = self._arms(value, join, inside)
        if arms is None or self._is_long(join, arms):
            return None
        written = [self._chain(value, arm, nested + 1) for arm in arms]
        ends = [arm[-1].output if arm else value for arm in written]
        if ends != join.inputs:
            return None
        return JoinItem(join, written)

    def _between(self, value: str, join: FlatLayer, made: set[str]) -> list[FlatLayer] | None:
        """The layers between a value and a join, in order.

        None if they take a value from outside that is not made before.
        """
        found: dict[int, FlatLayer] = {}
        waiting = self._distinct(value)
        while waiting:
            layer = waiting.pop()
            if layer is join or id(layer) in found:
                continue
            found[id(layer)] = layer
            for output in (layer.output, *layer.results.values()):
                waiting += self._distinct(output)
        allowed = (
            made | {value} | {v for x in found.values() for v in (x.output, *x.results.values())}
        )
        if not all(v in allowed for x in (*found.values(), join) for v in x.taken):
            return None
        return sorted(found.values(), key=lambda layer: self.order[id(layer)])

    def _arms(
        self, value: str, join: FlatLayer, inside: list[FlatLayer]
    ) -> list[list[FlatLayer]] | None:
        """The layers of each arm, if no layer belongs to two."""
        inner = {id(layer) for layer in inside}
        members = set(inner)
        arms = []
        for end in join.inputs:
            arm: dict[int, FlatLayer] = {}
            waiting = [end]
            while waiting:
                name = waiting.pop()
                maker = self.makers.get(name)
                if name == value or maker is None or id(maker) in arm or id(maker) not in inner:
                    continue
                if id(maker) not in members:
                    return None
                arm[id(maker)] = maker
                waiting += maker.taken
            members -= set(arm)
            arms.append(sorted(arm.values(), key=lambda layer: self.order[id(layer)]))
        if not members:
            return arms
        return None

    def _is_long(self, join: FlatLayer, arms: list[list[FlatLayer]]) -> bool:
        """Whether a reference to the value reads better than an empty arm beside a long one."""
        if all(arms):
            return False
        longest = max(map(len, arms))
        if join.kind != "concat":
            return longest > LONG_RESIDUAL
        enlarges = any(layer.kind in ENLARGING for arm in arms for layer in arm)
        return enlarges or longest > LONG_ARM

    def _layers_of(self, join: JoinItem) -> list[FlatLayer]:
        found = [join.layer]
        for arm in join.arms:
            for item in arm:
                if isinstance(item, JoinItem):
                    found += self._layers_of(item)
                elif isinstance(item, LeafItem):
                    found.append(item.layer)
        return found


def _continues(layer: FlatLayer, current: str) -> bool:
    """Whether a call can take the current value: a join anywhere, other layers as the first."""
    if layer.kind in JOINS or layer.kind in OPERATORS:
        return current in layer.inputs
    return current == layer.inputs[0]
