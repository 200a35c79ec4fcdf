"""Turns groups that differ only in numbers into one block with parameters."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from netdsl.importers.writing.plain import declared, tied_of
from netdsl.importers.writing.tree import (
    CallItem,
    FoldedBlock,
    GroupItem,
    Item,
    JoinItem,
    LeafItem,
    Outside,
    RepeatItem,
    leaves,
)
from netdsl.ops.registry import LAYERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.importers.flat import Flat

FEWEST = 3  # layers of a block
MOST_PARAMETERS = 6
LARGEST_FACTOR = 16  # of a parameter in an expression
NAMES = {"out": "width", "value": "numbers", "shape": "sizes"}  # parameters for arguments
USUAL = {"stride": 1, "dilation": 1, "groups": 1, "pad": 0}  # defaults of parameters

OUTSIDE = -2  # in a skeleton, the number of a value that is made elsewhere

Column = list[object]


class Folding:
    """Replaces equal groups of a net by calls of blocks; `blocks` are those that it has made."""

    def __init__(self, flat: Flat, items: list[Item], taken: set[str]) -> None:
        self.flat = flat
        self.items = items
        self.blocks: list[FoldedBlock] = []
        self._names = set(taken)

    def run(self) -> None:
        """Fold until no two groups are equal; the smallest groups first."""
        while True:
            classes: dict[object, list[GroupItem]] = defaultdict(list)
            for group in groups(self.items):
                key = self._key(group)
                if key is not None:
                    classes[key].append(group)
            found = [c for c in classes.values() if len(c) > 1]
            found.sort(key=lambda members: sum(1 for _ in leaves(members[0].items)))
            if not any(self._fold(members) for members in found):
                return

    def _key(self, group: GroupItem) -> object | None:
        """What equal groups have in common; None for one that cannot be a block."""
        members = list(leaves(group.items))
        if len(members) < FEWEST:
            return None
        start = entry(group)
        local = {start: -1}
        for i, leaf in enumerate(members):
            if not all(v in local for v in leaf.layer.inputs) or tied_of(leaf.layer):
                return None
            local[leaf.output] = i
            local |= {v: (i, name) for name, v in leaf.layer.results.items()}  # type: ignore[misc]
        inside = {id(leaf.layer) for leaf in members}
        uses = self.flat.uses()
        ends = {value for _, value in self.flat.outputs}
        for leaf in members[:-1]:
            used_outside = any(id(user) not in inside for user in uses.get(leaf.output, ()))
            if used_outside or leaf.output in ends:
                return None
        if local[group.output] != len(members) - 1:
            return None
        shape = self.flat.shapes.get(start, ())
        return len(shape), skeleton(group.items, local)

    def _fold(self, members: list[GroupItem]) -> bool:
        """Make a block of equal groups, unless it would have too many parameters."""
        parameters = _Parameters(self.flat, members)
        if len(parameters.columns) > MOST_PARAMETERS:
            return False
        defaults = {name: parameters.default(name) for name in parameters.columns}
        ordered = dict(sorted(defaults.items(), key=lambda pair: pair[1] is not None))
        block = FoldedBlock(self._name(members), ordered, members[0], parameters.expressions)
        self.blocks.append(block)
        for i, group in enumerate(members):
            args = {name: column[i] for name, column in parameters.columns.items()}
            replace(self.items, group, CallItem(block, args, group, group.label))
        return True

    def _name(self, members: list[GroupItem]) -> str:
        name = _described(members)
        number, plain = 1, name
        while name in self._names or name in LAYERS:
            number += 1
            name = f"{plain}{number}"
        self._names.add(name)
        return name


class _Parameters:
    """What differs between groups: `columns` has the values of each parameter, by its name.

    `expressions` are what the arguments of the first group become.
    """

    def __init__(self, flat: Flat, members: list[GroupItem]) -> None:
        self.columns: dict[str, Column] = {}
        self.expressions: dict[tuple[int, str], str] = {}
        channels = [flat.shapes.get(entry(g), (0, 0))[1:2] for g in members]
        self._channels: Column = [c[0] if c else 0 for c in channels]
        rows = [list(slots(group.items)) for group in members]
        for cells in zip(*rows, strict=True):
            column = [value for _, _, value in cells]
            if any(value != column[0] for value in column):
                item, name, _ = cells[0]
                self.expressions[id(item), name] = self._expression(name, column)
        for places in zip(*(list(outside(group)) for group in members), strict=True):
            leaf, name, _ = places[0]
            values: Column = [Outside(value) for _, _, value in places]
            self.expressions[id(leaf), name] = self._expression(name, values)

    def _expression(self, name: str, column: Column) -> str:
        """A parameter, an expression of one, or a new parameter."""
        for parameter, values in self.columns.items():
            text = related(column, values, parameter)
            if text is not None:
                return text
        text = related(column, self._channels, "in.channels")
        if text is not None:
            return text
        plain = NAMES.get(name, name)
        new, number = plain, 1
        while new in self.columns:
            number += 1
            new = f"{plain}{number}"
        self.columns[new] = column
        return new

    def default(self, name: str) -> object:
        """The default of a parameter: its usual value, if a call has that."""
        usual = USUAL.get(name.rstrip("0123456789"))
        if usual in self.columns[name]:
            return usual
        return None


def related(column: Column, values: Column, name: str) -> str | None:
    """How a column of integers follows from another one, as an expression of its name."""
    if column == values:
        return name
    pairs = list(zip(column, values, strict=True))
    if not all(type(a) is int and type(b) is int and a > 0 and b > 0 for a, b in pairs):
        return None
    numbers = [(int(str(a)), int(str(b))) for a, b in pairs]
    factor = numbers[0][0] // numbers[0][1]
    if 1 < factor <= LARGEST_FACTOR and all(a == factor * b for a, b in numbers):
        return f"{factor} * {name}"
    factor = numbers[0][1] // numbers[0][0]
    if 1 < factor <= LARGEST_FACTOR and all(a == b // factor for a, b in numbers):
        return f"{name} // {factor}"
    return None


def slots(items: list[Item]) -> Iterator[tuple[LeafItem | JoinItem | CallItem, str, object]]:
    """Every argument in items, as (leaf or call, name, value), with those left out."""
    for item in items:
        if isinstance(item, LeafItem):
            for name, value in full(item.layer.kind, item.layer.args).items():
                yield item, name, value
        elif isinstance(item, JoinItem):
            for arm in item.arms:
                yield from slots(arm)
            for name, value in full(item.layer.kind, item.layer.args).items():
                yield item, name, value
        elif isinstance(item, GroupItem):
            yield from slots(item.items)
        elif isinstance(item, CallItem):
            for name in item.block.parameters:
                yield item, name, item.args[name]
        else:
            yield from slots(item.rounds[0])


def outside(group: GroupItem) -> Iterator[tuple[LeafItem | JoinItem, str, str]]:
    """The tensor arguments in a group that are made outside of it, as (leaf, name, value)."""
    members = list(leaves(group.items))
    made = {leaf.output for leaf in members} | {entry(group)}
    made |= {value for leaf in members for value in leaf.layer.results.values()}
    for leaf in members:
        for name, value in leaf.layer.tensors.items():
            if value not in made:
                yield leaf, name, value


def full(kind: str, args: dict[str, object]) -> dict[str, object]:
    """The arguments of a layer with the defaults of those that are left out."""
    known = declared(kind)
    if not known:
        return args
    return {a.name: args.get(a.name, a.default) for a in known if not a.dtypes}


class SkeletonLabel(str):
    """A label in a skeleton, which loops compare apart from the number at its end."""

    __slots__ = ()


def skeleton(items: list[Item], local: dict[str, int]) -> tuple[object, ...]:
    """What items are apart from their numbers: kinds, labels, and which values they take."""
    parts: list[object] = []
    for item in items:
        if isinstance(item, LeafItem):
            taken = tuple(local.get(v, OUTSIDE) for v in item.layer.taken)
            names = (*item.layer.tensors, *item.layer.results)
            parts.append(
                (item.layer.kind, SkeletonLabel(item.label), taken, names, item.start is None)
            )
        elif isinstance(item, JoinItem):
            arms = tuple(skeleton(arm, local) for arm in item.arms)
            parts.append(("join", item.layer.kind, arms))
        elif isinstance(item, GroupItem):
            parts.append(("group", SkeletonLabel(item.label), skeleton(item.items, local)))
        elif isinstance(item, CallItem):
            parts.append(
                (
                    "call",
                    item.block.name,
                    SkeletonLabel(item.label),
                    local.get(entry(item.group), OUTSIDE),
                )
            )
        else:
            inner = tuple(skeleton(each, local) for each in item.rounds)
            parts.append(("repeat", inner))
    return tuple(parts)


def entry(group: GroupItem) -> str:
    """The value from which a group starts."""
    first: Item = group.items[0]
    while not isinstance(first, LeafItem):
        if isinstance(first, JoinItem):
            arm = next((arm for arm in first.arms if arm), None)
            if arm is None or any(not a for a in first.arms):
                return first.layer.inputs[[bool(a) for a in first.arms].index(False)]
            first = arm[0]
        elif isinstance(first, GroupItem):
            first = first.items[0]
        elif isinstance(first, CallItem):
            first = first.group.items[0]
        else:
            first = first.rounds[0][0]
    return first.start or first.layer.inputs[0]


def groups(items: list[Item]) -> Iterator[GroupItem]:
    """Every group that is not part of a call, inner ones first."""
    for item in items:
        if isinstance(item, JoinItem):
            for arm in item.arms:
                yield from groups(arm)
        elif isinstance(item, GroupItem):
            yield from groups(item.items)
            yield item


def replace(items: list[Item], group: GroupItem, call: CallItem) -> bool:
    """Put a call in the place of a group; whether it was found."""
    for i, item in enumerate(items):
        if item is group:
            items[i] = call
            return True
        inner: list[list[Item]] = []
        if isinstance(item, JoinItem):
            inner = item.arms
        elif isinstance(item, GroupItem):
            inner = [item.items]
        if any(replace(part, group, call) for part in inner):
            return True
    return False


def unwrap(items: list[Item]) -> list[Item]:
    """Items without the groups that have no label, which were candidates for blocks."""
    plain: list[Item] = []
    for item in items:
        if isinstance(item, JoinItem):
            item.arms = [unwrap(arm) for arm in item.arms]
        elif isinstance(item, GroupItem):
            item.items = unwrap(item.items)
            if not item.label:
                plain += item.items
                continue
        elif isinstance(item, RepeatItem):
            item.rounds = [unwrap(each) for each in item.rounds]
        plain.append(item)
    return plain


def _described(members: list[GroupItem]) -> str:
    """A name for a block: the label that its groups share, or else what it contains."""
    labels = {group.label.rstrip("0123456789").rstrip("_-") for group in members}
    if len(labels) == 1 and (label := labels.pop()) and label.isidentifier():
        return label.lower()
    kinds = [leaf.layer.kind for leaf in leaves(members[0].items)]
    joins = [item.layer.kind for item in members[0].items if isinstance(item, JoinItem)]
    if "attention" in kinds:
        return "encoder_block"
    if "concat" in joins:
        if any(not a for a in _arms(members[0])):
            return "dense_layer"
        return "branches"
    if "add" in joins:
        return "residual_block"
    if "mul" in joins:
        return "gated_block"
    if kinds[0] in ("conv", "depthwise"):
        return "conv_block"
    return "block1"


def _arms(group: GroupItem) -> list[list[Item]]:
    return [arm for item in group.items if isinstance(item, JoinItem) for arm in item.arms]
