"""Turns runs of equal items into `repeat`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.importers.writing.blocks import SkeletonLabel, entry, skeleton, slots
from netdsl.importers.writing.tree import (
    CallItem,
    GroupItem,
    Item,
    JoinItem,
    LeafItem,
    RepeatItem,
    leaves,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netdsl.importers.flat import Flat

LONGEST = 12  # items of a round
NUMBERED = re.compile(r"(.*?)(\d+)")


class Loops:
    """Finds the runs of a net whose values nothing refers to from outside the run.

    `kept` are the values that references name, and `expressions` those of the block, if the items
    are its body.
    """

    def __init__(
        self, flat: Flat, kept: set[str], expressions: Mapping[tuple[int, str], str]
    ) -> None:
        self.flat = flat
        self.kept = kept
        self.expressions = expressions

    def run(self, items: list[Item], depth: int = 0) -> list[Item]:
        """The items with their runs as `Repeat`."""
        for item in items:
            if isinstance(item, JoinItem):
                item.arms = [self.run(arm, depth + 1) for arm in item.arms]
            elif isinstance(item, GroupItem):
                item.items = self.run(item.items, depth + 1)
        result: list[Item] = []
        i = 0
        while i < len(items):
            period, count = self._longest(items, i)
            if count > 1:
                rounds = [items[i + k * period : i + (k + 1) * period] for k in range(count)]
                result.append(_repeat(rounds))
            else:
                result.append(items[i])
            i += period * count
        return result

    def _longest(self, items: list[Item], i: int) -> tuple[int, int]:
        """The period and the number of rounds that save most, beginning at an item."""
        best, saved = (1, 1), 0
        for period in range(1, min(LONGEST, (len(items) - i) // 2) + 1):
            first = self._form(items[i : i + period], 0)
            count = 1
            while first is not None:
                begin = i + count * period
                other = items[begin : begin + period]
                if len(other) < period or self._form(other, count) != first:
                    break
                count += 1
            gain = (count - 1) * period
            if count > 1 and gain > saved and self._pays(items[i : i + period], count):
                best, saved = (period, count), gain
        return best

    def _pays(self, items: list[Item], count: int) -> bool:
        """Whether a loop is shorter than its rounds written one after the other."""
        layers = sum(1 for _ in leaves(items))
        return layers * (count - 1) >= 2 and not (len(items) == 1 and layers == 1 and count < 3)

    def _form(self, items: list[Item], number: int) -> object | None:
        """What the rounds of a loop have in common; None if something refers into the round."""
        local: dict[str, int] = {entry(GroupItem(items)): -1}
        for k, leaf in enumerate(leaves(items)):
            if leaf.output in self.kept or any(v not in local for v in leaf.layer.inputs):
                return None
            local[leaf.output] = k
            if leaf.layer.results:
                return None
        values = tuple(
            (name, self.expressions.get((id(item), name)) or str(value))
            for item, name, value in slots(items)
        )
        shape = _relative(skeleton(items, local), number)
        refers = tuple(
            v for leaf in leaves(items) for v in leaf.layer.tensors.values() if v not in local
        )
        return shape, values, refers


def _relative(part: object, number: int) -> object:
    """A skeleton in which the number at the end of each label is relative to the round."""
    if isinstance(part, tuple):
        return tuple(_relative(p, number) for p in part)
    if isinstance(part, SkeletonLabel) and (match := NUMBERED.fullmatch(part)):
        return f"{match[1]}<{int(match[2]) - number}>"
    return part


def _repeat(rounds: list[list[Item]]) -> RepeatItem:
    """A loop; the labels of its first round count, if they differ between rounds."""
    repeat = RepeatItem(rounds)
    first, second = (list(_labelled(each)) for each in rounds[:2])
    for item, other in zip(first, second, strict=True):
        if item.label != other.label:
            repeat.counter = "i"
            match = NUMBERED.fullmatch(item.label)
            assert match is not None
            start = int(match[2])
            item.label = f"{match[1]}{{i + {start}}}" if start else f"{match[1]}{{i}}"
    return repeat


def _labelled(items: list[Item]) -> list[LeafItem | GroupItem | CallItem]:
    found: list[LeafItem | GroupItem | CallItem] = []
    for item in items:
        if isinstance(item, JoinItem):
            for arm in item.arms:
                found += _labelled(arm)
        elif isinstance(item, GroupItem):
            found += [item, *_labelled(item.items)]
        elif isinstance(item, (LeafItem, CallItem)):
            found.append(item)
    return found
