"""Labels the values that other parts of a text refer to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.importers.flat import FlatLayer
from netdsl.importers.writing.plain import tied_of
from netdsl.importers.writing.scopes import quoted
from netdsl.importers.writing.tree import GroupItem, Item, JoinItem, LeafItem, leaves

if TYPE_CHECKING:
    from netdsl.importers.flat import Flat
    from netdsl.importers.writing.tree import Path


def referred(flat: Flat, items: list[Item]) -> set[str]:
    """The values that a text refers to, because they are not the current value there."""
    found: set[str] = set()
    last = _scan(items, flat.inputs[0].value, found)
    found |= {value for _, value in flat.outputs if value != last}
    return found


def _scan(items: list[Item], current: str, found: set[str]) -> str:
    for item in items:
        if isinstance(item, JoinItem):
            for arm in item.arms:
                _scan(arm, current, found)
        elif isinstance(item, GroupItem):
            _scan(item.items, current, found)
        elif isinstance(item, LeafItem):
            start = current if item.start is None else item.start
            if item.start is not None:
                found.add(item.start)
            found |= {value for value in item.layer.taken if value != start}
            found |= {tied.owner.output for tied in tied_of(item.layer).values()}
        current = item.output
    return current


def add_identities(items: list[Item], values: set[str]) -> list[Item]:
    """Put an `identity`, which can have a label, after each join whose value is referred to."""
    result: list[Item] = []
    for item in items:
        result.append(item)
        if isinstance(item, JoinItem):
            item.arms = [add_identities(arm, values) for arm in item.arms]
            if item.output in values:
                same = FlatLayer("identity", item.output, [item.output], item.layer.node)
                result.append(LeafItem(same))
    return result


class PathNames:
    """The labels on the way to each value that references name, and to each group."""

    def __init__(self, flat: Flat, items: list[Item], values: set[str]) -> None:
        self.values: dict[str, Path] = {each.value: (each.name,) for each in flat.inputs}
        self.groups: dict[int, Path] = {}
        self._wanted = values
        self._used = {leaf.label for leaf in leaves(items) if isinstance(leaf, LeafItem)}
        self._used |= {each.name for each in flat.inputs}
        self._label(items, ())

    def _label(self, items: list[Item], prefix: Path) -> None:
        """Give labels to the layers that make wanted values, and note the paths of values."""
        for item in items:
            if isinstance(item, JoinItem):
                for arm in item.arms:
                    self._label(arm, prefix)
            elif isinstance(item, GroupItem):
                inner = (*prefix, item.label) if item.label else prefix
                self.groups[id(item)] = inner
                self._label(item.items, inner)
            elif isinstance(item, LeafItem):
                self._leaf(item, prefix)

    def _leaf(self, item: LeafItem, prefix: Path) -> None:
        if not {item.output, *item.layer.results.values()} & self._wanted:
            return
        if not item.label:
            item.label = _unused(item.layer.kind, self._used)
        path = (*prefix, item.label)
        self.values[item.output] = path
        self.values |= {value: (*path, r) for r, value in item.layer.results.items()}

    def path(self, value: str, scope: Path) -> str:
        """How a value is written after `@` in a scope: without the scopes around both."""
        parts = self.values[value]
        n = 0
        while n < min(len(scope), len(parts) - 1) and scope[n] == parts[n]:
            n += 1
        return ".".join(map(quoted, parts[n:]))


def _unused(kind: str, used: set[str]) -> str:
    plain = re.sub(r"\W", "", kind) or "value"
    if plain in ("identity", "add", "concat"):
        plain = "skip"
    number = 1
    while f"{plain}{number}" in used:
        number += 1
    used.add(f"{plain}{number}")
    return f"{plain}{number}"
