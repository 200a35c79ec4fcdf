"""What `arrange` lays out: parts with sizes, links between them, and the wires that result.

A picture is laid out along the flow, called main, and across it. Which of them is down and which is
right is decided when it is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

PAD = 10.0  # between a frame and its members
LEAD = 10.0  # before the first members of a frame, for its title
GAP = 20.0  # between a part and the next: room for two tracks and an arrow
Point = tuple[float, float]
ARROW = 10.0  # from the last track to the part below it
TRACK = 6.0  # between two tracks
PORT = 5.0  # on each side of a line that enters or leaves a frame


class Room(NamedTuple):
    """Room that a part keeps free for the label below it: along the flow, and to both sides."""

    main: float = 0.0
    before: float = 0.0
    after: float = 0.0


@dataclass(slots=True, eq=False)
class Part:
    """A box, or a frame with members. `main` and `cross` are its sizes; those of a frame result.

    A line may end at the side of a part that is `sided`. In a frame, `head` is the room for the
    title: `lead` along the flow, `before` across it; lines enter at least `entry` from its edge,
    and it is at least `least` long and `width` wide. `at` is the place of its corner.
    """

    main: float = 0.0
    cross: float = 0.0
    room: Room = Room()
    sided: bool = False
    members: list[Part] = field(default_factory=list)
    lead: float = LEAD
    before: float = PAD
    entry: float = 0.0
    least: float = 0.0
    width: float = 0.0
    outer: Part | None = None
    at: Point = (0.0, 0.0)
    inlets: dict[int, float] = field(default_factory=dict)  # across, by value
    outlets: dict[int, float] = field(default_factory=dict)
    wires: list[Wire] = field(default_factory=list)

    def add(self, member: Part) -> None:
        """Append a member."""
        member.outer = self
        self.members.append(member)

    @property
    def path(self) -> list[Part]:
        """The frames around it, from the outside in."""
        if self.outer is None:
            return []
        return [*self.outer.path, self.outer]


class Link(NamedTuple):
    """A value that one box makes and another takes; `leads` if it is the first of several."""

    value: int
    source: Part
    target: Part
    leads: bool = False


class Wire(NamedTuple):
    """A line of a value through one frame; each point is along the flow, then across it.

    `target` is the box at its end; it is None if the line leaves or enters a frame there.
    """

    value: int
    points: tuple[Point, ...]
    target: Part | None
    source: Part | None


class Edge(NamedTuple):
    """A value between two members of a frame; None stands for the frame's own border."""

    value: int
    tail: Part | None
    head: Part | None
    leads: bool


def edges_by_frame(links: list[Link]) -> dict[int, list[Edge]]:
    """The edges inside each frame, by the frame's id: each value once from its tail to a head."""
    found: dict[int, dict[tuple[int, int, int], Edge]] = {}

    def add(frame: Part, value: int, tail: Part | None, head: Part | None, *, leads: bool) -> None:
        key = (value, id(tail), id(head))
        found.setdefault(id(frame), {}).setdefault(key, Edge(value, tail, head, leads))

    for value, source, target, leads in links:
        out, into = [*source.path, source], [*target.path, target]
        common = 0
        while out[common] is into[common]:
            common += 1
        for frame, child in zip(out[common:], out[common + 1 :], strict=False):
            add(frame, value, child, None, leads=False)
        add(out[common - 1], value, out[common], into[common], leads=leads)
        for frame, child in zip(into[common:], into[common + 1 :], strict=False):
            add(frame, value, None, child, leads=leads)
    return {frame: list(edges.values()) for frame, edges in found.items()}
