"""The difference of two nets in the Python API."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from netdsl.advising import advises
from netdsl.diff.difference import NetDifference
from netdsl.diff.jsonable import json_of
from netdsl.diff.sides import open_side
from netdsl.diff.text import SAME, report_of
from netdsl.diff.words import is_committed, split_committed
from netdsl.driver import compile_net
from netdsl.words import counted

if TYPE_CHECKING:
    from netdsl.driver import Compiled
    from netdsl.ir.types import Sym

COLUMN = 13  # where the texts of the report begin


class FigureChange(NamedTuple):
    """A total before and after."""

    old: int | Sym
    new: int | Sym


@advises(equal="same is_equal is_empty empty", as_json="json to_json", figures="totals")
class Changes:
    """What changed between two nets, made by `Net.diff`. Its text is what `netdsl diff` prints.

    `equal` is whether the two have the same layers with the same names. `figures` has each total
    before and after. `loaded` is the share of the second net's weights that a checkpoint of the
    first one has, from 0 to 1, and `renamed` are the tensors that only have another name, by their
    names in the first net.
    """

    def __init__(self, difference: NetDifference) -> None:
        self._difference = difference
        self.equal = difference.is_empty
        self.figures = {f.name: FigureChange(f.old, f.new) for f in difference.figures}
        self.loaded = difference.loading.share
        self.renamed = dict(difference.loading.renamed)

    def as_json(self) -> dict[str, object]:
        """Everything, as `netdsl diff --format json` prints it for a pair of nets."""
        return json_of(self._difference)

    def __str__(self) -> str:
        old, new = (net.graph.name for net in self._difference.nets)
        if self.equal and not self._difference.asides:
            return f"{new}: {SAME}"
        lines = [f"{old} → {new}"]
        for line in report_of(self._difference):
            label = f"{line.label:<{COLUMN}}" if line.label or line.indent > 1 else ""
            lines.append(f"{'  ' * min(1, line.indent)}{label}{line.text}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        names = " → ".join(net.graph.name for net in self._difference.nets)
        return f"<Changes {names}: {counted(len(self._difference.causes), 'cause')}>"


def changes_of(before: Compiled, after: Compiled) -> Changes:
    """The changes from one net to another."""
    return Changes(NetDifference(before, after))


def named_net(name: str | os.PathLike[str]) -> Compiled:
    """The net that a name means: `FILE[:NET]`, a model, or a file in a revision.

    Raises `NetdslError`.
    """
    word = os.fspath(name)
    file, net = word, None
    if is_committed(word):
        file, net = split_committed(word)
    elif not os.path.exists(word):
        before, colon, after = word.rpartition(":")
        if colon and after.isidentifier():
            file, net = before, after
    side = open_side(file, net, {}, {})
    return compile_net(side.program, side.program.pick(side.net), side.inputs)
