"""Gives items their names: nested groups as in the original, labels, and positions."""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING

from netdsl.importers.writing.tree import CallItem, GroupItem, Item, JoinItem, LeafItem, RepeatItem

if TYPE_CHECKING:
    from netdsl.importers.flat import Flat
    from netdsl.importers.writing.tree import Path

# Layers without weights that belong to the layer before them.
FOLLOWING = set(
    "relu relu6 leaky_relu elu selu gelu silu mish sigmoid tanh softplus hard_swish hard_sigmoid"
    " softmax log_softmax clamp add mul dropout".split()
)


class Scopes:
    """The scopes of the original that contain layers with names."""

    def __init__(self, flat: Flat) -> None:
        paths = [layer.path for layer in flat.layers if layer.path]
        self.containers = {path[:i] for path in paths for i in range(len(path))}
        self._used: dict[Path, set[str]] = {}

    def name(self, items: list[Item]) -> list[Item]:
        """The items with labels and in groups."""
        self._place(items, ())
        return self._grouped(items, ())

    # ---- the scope of each item

    def _place(self, items: list[Item], around: Path) -> None:
        """Find the scope of each item; `around` is that of the item before the chain."""
        for item in items:
            if isinstance(item, JoinItem):
                for arm in item.arms:
                    self._place(arm, self._first(arm) or around)
            item_scope = self._known(item)
            if isinstance(item, (LeafItem, JoinItem)):
                item.scope = item_scope
        before = around
        for i, item in enumerate(items):
            assert isinstance(item, (LeafItem, JoinItem))
            if item.scope is None:
                after = self._first(items[i + 1 :])
                if after is None or item.layer.kind in FOLLOWING:
                    item.scope = before
                else:
                    item.scope = _common(before, after)
            before = item.scope

    def _known(self, item: Item) -> Path | None:
        """The scope that names in the original give an item."""
        if isinstance(item, LeafItem):
            if item.layer.path:
                return item.layer.path[:-1]
            return self._container(item.layer.node.scope)
        assert isinstance(item, JoinItem)
        inner = [s for arm in item.arms for s in [self._shared(arm)] if s is not None]
        own = self._container(item.layer.node.scope)
        if own is not None:
            inner.append(own)
        if not inner:
            return None
        shared = inner[0]
        for scope in inner[1:]:
            shared = _common(shared, scope)
        return shared

    def _shared(self, items: list[Item]) -> Path | None:
        """The scope that contains all items whose scope is known."""
        shared: Path | None = None
        for item in items:
            scope = self._known(item)
            if scope is not None:
                shared = scope if shared is None else _common(shared, scope)
        return shared

    def _first(self, items: list[Item]) -> Path | None:
        """The first scope that is known."""
        return next((s for item in items for s in [self._known(item)] if s is not None), None)

    def _container(self, scope: Path) -> Path | None:
        """The part of a module's path that is a scope with names; None without a path."""
        if not scope:
            return None
        while scope not in self.containers:
            scope = scope[:-1]
            if not scope:
                return ()
        return scope

    # ---- groups

    def _grouped(self, items: list[Item], prefix: Path) -> list[Item]:
        """Put consecutive items of the same inner scope into a group."""
        depth = len(prefix)

        def part(item: Item) -> str:
            assert isinstance(item, (LeafItem, JoinItem))
            scope = item.scope or ()
            if len(scope) > depth and scope[:depth] == prefix:
                return scope[depth]
            return ""

        grouped: list[Item] = []
        for label, run in groupby(items, part):
            if label:
                name = self._unused(prefix, label)
                grouped.append(GroupItem(self._grouped(list(run), (*prefix, label)), name))
                continue
            for item in run:
                if isinstance(item, LeafItem) and item.layer.path:
                    item.label = self._unused(prefix, item.layer.path[-1])
                elif isinstance(item, JoinItem):
                    item.arms = [self._grouped(arm, prefix) for arm in item.arms]
                grouped.append(item)
        return grouped

    def _unused(self, scope: Path, label: str) -> str:
        """The label, with a number if the scope has it already."""
        used = self._used.setdefault(scope, set())
        name, number = label, 1
        while name in used:
            number += 1
            name = f"{label}_{number}"
        used.add(name)
        return name


def _common(a: Path, b: Path) -> Path:
    """The beginning that two paths share."""
    n = 0
    while n < min(len(a), len(b)) and a[n] == b[n]:
        n += 1
    return a[:n]


def drop_positions(items: list[Item], kept: set[str]) -> None:
    """Remove labels that are the position of their item, which a layer without a label has.

    The labels of layers that make the values `kept` stay, because references name them. A layer
    without a label whose position is the label of another one gets a label too.
    """
    _number(items, kept)
    all_members = members(items)
    labelled = [m.label for m in all_members if not isinstance(m, JoinItem)]
    numbers = {int(label) for label in labelled if label.isdecimal()}
    plain = {i for i, m in enumerate(all_members) if isinstance(m, JoinItem) or not m.label}
    last = -1
    for position, member in enumerate(all_members):
        if isinstance(member, JoinItem):
            continue
        if member.label:
            last = int(member.label) if member.label.isdecimal() else last
        elif position in numbers and not isinstance(member, GroupItem):
            plain.remove(position)
            last += 1
            while last in numbers or last in plain:
                last += 1
            member.label = str(last)
            numbers.add(last)


def members(items: list[Item]) -> list[LeafItem | JoinItem | GroupItem | CallItem]:
    """The items that take a position in a scope, in the order of their positions."""
    found: list[LeafItem | JoinItem | GroupItem | CallItem] = []
    for item in items:
        if isinstance(item, JoinItem):
            for arm in item.arms:
                found += members(arm)
            found.append(item)
        elif isinstance(item, RepeatItem):
            for each in item.rounds:
                found += members(each)
        elif not (isinstance(item, LeafItem) and item.layer.kind == "identity"):
            found.append(item)
    return found


def _number(items: list[Item], kept: set[str]) -> None:
    """Remove the labels that are positions in a scope and in those inside it."""
    for i, member in enumerate(members(items)):
        if isinstance(member, GroupItem):
            drop_positions(member.items, kept)
        elif isinstance(member, CallItem):
            drop_positions(member.group.items, kept)
        is_plain = isinstance(member, (LeafItem, CallItem)) and member.output not in kept
        if not isinstance(member, JoinItem) and is_plain and member.label == str(i):
            member.label = ""


def quoted(label: str) -> str:
    """A label as it is written."""
    if re.fullmatch(r"[A-Za-z_]\w*(\{[^}]*\}\w*)*", label):
        return label
    return f'"{label}"'
