"""The parts of a text before it is written: layers, joins with arms, groups, calls and loops."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.importers.flat import FlatLayer

    Path = tuple[str, ...]


@dataclass(slots=True, eq=False)
class LeafItem:
    """One layer. It starts from the current value, or from the value `start` if that is given.

    `label` is its name in its scope; `scope` is the path of that scope in the original.
    """

    layer: FlatLayer
    start: str | None = None
    label: str = ""
    scope: Path | None = None

    @property
    def output(self) -> str:
        """The value that it makes."""
        return self.layer.output


@dataclass(slots=True, eq=False)
class JoinItem:
    """A join of arms, which all start from the current value; an empty arm is that value."""

    layer: FlatLayer
    arms: list[list[Item]]
    scope: Path | None = None

    @property
    def output(self) -> str:
        """The value that it makes."""
        return self.layer.output


@dataclass(slots=True, eq=False)
class GroupItem:
    """Items in braces. Without a label, it exists only until it is a call or is taken apart."""

    items: list[Item]
    label: str = ""

    @property
    def output(self) -> str:
        """The value of its last item."""
        return self.items[-1].output


@dataclass(frozen=True, slots=True)
class Outside:
    """An argument of a block: a value that is not made in it."""

    value: str


@dataclass(slots=True, eq=False)
class CallItem:
    """A call of a block in place of a group; `args` are its arguments by parameter."""

    block: FoldedBlock
    args: dict[str, object]
    group: GroupItem
    label: str = ""

    @property
    def output(self) -> str:
        """The value of the group."""
        return self.group.output


@dataclass(slots=True, eq=False)
class RepeatItem:
    """Items that are repeated: `rounds` has those of each round, of which the first is written.

    `counter` is the name of the counter, if the labels of the first round contain it.
    """

    rounds: list[list[Item]]
    counter: str = ""

    @property
    def output(self) -> str:
        """The value of the last round."""
        return self.rounds[-1][-1].output


Item = LeafItem | JoinItem | GroupItem | CallItem | RepeatItem


@dataclass(slots=True, eq=False)
class FoldedBlock:
    """A block: its name, its parameters with their defaults, and its body.

    A default of None means that calls must give the argument. A block of the library has no body.
    """

    name: str
    parameters: dict[str, object]
    body: GroupItem | None = None
    # Expressions of the parameters in place of numbers, by the identity of a leaf or call in the
    # body and the name of its argument.
    expressions: dict[tuple[int, str], str] = field(default_factory=dict)


def leaves(items: list[Item]) -> Iterator[LeafItem | JoinItem]:
    """Every layer of items in the order of the text; the layer of a join comes after its arms."""
    for item in items:
        if isinstance(item, LeafItem):
            yield item
        elif isinstance(item, JoinItem):
            for arm in item.arms:
                yield from leaves(arm)
            yield item
        elif isinstance(item, GroupItem):
            yield from leaves(item.items)
        elif isinstance(item, CallItem):
            yield from leaves(item.group.items)
        else:
            for each in item.rounds:
                yield from leaves(each)
