"""The wires of a frame: straight lines along the flow, and tracks across it between two rows."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from netdsl.draw.parts import ARROW, PAD, TRACK, Wire

if TYPE_CHECKING:
    from netdsl.draw.parts import Point
    from netdsl.draw.slots import Slot, Slots, Strand

_FREE = 2  # tracks for which there is room between two rows
_STRAIGHT = 0.05  # a line across that is shorter is none
_APART = 4.0  # between the ends of two lines on one track


class _Turn(NamedTuple):
    """A line across the flow above a row: from where it comes, where it goes, and both places."""

    tail: Slot
    value: int
    head: Slot
    start: float
    end: float

    @property
    def key(self) -> tuple[int, int, int]:
        """What distinguishes it from other lines above the row."""
        return id(self.tail), self.value, id(self.head)


class Tracks:
    """Where the lines across the flow are.

    They have a track each, unless they belong to the same value or end at the same member. `shift`
    is by how much each row moves to make room for them.
    """

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.rows = len(slots.cuts)
        turns: list[list[_Turn]] = [[] for _ in range(self.rows + 1)]
        for strand in slots.strands:
            value = strand.value
            start = strand.tail.x + strand.tail.outlet(value)
            end = strand.head.x + strand.head.inlet(value)
            line = strand.line
            if line is None:
                turns[strand.head.first].append(_Turn(strand.tail, value, strand.head, start, end))
                continue
            if line.outs[0] is strand:
                turns[line.first].append(_Turn(strand.tail, value, line, start, line.x))
            if not strand.sideways:
                turns[strand.head.first].append(_Turn(line, value, strand.head, line.x, end))
        self.tracks = [_numbered(row) for row in turns]
        counts = [max(track.values(), default=-1) + 1 for track in self.tracks]
        self.shift = []
        moved = 0.0
        for row, count in enumerate(counts):
            free = _FREE if row < self.rows else 0
            moved += max(0, count - free) * TRACK
            self.shift.append(moved)

    def top(self, slot: Slot) -> float:
        """Where a slot begins along the flow."""
        if slot.first < 0 or slot.first >= self.rows:
            return slot.top
        return slot.top + self.shift[slot.first]

    def wires(self, end: float) -> list[Wire]:
        """All wires; `end` is where the frame ends along the flow."""
        return [self._wire(strand, end) for strand in self.slots.strands]

    def _wire(self, strand: Strand, end: float) -> Wire:
        tail, head, line = strand.tail, strand.head, strand.line
        x = tail.x + tail.outlet(strand.value)
        goal = head.x + head.inlet(strand.value)
        start = 0.0 if tail.first < 0 else self.top(tail) + tail.main
        points: list[Point] = [(start, x)]
        last = end if head.first >= self.rows else self.top(head)
        if line is None:
            self._turn(points, head.first, tail, head, strand, goal, end)
        else:
            self._turn(points, line.first, tail, line, strand, line.x, end)
            if strand.sideways:
                assert head.part is not None
                half = head.part.cross / 2
                points.append((last + head.main / 2, line.x))
                points.append((last + head.main / 2, goal + (half if line.x > goal else -half)))
                return Wire(strand.value, tuple(points), head.part, tail.part)
            self._turn(points, head.first, line, head, strand, goal, end)
        points.append((last, goal))
        return Wire(strand.value, tuple(points), head.part, tail.part)

    def _turn(
        self,
        points: list[Point],
        row: int,
        tail: Slot,
        head: Slot,
        strand: Strand,
        goal: float,
        end: float,
    ) -> None:
        """Go across to `goal` above a row, on the track of this line."""
        x = points[-1][1]
        if abs(goal - x) <= _STRAIGHT:
            return
        number = self.tracks[row][id(tail), strand.value, id(head)]
        cut = end - PAD
        if row < self.rows:
            cut = self.slots.cuts[row] + self.shift[row] - ARROW
        level = cut - number * TRACK
        points += [(level, x), (level, goal)]


def _numbered(turns: list[_Turn]) -> dict[tuple[int, int, int], int]:
    """The number of the track of each line above one row, counted from the row."""
    turns = [turn for turn in turns if abs(turn.end - turn.start) > _STRAIGHT]
    forks = Counter((id(turn.tail), turn.value) for turn in turns)
    bundles: dict[tuple[int, int], list[_Turn]] = {}
    for turn in turns:
        bundle = (id(turn.tail), turn.value)
        if forks[bundle] == 1:
            bundle = (id(turn.head), -1)
        bundles.setdefault(bundle, []).append(turn)
    tracks: list[list[tuple[float, float]]] = []
    numbers = {}
    for members in bundles.values():
        ends = [end for turn in members for end in (turn.start, turn.end)]
        number = _free_track(tracks, min(ends), max(ends))
        tracks[number].append((min(ends), max(ends)))
        numbers.update({turn.key: number for turn in members})
    return numbers


def _free_track(tracks: list[list[tuple[float, float]]], low: float, high: float) -> int:
    for number, taken in enumerate(tracks):
        if all(high + _APART < start or end + _APART < low for start, end in taken):
            return number
    tracks.append([])
    return len(tracks) - 1
