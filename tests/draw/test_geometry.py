"""The pictures of the library: no overlaps, all on the page, texts in boxes, reading order."""

from __future__ import annotations

import json
from itertools import combinations
from typing import Any, NamedTuple

import pytest

import netdsl
from netdsl.draw.dot import emit_dot
from netdsl.draw.layout import render
from netdsl.draw.metrics import text_width
from netdsl.draw.options import DrawOptions
from netdsl.driver import open_program
from netdsl.library import library_file, library_names

LARGE = 700  # arrows; comparing all pairs of so many boxes takes too long


class Place(NamedTuple):
    """A rectangle; y grows upwards."""

    left: float
    bottom: float
    right: float
    top: float

    def overlaps(self, other: Place) -> bool:
        """Whether more than a point of both is the same in each direction."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.top, other.top) - max(self.bottom, other.bottom)
        return wide > 1 and high > 1

    def contains(self, other: Place) -> bool:
        """Whether the other is inside, but for a point and a half."""
        return (
            self.left - 1.5 <= other.left
            and other.right <= self.right + 1.5
            and self.bottom - 1.5 <= other.bottom
            and other.top <= self.top + 1.5
        )


def nets() -> list[str]:
    """Every net of the library."""
    found = []
    for file in library_names():
        path = library_file(file)
        assert path is not None
        found += [f"{file}:{name}" for name in open_program(path, {}).nets()]
    return found


def box_of(node: dict[str, Any]) -> Place:
    """The place of a box."""
    x, y = map(float, node["pos"].split(","))
    wide, high = 36 * float(node["width"]), 36 * float(node["height"])
    return Place(x - wide, y - high, x + wide, y + high)


def texts_of(part: dict[str, Any]) -> list[Place]:
    """The places of the texts of a box or scope, by the widths of Helvetica."""
    places, size, bold = [], 11.0, False
    for step in part.get("_ldraw_", []):
        if step["op"] == "F":
            size = step["size"]
        elif step["op"] == "t":
            bold = bool(step["fontchar"] & 1)
        elif step["op"] == "T":
            width = text_width(step["text"], size, bold=bold)
            x, y = step["pt"]
            left = x - {"l": 0.0, "c": 0.5, "r": 1.0}[step["align"]] * width
            places.append(Place(left, y, left + width, y + 0.7 * size))
    return places


@pytest.mark.parametrize("name", nets())
def test_the_picture_of_a_net(name: str) -> None:
    """Boxes do not overlap, are inside their scopes and the page, and contain their texts.

    Arrows lead down: no box is above one that makes its input.
    """
    graph = netdsl.load(name).graph
    for options in (DrawOptions(), DrawOptions(style="blocks")):
        text = emit_dot(graph, options)
        if text.count(" -> ") > LARGE:
            continue
        layout = json.loads(render(text, "json"))
        objects = layout["objects"]
        boxes = [o for o in objects if "pos" in o and "nodes" not in o]
        page = Place(*map(float, layout["bb"].split(",")))
        places = {o["_gvid"]: box_of(o) for o in boxes}
        for box in boxes:
            place = places[box["_gvid"]]
            assert page.contains(place), box["label"]
            if box["shape"] != "circle":
                assert all(place.contains(words) for words in texts_of(box)), box["label"]
        assert len(places) >= 2
        ordered = sorted(places.values(), key=lambda place: place.left)
        for one, other in combinations(ordered, 2):
            assert not one.overlaps(other)
        scopes = [o for o in objects if "bb" in o]
        for scope in scopes:
            border = Place(*map(float, scope["bb"].split(",")))
            assert all(border.contains(places[n]) for n in scope.get("nodes", []))
            assert all(border.contains(words) for words in texts_of(scope)), scope["label"]
        for edge in layout.get("edges", []):
            assert places[edge["head"]].top <= places[edge["tail"]].bottom + 1
