"""The order of the slots in each row, and their places across the flow."""

from __future__ import annotations

from itertools import pairwise
from statistics import median_low
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netdsl.draw.slots import Slot, Slots

SPACE = 20.0  # between two members
BESIDE = 12.0  # between a member and a line, without the line's own room
ROUNDS = 4
Pairs = dict[tuple[int, int], float]


def set_columns(slots: Slots) -> None:
    """Set `x` of every slot of a frame, so that nothing overlaps and the longest path is straight."""
    sweep = _Sweep(slots)
    columns = _Columns(sweep)
    columns.pack()
    for _ in range(ROUNDS):
        columns.pull()
    columns.place()


class _Sweep:
    """Walks through the rows and keeps the order of the slots that they contain.

    A new slot takes the place of the one that it continues. `aligned` has these pairs, each with
    the distance of their axes, and `pairs` the neighbours.
    """

    def __init__(self, slots: Slots) -> None:
        self.every = [
            *slots.entries.values(),
            *slots.members,
            *slots.lines,
            *slots.exits.values(),
        ]
        self.neighbours: dict[tuple[int, int], tuple[Slot, Slot]] = {}
        self.aligned: dict[int, tuple[Slot, float]] = {}  # by the id of the lower slot
        starts: dict[int, list[Slot]] = {}
        for slot in self.every:
            starts.setdefault(slot.first, []).append(slot)
        order = sorted(starts.get(-1, []), key=lambda slot: min(s.head.index for s in slot.outs))
        self._note(order)
        for row in range(len(slots.cuts) + 1):
            order = self._next(order, row, starts.get(row, []))
            self._note(order)

    def _note(self, order: list[Slot]) -> None:
        for left, right in pairwise(order):
            self.neighbours[id(left), id(right)] = (left, right)

    def _next(self, order: list[Slot], row: int, new: list[Slot]) -> list[Slot]:
        present = {id(slot) for slot in order}
        heirs: dict[int, list[Slot]] = {}
        loose = []
        for slot in new:
            anchor = _anchor(slot)
            if anchor is not None and id(anchor) in present:
                heirs.setdefault(id(anchor), []).append(slot)
            else:
                loose.append(slot)
        following: list[Slot] = []
        for slot in order:
            mine = sorted(heirs.get(id(slot), []), key=_place)
            if slot.last < row:
                following += mine
                if mine:
                    self._align(slot, mine)
            else:
                left = [m for m in mine if m.is_line and m.leads]
                following += [*left, slot, *(m for m in mine if m not in left)]
        for slot in loose:
            _insert(following, slot)
        return following

    def _align(self, slot: Slot, heirs: list[Slot]) -> None:
        """Put the heir with the longest way to go on the axis of the slot."""
        heir = max(heirs, key=lambda h: (not h.is_line, h.height))
        strand = heir.trunk if heir.trunk is not None else heir.ins[0]
        value = strand.value
        self.aligned[id(heir)] = (slot, slot.outlet(value) - heir.inlet(value))


def _anchor(slot: Slot) -> Slot | None:
    """The slot whose place a new slot takes."""
    if slot.is_line:
        return slot.ins[0].tail
    if slot.trunk is None:
        return None
    return slot.trunk.line or slot.trunk.tail


def _place(slot: Slot) -> tuple[int, int]:
    if slot.is_line:
        return (-1 if slot.leads else 1, slot.index)
    return (0, slot.index)


def _insert(order: list[Slot], slot: Slot) -> None:
    """Put a slot that continues nothing beside the slot that leads to its first head."""
    heads = {id(strand.head) for strand in slot.outs}
    for place, other in enumerate(order):
        if any(id(strand.head) in heads for strand in other.outs):
            order.insert(place + 1, slot)
            return
    order.append(slot)


class _Columns:
    """Columns of aligned slots, which are moved as one, with the distances that they must keep."""

    def __init__(self, sweep: _Sweep) -> None:
        self.column: dict[int, int] = {}  # by the id of a slot
        self.offset: dict[int, float] = {}  # of its axis from that of its column
        self.slots = sorted(sweep.every, key=lambda slot: (slot.first, not slot.is_line))
        self._group(sweep)
        count = len(set(self.column.values()))
        self.after: list[dict[int, float]] = [{} for _ in range(count)]  # the least distances
        self.before: list[dict[int, float]] = [{} for _ in range(count)]
        for left, right in sweep.neighbours.values():
            self._keep_apart(left, right)
        self.at = [0.0] * count
        self.order = self._sorted()
        self.wishes: list[list[tuple[float, int]]] = [[] for _ in range(count)]
        self._wish()

    def _group(self, sweep: _Sweep) -> None:
        count = 0
        for slot in self.slots:
            if id(slot) in sweep.aligned:
                upper, distance = sweep.aligned[id(slot)]
                self.column[id(slot)] = self.column[id(upper)]
                self.offset[id(slot)] = self.offset[id(upper)] + distance
            else:
                self.column[id(slot)], self.offset[id(slot)] = count, 0.0
                count += 1

    def _keep_apart(self, left: Slot, right: Slot) -> None:
        space = SPACE
        if left.part is None or right.part is None:
            space = BESIDE if left.part is not right.part else 0.0
        own, other = self.column[id(left)], self.column[id(right)]
        if own == other:
            return
        least = left.after + space + right.before + self.offset[id(left)] - self.offset[id(right)]
        self.after[own][other] = max(least, self.after[own].get(other, least))
        self.before[other][own] = self.after[own][other]

    def _sorted(self) -> list[int]:
        """The columns from left to right."""
        waiting = [len(before) for before in self.before]
        ready = [number for number, count in enumerate(waiting) if not count]
        order = []
        while ready:
            number = ready.pop()
            order.append(number)
            for other in self.after[number]:
                waiting[other] -= 1
                if not waiting[other]:
                    ready.append(other)
        return order

    def _wish(self) -> None:
        """Note how each column would like to be placed: in line with what it is connected to."""
        for slot in self.slots:
            for strand in slot.outs if not slot.is_line else []:
                ends = [(strand.tail, strand.tail.outlet(strand.value))]
                if strand.line is not None:
                    ends.append((strand.line, 0.0))
                ends.append((strand.head, strand.head.inlet(strand.value)))
                for (a, out), (b, into) in zip(ends, ends[1:], strict=False):
                    own, other = self.column[id(a)], self.column[id(b)]
                    if own != other:
                        gap = self.offset[id(b)] + into - self.offset[id(a)] - out
                        self.wishes[own].append((gap, other))
                        self.wishes[other].append((-gap, own))

    def pack(self) -> None:
        """Put every column as far to the left as it can be."""
        for number in self.order:
            places = [self.at[b] + least for b, least in self.before[number].items()]
            self.at[number] = max(places, default=0.0)

    def pull(self) -> None:
        """Move columns towards what they are connected to, as far as there is room."""
        for number in reversed(self.order):
            room = [self.at[a] - least for a, least in self.after[number].items()]
            wish = self._wanted(number)
            if wish > self.at[number]:
                self.at[number] = max(self.at[number], min([wish, *room]))
        for number in self.order:
            room = [self.at[b] + least for b, least in self.before[number].items()]
            wish = self._wanted(number)
            if wish < self.at[number]:
                self.at[number] = min(self.at[number], max([wish, *room]))

    def _wanted(self, number: int) -> float:
        if not self.wishes[number]:
            return self.at[number]
        return median_low(self.at[other] + gap for gap, other in self.wishes[number])

    def place(self) -> None:
        """Give every slot its place; the leftmost begins at 0."""
        for slot in self.slots:
            slot.x = self.at[self.column[id(slot)]] + self.offset[id(slot)]
        least = min(slot.x - slot.before for slot in self.slots)
        for slot in self.slots:
            slot.x -= least
