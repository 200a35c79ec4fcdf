"""Writes the body of a block in the place of its call, if that is the only one."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from netdsl.importers.writing.blocks import entry, slots
from netdsl.importers.writing.plain import value_text
from netdsl.importers.writing.tree import (
    CallItem,
    FoldedBlock,
    GroupItem,
    Item,
    JoinItem,
    RepeatItem,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


def inlined(items: list[Item], blocks: list[FoldedBlock]) -> list[FoldedBlock]:
    """The blocks that stay; the bodies of the others are in the places of their calls."""
    kept = list(blocks)
    while True:
        places = [(items, None), *((b.body.items, b) for b in kept if b.body is not None)]
        counts = Counter(
            id(call.block) for part, _ in places for call, _, _ in calls(part) if call.block in kept
        )
        for part, outer in places:
            found = next(
                (
                    (call, inside, i)
                    for call, inside, i in calls(part)
                    if counts[id(call.block)] == 1 and _can(call, outer)
                ),
                None,
            )
            if found is not None:
                call, inside, i = found
                _inline(call, inside, i, outer)
                kept.remove(call.block)
                break
        else:
            return kept


def calls(items: list[Item]) -> Iterator[tuple[CallItem, list[Item], int]]:
    """Every call in items, with the list that contains it and its place there."""
    for i, item in enumerate(items):
        if isinstance(item, CallItem):
            yield item, items, i
        elif isinstance(item, JoinItem):
            for arm in item.arms:
                yield from calls(arm)
        elif isinstance(item, GroupItem):
            yield from calls(item.items)
        elif isinstance(item, RepeatItem):
            yield from calls(item.rounds[0])


def _can(call: CallItem, outer: FoldedBlock | None) -> bool:
    """Whether the body means the same in the place of the call."""
    if outer is None:
        return True
    assert outer.body is not None
    texts = call.block.expressions.values()
    return entry(call.group) == entry(outer.body) or not any("in." in text for text in texts)


def _inline(call: CallItem, inside: list[Item], place: int, outer: FoldedBlock | None) -> None:
    body = call.block.body
    assert body is not None
    if outer is not None:
        given = {name: outer.expressions.get((id(call), name)) for name in call.block.parameters}
        pairs = zip(slots(body.items), slots(call.group.items), strict=True)
        for (item, name, _), (own, _, _) in pairs:
            text = call.block.expressions.get((id(item), name))
            if text is not None:
                new = _substituted(text, call, given)
                if new is not None:
                    outer.expressions[id(own), name] = new
    if call.label:
        inside[place] = call.group
    else:
        inside[place : place + 1] = call.group.items


def _substituted(text: str, call: CallItem, given: dict[str, str | None]) -> str | None:
    """An expression with the arguments of a call for its parameters; None for a plain number."""
    words = set(re.findall(r"[A-Za-z_]\w*", text))
    if "in" not in words and not any(given.get(word) for word in words):
        return None

    def argument(match: re.Match[str]) -> str:
        name = match[0]
        if name not in call.args:
            return name
        own = given[name] or value_text(call.args[name])
        if text == name or own.isidentifier() or own.isdecimal():
            return own
        return f"({own})"

    return re.sub(r"(?<![.\w])[A-Za-z_]\w*", argument, text)
