"""The titles of scopes in pictures, and the room that they need."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from netdsl.draw.labels import title_width
from netdsl.draw.metrics import text_width

if TYPE_CHECKING:
    from netdsl.draw.labels import Title
    from netdsl.draw.picture import Cluster

NARROW, WIDE = 8, 32  # points, the margins of a scope
INSET = 13  # points from the border of a scope to its title, and between the title and a line
BESIDE = 9  # points between the text of a box and its border


def frame_of(cluster: Cluster) -> tuple[int, list[Title]]:
    """The margin of a scope, in points, and the lines of its title.

    The line into a narrow scope runs down its middle, so the title should fit into half the width.
    A wider margin makes room for it; if that is not enough, the title has more lines.
    """
    room = _half(cluster) - INSET
    name, colon, block = cluster.title.partition(": ")
    name += colon.strip()
    scope, dot, own = name.rpartition(".")
    below = [("", block)] * bool(block)
    ways = [[(name, block)], [(name, ""), *below]]
    if scope:
        ways.append([(scope + dot, ""), (own, ""), *below])
    for lines in ways:
        missing = max(title_width(*line) for line in lines) - room
        if missing <= WIDE:
            break
    return min(max(NARROW, ceil(missing)), WIDE), lines


def _half(cluster: Cluster) -> float:
    """Half the width of the boxes of a scope, in points, about; without boxes, of its scopes."""
    texts = [line for box in cluster.boxes for line in box.lines]
    if texts:
        return max(text_width(text, 11) for text in texts) / 2 + BESIDE
    scopes = cluster.children.values()
    return max((_half(child) + frame_of(child)[0] for child in scopes), default=0)
