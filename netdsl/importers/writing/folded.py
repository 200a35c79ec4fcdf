"""Writes a flat net as a person would: with joins, groups, blocks and loops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.importers.writing.blocks import Folding, unwrap
from netdsl.importers.writing.inlining import inlined
from netdsl.importers.writing.loops import Loops
from netdsl.importers.writing.references import PathNames, add_identities, referred
from netdsl.importers.writing.regions import Regions
from netdsl.importers.writing.scopes import FOLLOWING, Scopes, drop_positions
from netdsl.importers.writing.tree import GroupItem, Item, JoinItem, LeafItem
from netdsl.importers.writing.writer import Writer

if TYPE_CHECKING:
    from netdsl.importers.flat import Flat


def folded_text(flat: Flat, comment: str, expects: list[str], *, blocks: bool = True) -> str:
    """The text of a net. Without `blocks`, it has joins and groups, but no blocks and loops."""
    items = Regions(flat).items()
    values = referred(flat, items)
    items = add_identities(items, values)
    items = Scopes(flat).name(items)
    made = []
    if blocks:
        items = _candidates(items)
    names = PathNames(flat, items, values)
    if blocks:
        folding = Folding(flat, items, {each.name for each in flat.inputs})
        folding.run()
        made = inlined(items, folding.blocks)
        items = unwrap(items)
    for block in made:
        if block.body is not None:
            drop_positions(block.body.items, values)
    drop_positions(items, values)
    if blocks:
        items = Loops(flat, values, {}).run(items)
        for block in made:
            if block.body is not None:
                loops = Loops(flat, values, block.expressions)
                block.body.items = loops.run(unwrap(block.body.items))
    return Writer(flat, names).text(items, made, comment, expects)


def _candidates(items: list[Item]) -> list[Item]:
    """Put each join without a name, with the activation after it, into a group without a label."""
    result: list[Item] = []
    for item in items:
        if isinstance(item, GroupItem):
            item.items = _candidates(item.items) if not _is_one_join(item.items) else item.items
        elif isinstance(item, JoinItem):
            item.arms = [_candidates(arm) for arm in item.arms]
            result.append(GroupItem([item]))
            continue
        follows = isinstance(item, LeafItem) and item.start is None and not item.label
        last = result[-1] if result else None
        if follows and isinstance(last, GroupItem) and not last.label and len(last.items) == 1:
            assert isinstance(item, LeafItem)
            if item.layer.kind in FOLLOWING:
                last.items.append(item)
                continue
        result.append(item)
    return result


def _is_one_join(items: list[Item]) -> bool:
    """Whether a group is a join with at most an activation, so that it is a candidate itself."""
    joins = [item for item in items if isinstance(item, JoinItem)]
    return (
        len(joins) == 1
        and all(
            isinstance(i, JoinItem) or i.layer.kind in FOLLOWING
            for i in items
            if isinstance(i, (LeafItem, JoinItem))
        )
        and len(items) <= 2
    )
