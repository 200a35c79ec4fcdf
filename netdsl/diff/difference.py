"""The difference between two nets: its causes, what follows from them, and both nets' figures."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from netdsl.diff.causes import Causes
from netdsl.diff.effects import effects_of
from netdsl.diff.loading import loading_of
from netdsl.diff.matching import Matching
from netdsl.diff.statements import words_of
from netdsl.diff.words import is_model

if TYPE_CHECKING:
    from netdsl.diff.causes import Cause
    from netdsl.diff.effects import Effect
    from netdsl.diff.loading import Loading
    from netdsl.driver import Compiled
    from netdsl.ir.types import Sym, TensorType


class Reshaped(NamedTuple):
    """A layer that both nets have and whose result has another type."""

    before: str
    after: str
    old: TensorType
    new: TensorType


class Figure(NamedTuple):
    """A total of both nets."""

    name: str
    old: int | Sym
    new: int | Sym


class Aside(NamedTuple):
    """A line outside of the layers, such as one of the `train` section; one side can be None."""

    where: str
    old: str | None
    new: str | None


class NetDifference:
    """What changed between two nets.

    `causes` are what was written differently, with the layers that differ, and `followed` are
    differences that no text explains, because they follow from shapes. `reshaped` and `renumbered`
    follow too: results of other shapes, and layers whose names are positions that have shifted.
    `asides` are the differences outside of the network: in `train` and `expect`.
    """

    def __init__(self, before: Compiled, after: Compiled) -> None:
        self.nets = before, after
        matching = Matching(before.graph, after.graph)
        effects = effects_of(matching)
        self.matching = matching
        self.causes: list[Cause]
        self.followed: list[Effect]
        self.causes, self.followed = Causes(matching, before, after).of(effects)
        self.reshaped: list[Reshaped] = []
        self.renumbered: list[tuple[str, str]] = []
        self.common = 0  # layers that both nets have
        self._note_pairs(matching)
        self.loading: Loading = loading_of(matching)
        self.figures = _figures(before, after)
        self.asides = _asides(before, after)

    @property
    def uncounted(self) -> list[str]:
        """The kinds of layers whose MACs are not known: operators of a model."""
        nodes = [node for net in self.nets for node in net.graph.nodes]
        return list(dict.fromkeys(node.op.kind for node in nodes if not node.op.is_counted))

    @property
    def is_empty(self) -> bool:
        """Whether the two networks are the same, with the same names."""
        return not (self.causes or self.followed or self.reshaped or self.renumbered)

    @property
    def is_same_network(self) -> bool:
        """Whether the two networks compute the same, perhaps with other names."""
        return not (self.causes or self.followed or self.reshaped)

    def _note_pairs(self, matching: Matching) -> None:
        for a, b in matching.pairs():
            if a.item.label != b.item.label and not a.label and not b.label and a.outer:
                self.renumbered.append((a.item.name, b.item.name))
            if a.is_layer:
                self.common += 1
                if a.node.type != b.node.type:
                    found = Reshaped(a.node.name, b.node.name, a.node.type, b.node.type)
                    self.reshaped.append(found)


def _figures(before: Compiled, after: Compiled) -> list[Figure]:
    old, new = before.costs.totals()._asdict(), after.costs.totals()._asdict()
    return [Figure(name, old[name], new[name]) for name in old]


def _asides(before: Compiled, after: Compiled) -> list[Aside]:
    if any(is_model(compiled.program.source.name) for compiled in (before, after)):
        return []  # a model has no such lines
    asides: list[Aside] = []
    entries = [_entries(compiled) for compiled in (before, after)]
    for name in {**entries[0], **entries[1]}:
        old, new = entries[0].get(name), entries[1].get(name)
        if (old and words_of(old)) != (new and words_of(new)):
            asides.append(Aside("train", old, new))
    lines = [_expected(compiled) for compiled in (before, after)]
    gone = {words: line for words, line in lines[0].items() if words not in lines[1]}
    for words, new_line in lines[1].items():
        if words not in lines[0]:
            same = next((w for w in gone if _claimed(w) == _claimed(words)), "")
            asides.append(Aside("expect", gone.pop(same, None), new_line))
    return [*asides, *(Aside("expect", line, None) for line in gone.values())]


def _claimed(words: str) -> str:
    """What an `expect` line is about: what precedes the first comparison."""
    return re.split(r"[=<>!]", words, maxsplit=1)[0]


def _entries(compiled: Compiled) -> dict[str, str]:
    """The lines of the `train` section by name."""
    if compiled.train is None:
        return {}
    return {entry.name: entry.span.text for entry in compiled.train.entries}


def _expected(compiled: Compiled) -> dict[str, str]:
    """The `expect` lines, by their words without layout."""
    lines = [expectation.statement.span.text for expectation in compiled.expects]
    return {words_of(line): line for line in lines}
