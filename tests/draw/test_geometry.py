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
from tests.support.library import FIRST, NETS

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


def points_of(edge: dict[str, Any]) -> list[tuple[float, float]]:
    """Points on an arrow, which `dot` describes as cubic curves."""
    points = []
    for part in edge["pos"].split(";"):
        words = [word.split(",") for word in part.split()]
        points += [(float(x), float(y)) for _, x, y in (w for w in words if len(w) == 3)]
        knots = [complex(float(w[0]), float(w[1])) for w in words if len(w) == 2]
        for i in range(0, len(knots) - 1, 3):
            a, b, c, d = knots[i : i + 4]
            for t in (step / 20 for step in range(21)):
                u = 1 - t
                z = u**3 * a + 3 * u * u * t * b + 3 * u * t * t * c + t**3 * d
                points.append((z.real, z.imag))
    return points


def layout_of(name: str, options: DrawOptions) -> dict[str, Any] | None:
    """The layout of a picture, or None for a very large one.

    Boxes do not overlap, are inside their scopes and the page, and contain their texts.
    """
    text = emit_dot(netdsl.load(name).graph, options)
    if text.count(" -> ") > LARGE:
        return None
    layout: dict[str, Any] = json.loads(render(text, "json"))
    objects = layout["objects"]
    boxes = [o for o in objects if "pos" in o and "nodes" not in o]
    page = Place(*map(float, layout["bb"].split(",")))
    places = layout["places"] = {o["_gvid"]: box_of(o) for o in boxes}
    for box in boxes:
        place = places[box["_gvid"]]
        assert page.contains(place), box["label"]
        if box["shape"] != "circle":
            assert all(place.contains(words) for words in texts_of(box)), box["label"]
    assert len(places) >= 2
    ordered = sorted(places.values(), key=lambda place: place.left)
    for one, other in combinations(ordered, 2):
        assert not one.overlaps(other)
    for scope in scopes_of(layout):
        border = Place(*map(float, scope["bb"].split(",")))
        assert all(border.contains(places[n]) for n in scope.get("nodes", []))
        assert all(border.contains(words) for words in texts_of(scope)), scope["label"]
    return layout


def scopes_of(layout: dict[str, Any]) -> list[dict[str, Any]]:
    """The frames of a layout."""
    return [o for o in layout["objects"] if "bb" in o]


def has_crossed_names(layout: dict[str, Any]) -> bool:
    """Whether an arrow crosses the name of a frame."""
    names = [words for scope in scopes_of(layout) for words in texts_of(scope)]
    points = [point for edge in layout.get("edges", []) for point in points_of(edge)]
    return any(
        words.left + 0.5 < x < words.right - 0.5 and words.bottom + 0.5 < y < words.top - 0.5
        for x, y in points
        for words in names
    )


@pytest.mark.parametrize("name", NETS)
def test_the_picture_of_a_net(name: str) -> None:
    """Nothing overlaps. Arrows lead down: no box is above one that makes its input."""
    for options in (DrawOptions(), DrawOptions(style="blocks")):
        layout = layout_of(name, options)
        if layout is not None:
            places = layout["places"]
            for edge in layout.get("edges", []):
                assert places[edge["head"]].top <= places[edge["tail"]].bottom + 1


# Where an arrow to the right crosses the name of a block. Arrows down often do: they enter a frame
# where its name is, if the frame is narrow.
CROSSED = {f"bert:BERT{size}" for size in ("Tiny", "Mini", "Small", "Medium")}
CROSSED.add("inception:InceptionReduced")


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.slow] * (n not in FIRST)) for n in NETS],
)
def test_the_picture_to_the_right(name: str) -> None:
    """Nothing overlaps, arrows lead to the right, and none crosses the name of a block."""
    layout = layout_of(name, DrawOptions(direction="right"))
    if layout is None:
        return
    places, edges = layout["places"], layout.get("edges", [])
    assert all(places[e["head"]].left >= places[e["tail"]].right - 1 for e in edges)
    assert has_crossed_names(layout) == (name in CROSSED)


@pytest.mark.parametrize("style", ["layers", "blocks"])
def test_the_names_of_auxiliary_heads_are_clear(style: str) -> None:
    """The arrow to a head enters its frame beside the name."""
    layout = layout_of("googlenet:GoogLeNet", DrawOptions(style=style))
    assert layout is not None
    heads = [scope for scope in scopes_of(layout) if "auxiliary head" in scope["label"]]
    assert len(heads) == 2
    layout["objects"] = heads
    assert not has_crossed_names(layout)
