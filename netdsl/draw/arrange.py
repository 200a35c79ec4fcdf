"""Lays out boxes in nested frames: the longest path is straight, arms are beside each other.

Each frame is laid out by itself, from the inside out. Its members are put below what they take, and
these heights cut it into rows. From row to row, a member takes the place of the member that it
continues, and lines that skip rows keep a column of their own. Nothing overlaps therefore, and the
time is in proportion to the size of the picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.draw.parts import PAD, edges_by_frame
from netdsl.draw.slots import Slots
from netdsl.draw.sweep import set_columns
from netdsl.draw.tracks import Tracks

if TYPE_CHECKING:
    from netdsl.draw.parts import Edge, Link, Part


def arrange(root: Part, links: list[Link]) -> None:
    """Give every part inside `root` its place, and every frame its size and its wires."""
    _lay_out(root, edges_by_frame(links))
    _move(root, 0.0, 0.0)


def _lay_out(frame: Part, edges: dict[int, list[Edge]]) -> None:
    for member in frame.members:
        if member.members:
            _lay_out(member, edges)
    slots = Slots(frame, edges.get(id(frame), []))
    set_columns(slots)
    tracks = Tracks(slots)
    first = min((slot.x for slot in slots.entries.values()), default=frame.entry)
    across = max(frame.before, frame.entry - first)
    ends = [tracks.top(slot) + slot.end - slot.top for slot in slots.members]
    room = tracks.shift[-1] - (tracks.shift[-2] if len(tracks.shift) > 1 else 0.0)
    frame.main = max([*ends, frame.least]) + PAD + room
    right = max(slot.x + slot.after for slot in (*slots.members, *slots.lines))
    frame.cross = max(across + right + PAD, frame.width)
    frame.inlets = {value: slot.x + across for value, slot in slots.entries.items()}
    frame.outlets = {value: slot.x + across for value, slot in slots.exits.items()}
    for slot in slots.members:
        assert slot.part is not None
        slot.part.at = (tracks.top(slot), slot.x - slot.axis + across)
    frame.wires = [
        wire._replace(points=tuple((main, x + across) for main, x in wire.points))
        for wire in tracks.wires(frame.main)
    ]


def _move(frame: Part, main: float, cross: float) -> None:
    """Turn places inside a frame into places on the page."""
    frame.at = (main, cross)
    frame.wires = [
        wire._replace(points=tuple((m + main, x + cross) for m, x in wire.points))
        for wire in frame.wires
    ]
    for member in frame.members:
        if member.members:
            _move(member, member.at[0] + main, member.at[1] + cross)
        else:
            member.at = (member.at[0] + main, member.at[1] + cross)
