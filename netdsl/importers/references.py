"""Labels the values that other parts of a text refer to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.importers.flat import Layer
from netdsl.importers.plain import tied_of
from netdsl.importers.scopes import quoted
from netdsl.importers.tree import Group, Item, Join, Leaf, leaves

if TYPE_CHECKING:
    from netdsl.importers.flat import Flat


def referred(flat: Flat, items: list[Item]) -> set[str]:
    """The values that a text refers to, because they are not the current value there."""
    found: set[str] = set()
    last = _scan(items, flat.inputs[0].value, found)
    found |= {value for _, value in flat.outputs if value != last}
    return found


def _scan(items: list[Item], current: str, found: set[str]) -> str:
    for item in items:
        if isinstance(item, Join):
            for arm in item.arms:
                _scan(arm, current, found)
        elif isinstance(item, Group):
            _scan(item.items, current, found)
        elif isinstance(item, Leaf):
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
        if isinstance(item, Join):
            item.arms = [add_identities(arm, values) for arm in item.arms]
            if item.output in values:
                same = Layer("identity", item.output, [item.output], item.layer.node)
                result.append(Leaf(same))
    return result


def label(flat: Flat, items: list[Item], values: set[str]) -> dict[str, str]:
    """Give labels to the layers that make values; returns the path of each value."""
    names = {each.value: each.name for each in flat.inputs}
    used = {leaf.label for leaf in leaves(items) if isinstance(leaf, Leaf)} | set(names.values())
    _label(items, values, "", names, used)
    return names


def _label(
    items: list[Item], values: set[str], prefix: str, names: dict[str, str], used: set[str]
) -> None:
    for item in items:
        if isinstance(item, Join):
            for arm in item.arms:
                _label(arm, values, prefix, names, used)
        elif isinstance(item, Group):
            inner = f"{prefix}{quoted(item.label)}." if item.label else prefix
            _label(item.items, values, inner, names, used)
        elif isinstance(item, Leaf):
            wanted = {item.output, *item.layer.results.values()} & values
            if wanted and not item.label:
                item.label = _unused(item.layer.kind, used)
            if item.output in values or wanted:
                path = f"{prefix}{quoted(item.label)}"
                names[item.output] = path
                names |= {value: f"{path}.{r}" for r, value in item.layer.results.items()}


def _unused(kind: str, used: set[str]) -> str:
    plain = re.sub(r"\W", "", kind) or "value"
    if plain in ("identity", "add", "concat"):
        plain = "skip"
    number = 1
    while f"{plain}{number}" in used:
        number += 1
    used.add(f"{plain}{number}")
    return f"{plain}{number}"
