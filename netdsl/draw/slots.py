"""The members of one frame and the lines between them, in rows along the flow."""

from __future__ import annotations

from dataclasses import dataclass, field

from netdsl.draw.parts import GAP, PORT, Edge, Part

_SAME = 0.5  # points: members that begin so close to each other share a row


@dataclass(slots=True, eq=False)
class Slot:
    """A member, the place where a value enters or leaves the frame, or a line that passes rows.

    It takes the rows from `first` to `last`, and `before` and `after` on both sides of its axis,
    which is at `x` across the flow. `value` is that of an entry, an exit or a line, and `tail` the
    member from which the line comes.
    """

    part: Part | None
    value: int = 0
    main: float = 0.0
    before: float = PORT
    after: float = PORT
    top: float = 0.0
    first: int = 0
    last: int = 0
    x: float = 0.0
    index: int = 0  # in the order of the text
    height: float = 0.0  # of the longest path that begins here
    is_line: bool = False
    leads: bool = False
    trunk: Strand | None = None  # how the longest path arrives here
    near: list[Strand] = field(default_factory=list)  # lines that end in the next row
    ins: list[Strand] = field(default_factory=list)
    outs: list[Strand] = field(default_factory=list)

    @property
    def bottom(self) -> float:
        """Where it ends along the flow, without its label."""
        return self.top + self.main

    @property
    def end(self) -> float:
        """Where it ends along the flow, with its label."""
        return self.bottom + (self.part.room.main if self.part is not None else 0.0)

    @property
    def axis(self) -> float:
        """Its axis as seen from the edge of its part."""
        if self.part is None:
            return 0.0
        if not self.part.members:
            return self.part.cross / 2
        ways = [s.value for s in (self.trunk, *self.ins) if s is not None]
        for value in ways:
            return self.part.inlets[value]
        return next(iter(self.part.outlets.values()), self.part.cross / 2)

    def inlet(self, value: int) -> float:
        """Where a value arrives, from the axis."""
        if self.part is None or not self.part.members:
            return 0.0
        return self.part.inlets[value] - self.axis

    def outlet(self, value: int) -> float:
        """Where a value leaves, from the axis."""
        if self.part is None or not self.part.members:
            return 0.0
        return self.part.outlets[value] - self.axis


@dataclass(slots=True, eq=False)
class Strand:
    """A value from one slot to another; `line` is the line that carries it past other rows."""

    value: int
    tail: Slot
    head: Slot
    leads: bool
    line: Slot | None = None
    sideways: bool = False  # the line ends at the side of the head


class Slots:
    """All slots of a frame, their strands, and the cuts at which its rows begin."""

    def __init__(self, frame: Part, edges: list[Edge]) -> None:
        self.frame = frame
        self.members = [Slot(part, index=n) for n, part in enumerate(frame.members)]
        by_part = {id(slot.part): slot for slot in self.members}
        self.entries: dict[int, Slot] = {}
        self.exits: dict[int, Slot] = {}
        self.strands: list[Strand] = []
        for value, tail, head, leads in edges:
            start = by_part[id(tail)] if tail else self._port(self.entries, value, frame.lead)
            end = by_part[id(head)] if head else self._port(self.exits, value, 0.0)
            strand = Strand(value, start, end, leads)
            if start.index < end.index or tail is None or head is None:
                start.outs.append(strand)
                end.ins.append(strand)
                self.strands.append(strand)
        self._set_tops()
        for slot in self.members:
            _set_sides(slot)
        self.cuts = self._cuts()
        self.lines = self._lines()

    @staticmethod
    def _port(ports: dict[int, Slot], value: int, lead: float) -> Slot:
        if value not in ports:
            ports[value] = Slot(None, value, lead)
        return ports[value]

    # ---- along the flow

    def _set_tops(self) -> None:
        """Put each member below what it takes, and what takes nothing above what takes it."""
        for slot in self.members:
            assert slot.part is not None
            slot.main = slot.part.main
            tops = [strand.tail.end + GAP for strand in slot.ins]
            slot.top = max([self.frame.lead + PORT, *tops])
            slot.trunk = max(slot.ins, key=lambda s: s.tail.end, default=None)
        for slot in self.exits.values():
            slot.trunk = slot.ins[0]
        for slot in reversed(self.members):
            slot.height = slot.main + max((s.head.height for s in slot.outs), default=0.0)
        self._lower()

    def _lower(self) -> None:
        """Move members that depend on no entry of the frame, and not on its first input, down."""
        loose: set[int] = set()
        for slot in self.members:
            starts = not slot.ins and slot is not self.members[0]
            if starts or (slot.ins and all(id(s.tail) in loose for s in slot.ins)):
                loose.add(id(slot))
        for slot in reversed(self.members):
            tops = [s.head.top for s in slot.outs if s.head.part is not None]
            if id(slot) in loose and tops:
                slot.top = max(slot.top, min(tops) - GAP - (slot.end - slot.top))

    def _cuts(self) -> list[float]:
        """The tops of the rows; sets the rows of members and ports."""
        cuts: list[float] = []
        for top in sorted(slot.top for slot in self.members):
            if not cuts or top > cuts[-1] + _SAME:
                cuts.append(top)
        starts = {slot: _row(cuts, slot.top) for slot in self.members}
        for slot, row in starts.items():
            slot.first = slot.last = row
            while slot.last + 1 < len(cuts) and cuts[slot.last + 1] < slot.end + GAP - 2:
                slot.last += 1
        for slot in self.entries.values():
            slot.first = slot.last = -1
        for slot in self.exits.values():
            slot.first = slot.last = len(cuts)
        return cuts

    # ---- lines

    def _lines(self) -> list[Slot]:
        """The lines past rows: one for each value of a member that is taken further down."""
        lines: dict[tuple[int, int], Slot] = {}
        for strand in sorted(self.strands, key=lambda s: s.head.first):
            tail, head = strand.tail, strand.head
            if head.first <= tail.last + 1:
                continue
            line = lines.get((id(tail), strand.value))
            if line is None:
                line = Slot(None, strand.value, is_line=True, first=tail.last + 1)
                line.index = head.index
                line.leads = strand.leads
                line.ins.append(strand)
                lines[id(tail), strand.value] = line
            line.last = head.first - 1
            line.outs.append(strand)
            strand.line = line
        self._turn_sideways()
        return list(lines.values())

    def _turn_sideways(self) -> None:
        """Let one line for each sided member end at its side, and pass its row."""
        for slot in self.members:
            if slot.part is None or not slot.part.sided:
                continue
            for strand in slot.ins:
                line = strand.line
                if line is not None and strand is not slot.trunk and line.outs[-1] is strand:
                    strand.sideways = True
                    line.last = slot.first
                    break


def _set_sides(slot: Slot) -> None:
    """The extents of a member on both sides of its axis, with the room for its label."""
    part = slot.part
    assert part is not None
    if part.members:
        axis = slot.axis
        slot.before, slot.after = axis, part.cross - axis
        return
    slot.before = max(part.cross / 2, part.room.before)
    slot.after = max(part.cross / 2, part.room.after)


def _row(cuts: list[float], top: float) -> int:
    """The row that begins at a height; the cuts are sorted."""
    low, high = 0, len(cuts) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if cuts[middle] <= top + 1e-6:
            low = middle
        else:
            high = middle - 1
    return low
