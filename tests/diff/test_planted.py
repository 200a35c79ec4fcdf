"""A hundred planted edits give a hundred minimal reports, alone and together."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import pytest

from netdsl.diff.difference import NetDifference
from netdsl.diff.parts import NetPart
from netdsl.errors import NetdslError
from tests.diff.planted import Planted, compiled, difference_of, planted, report_of

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
    there, back = edit.difference(), NetDifference(after, before)
    assert len(there.causes) == len(back.causes)
    assert len(there.reshaped) == len(back.reshaped)
    assert _sizes(there) == _sizes(back)[::-1]
    nodes = len(before.graph.nodes), len(after.graph.nodes)
    removed, added = _sizes(there)
    assert nodes[0] - removed == nodes[1] - added == there.common


def _sizes(difference: NetDifference) -> tuple[int, int]:
    """The numbers of layers that only the first, and only the second net has."""
    matching = difference.matching
    trees = matching.before, matching.after
    left = [[p for p in tree.layers() if matching.partner(p) is None] for tree in trees]
    return len(left[0]), len(left[1])


def _marks(causes: list[Cause]) -> set[tuple[str, ...]]:
    """The causes without names that are positions, which other edits shift."""
    marks: set[tuple[str, ...]] = set()
    for cause in causes:
        for effect in cause.effects:
            kind = effect.part.kind if isinstance(effect.part, NetPart) else ""
            marks.add((cause.key[0], effect.what, effect.name, kind))
    return marks


PAIRS = [
    (a, b)
    for a, b in combinations(EDITS, 2)
    if (a.file, a.net) == (b.file, b.net) and a.old != b.old
]
# Two edits that are one together, and two of which either explains what both add.
MERGED = {
    ("another formula", "an activation behind a label"),
    ("more rounds in every stage", "one block more in a list"),
}
NEAR = 12  # pairs of a net that the usual run tries


def net_of(pair: tuple[Planted, Planted]) -> str:
    """The net of a pair."""
    return f"{pair[0].file}:{pair[0].net}"


def check_pairs(pairs: list[tuple[Planted, Planted]]) -> int:
    """Check that two edits have the causes of both; returns how many pairs were possible."""
    compared = 0
    for a, b in pairs:
        text, once = a.texts
        if b.old not in once or a.new not in (twice := once.replace(b.old, b.new, 1)):
            continue
        try:
            both = difference_of(text, twice, a.net)
        except NetdslError:
            continue  # the edits contradict each other
        alone = _marks(a.difference().causes) | _marks(b.difference().causes)
        if (a.title, b.title) not in MERGED:
            assert _marks(both.causes) == alone, (a.title, b.title)
        compared += 1
    return compared


NETS = sorted({net_of(pair) for pair in PAIRS})


@pytest.mark.parametrize("net", NETS)
def test_two_edits(net: str) -> None:
    """Two edits of one net have the causes of both, and no others."""
    pairs = [pair for pair in PAIRS if net_of(pair) == net]
    assert check_pairs(pairs[:: max(1, len(pairs) // NEAR)])


@pytest.mark.slow
@pytest.mark.parametrize("net", NETS)
def test_all_pairs(net: str) -> None:
    """The same for all pairs."""
    assert check_pairs([pair for pair in PAIRS if net_of(pair) == net])
