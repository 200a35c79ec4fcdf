"""The lines of the layer table as a tree: blocks with subtotals, and equal blocks folded.

A line names what it takes as seen from its block: a neighbour by its label, and what the block
takes itself as `input`. Repeated blocks therefore have equal lines.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from netdsl.analysis.summary import name_of, parts_at, taken_by
from netdsl.draw.rows import Choice, ShownRow, cell
from netdsl.draw.table import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.analysis.summary import Layer, Row, Summary
    from netdsl.ir.graph import Value

STEP = 2  # blanks before the members of a block
INPUT = "input"  # what a block calls the value that its first layer takes


class Branch(NamedTuple):
    """A layer, or a block with its members.

    `looks` are its sources without the label of the line above: repeated blocks have the same.
    """

    label: str
    row: Row
    sources: tuple[str, ...]
    members: list[Branch]
    looks: tuple[str, ...] = ()


def tree_text(summary: Summary, depth: int | None, width: int) -> str:
    """The tree and the totals as plain text for a terminal."""
    choice = Choice(depth=depth)
    return text_of(summary, tree_lines(summary, choice), choice, width)


def tree_lines(summary: Summary, choice: Choice) -> list[ShownRow]:
    """The lines of a net as a tree, down to `choice.depth`."""
    columns = tuple(column for column in choice.wanted if column != "from")
    tree = _Tree(summary, choice.depth, columns)
    inputs = summary.graph.inputs
    above = inputs[0] if len(inputs) == 1 else None
    layers = summary.layers(field="field" in columns)
    return list(_lines(tree.branches(layers, _Level("", 1, None), above), 0, ""))


def _lines(branches: list[Branch], indent: int, group: str) -> Iterator[ShownRow]:
    for label, row, sources, members, _ in branches:
        style = ""
        if row.aux:
            style = "dim"
        elif members:
            style = "bold"
        yield ShownRow(label, row, sources, indent, group, style)
        yield from _lines(members, indent + STEP, row.name)


class _Level:
    """The inside of a block, or the net: what values are called there.

    `entry` is the value that the first layer of the block takes.
    """

    def __init__(self, prefix: str, depth: int, entry: Value | None) -> None:
        self.prefix = prefix
        self.depth = depth
        self.entry = entry
        self.labels: dict[int, str] = {}  # of results, by the id of the value

    def call(self, value: Value) -> str:
        """The name of a value, as short as it can be."""
        if value is self.entry:
            return INPUT
        return self.labels.get(id(value)) or _within(name_of(value), self.prefix)


def _within(name: str, prefix: str) -> str:
    """A name as seen from the smallest block around `prefix` that has it."""
    while prefix and not name.startswith(prefix):
        prefix = prefix[: prefix.rfind(".", 0, -1) + 1]
    return name.removeprefix(prefix)


class _Tree:
    def __init__(self, summary: Summary, depth: int | None, columns: tuple[str, ...]) -> None:
        self.summary = summary
        self.depth = depth
        self.columns = columns

    def branches(self, layers: list[Layer], level: _Level, above: Value | None) -> list[Branch]:
        """The members of a level, with equal blocks folded; the line above them makes `above`."""
        branches = []
        for name, members in parts_at(layers, level.depth):
            branches.append(self._branch(name, members, level, above))
            above = members[-1].node.output
            level.labels[id(above)] = branches[-1].label
        if "kind" in self.columns:  # where folded blocks are called the same
            branches = self._folded(branches)
        return branches

    def _branch(self, name: str, layers: list[Layer], level: _Level, above: Value | None) -> Branch:
        label = name.removeprefix(level.prefix)
        first, last = layers[0].node, layers[-1].node
        row, taken, members = layers[0].row, list(last.inputs), []
        if len(layers) > 1 or last.name != name:
            row, taken = self.summary.part(name, layers), taken_by(layers)
            if self.depth is None or level.depth < self.depth:
                inside = _Level(f"{name}.", level.depth + 1, first.inputs[0])
                if last.name == name:  # a join with its arms
                    members = self.branches(layers[:-1], inside, above)
                    taken_here = tuple(map(inside.call, last.inputs))
                    return Branch(label, row, taken_here, members, taken_here)
                members = self.branches(layers, inside, inside.entry)
        sources = () if taken == [above] else tuple(map(level.call, taken))
        looks = tuple("" if value is above else level.call(value) for value in taken)
        return Branch(label, row, sources, members, looks)

    def _folded(self, branches: list[Branch]) -> list[Branch]:
        """The branches; runs of equal blocks become the first of them and one for the others."""
        made = []
        for _, run in groupby(branches, key=self._looks):
            first, *others = run
            made.append(first)
            if others:
                made.append(_same(others))
        return made

    def _looks(self, branch: Branch) -> object:
        """All that is shown of a block, apart from its label; layers are all different."""
        if not branch.members:
            return id(branch)
        return self._shown(branch)

    def _shown(self, branch: Branch) -> tuple[object, ...]:
        cells = tuple(cell(branch.row, column, None) for column in self.columns)
        members = tuple((m.label, self._shown(m)) for m in branch.members)
        return cells, branch.looks, members


def _span_of(first: str, last: str) -> str:
    """The labels of equal blocks: `layer_1-11`, or `0-3`."""
    stem = first.rstrip("0123456789")
    number = last.removeprefix(stem)
    return f"{first}-{number if number.isdecimal() else last}"


def _same(blocks: list[Branch]) -> Branch:
    """One line for blocks that are equal to the one above them, with the sums of their figures."""
    first, last, count = blocks[0], blocks[-1], len(blocks)
    label, kind, row = first.label, "the same", first.row
    if count > 1:
        label, kind = _span_of(first.label, last.label), f"{count} x the same"
    row = row._replace(
        kind=kind,
        operation="",
        params=count * row.params,
        macs=count * row.macs,
        buffers=count * row.buffers,
        weights=count * row.weights,
        units=count * row.units,
        bytes=count * row.bytes,
    )
    return Branch(label, row, first.sources, [])
