"""A hundred planted edits give a hundred minimal reports, alone and together."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import pytest

from netdsl.diff.difference import Difference
from netdsl.diff.parts import Part
from netdsl.errors import NetdslError
from tests.diff.planted import Planted, compiled, planted, report_of

if TYPE_CHECKING:
    from netdsl.diff.causes import Cause

EDITS = planted()


def title_of_edit(edit: Planted) -> str:
    """A name for a test."""
    return f"{edit.net}-{edit.title}"


@pytest.mark.parametrize("edit", EDITS, ids=title_of_edit)
def test_report(edit: Planted) -> None:
    """The report is the one of the page."""
    assert report_of(edit.difference()) == edit.report


def test_number_of_edits() -> None:
    """There are at least a hundred edits, and each has one cause or none.

    The one exception has two: a label at the start of a chain with a reference names its last
    layer, so another layer gets the label.
    """
    assert len({edit.title for edit in EDITS}) == len(EDITS) >= 100
    several = {}
    for edit in EDITS:
        lines = edit.report.splitlines()
        causes = [x for x in lines if not x.startswith((" ", "follows:", "train:", "expect:"))]
        if len(causes) != 1:
            several[edit.title] = causes
    assert list(several) == ["an activation behind a label"]


@pytest.mark.parametrize("edit", EDITS, ids=title_of_edit)
def test_backwards(edit: Planted) -> None:
    """The opposite edit has as many causes, and adds what the edit removes."""
    before, after = (compiled(text, edit.net) for text in edit.texts)
    there, back = Difference(before, after), Difference(after, before)
    assert len(there.causes) == len(back.causes)
    assert len(there.reshaped) == len(back.reshaped)
    assert _sizes(there) == _sizes(back)[::-1]
    nodes = len(before.graph.nodes), len(after.graph.nodes)
    removed, added = _sizes(there)
    assert nodes[0] - removed == nodes[1] - added == there.common


def _sizes(difference: Difference) -> tuple[int, int]:
    """The numbers of layers that only the first, and only the second net has."""
    matching = difference.matching
    trees = matching.before, matching.after
    left = [[p for p in tree.layers() if matching.partner(p) is None] for tree in trees]
    return len(left[0]), len(left[1])


def _marks(causes: list[Cause]) -> set[tuple[str, ...]]:
    """The causes without names that are positions, which other edits shift."""
    marks = set()
    for cause in causes:
        for effect in cause.effects:
            kind = effect.part.kind if isinstance(effect.part, Part) else ""
            marks.add((cause.key[0], effect.what, effect.name, kind))
    return marks


PAIRS = [
    (a, b)
    for a, b in combinations(EDITS, 2)
    if (a.file, a.net) == (b.file, b.net) and a.old != b.old
]


@pytest.mark.parametrize("net", sorted({f"{a.file}:{a.net}" for a, _ in PAIRS}))
def test_two_edits(net: str) -> None:
    """Two edits of one net that are far enough apart have the causes of both, and no others."""
    compared = 0
    for a, b in PAIRS:
        if f"{a.file}:{a.net}" != net:
            continue
        text, once = a.texts
        if b.old not in once or a.new not in once.replace(b.old, b.new, 1):
            continue
        try:
            both = Difference(compiled(text, a.net), compiled(once.replace(b.old, b.new, 1), a.net))
        except NetdslError:
            continue  # the edits contradict each other
        alone = [a.difference().causes, b.difference().causes]
        assert _marks(both.causes) == _marks(alone[0]) | _marks(alone[1]), (a.title, b.title)
        compared += 1
    assert compared
