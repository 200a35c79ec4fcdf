"""A drawn page: shapes and texts at their places, in points, with the origin at the top left.

Every style of picture makes a `Sheet`; SVG, PNG, PDF and TikZ are written from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from netdsl.draw.metrics import ASCENT, DESCENT, text_width

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Point = tuple[float, float]
Anchor = Literal["start", "middle", "end"]
TRANSPARENT = ""  # no colour: nothing is filled, or no line is drawn
DASHES = (4.0, 3.0)


class Bounds(NamedTuple):
    """A rectangle."""

    left: float
    top: float
    right: float
    bottom: float

    def around(self, other: Bounds) -> Bounds:
        """The rectangle around this one and another."""
        return Bounds(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )

    def overlaps(self, other: Bounds, by: float = 0) -> bool:
        """Whether the two share more than `by` points in both directions."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.bottom, other.bottom) - max(self.top, other.top)
        return wide > by and high > by

    def contains(self, other: Bounds, but: float = 0) -> bool:
        """Whether the other is inside, except for `but` points on each side."""
        return (
            self.left - but <= other.left
            and other.right <= self.right + but
            and self.top - but <= other.top
            and other.bottom <= self.bottom + but
        )


class Ink(NamedTuple):
    """How a shape is painted: its colour inside, and the colour, width and dashes of its line."""

    fill: str = TRANSPARENT
    line: str = TRANSPARENT
    width: float = 1.0
    dashed: bool = False


class Ellipse(NamedTuple):
    """An ellipse around a point."""

    x: float
    y: float
    across: float
    down: float
    ink: Ink

    @property
    def bounds(self) -> Bounds:
        """The rectangle around it."""
        return Bounds(
            self.x - self.across, self.y - self.down, self.x + self.across, self.y + self.down
        )


class Polygon(NamedTuple):
    """A polygon."""

    points: tuple[Point, ...]
    ink: Ink

    @property
    def bounds(self) -> Bounds:
        """The rectangle around it."""
        return around(self.points)


class Stroke(NamedTuple):
    """A line through points."""

    points: tuple[Point, ...]
    ink: Ink

    @property
    def bounds(self) -> Bounds:
        """The rectangle around it."""
        return around(self.points)


class Text(NamedTuple):
    """A line of text; `y` is its base line."""

    x: float
    y: float
    text: str
    size: float
    colour: str
    anchor: Anchor = "middle"
    bold: bool = False

    @property
    def width(self) -> float:
        """Its width in Helvetica."""
        return text_width(self.text, self.size, bold=self.bold)

    @property
    def bounds(self) -> Bounds:
        """The rectangle around it."""
        left = self.x - {"start": 0, "middle": 0.5, "end": 1}[self.anchor] * self.width
        return Bounds(
            left, self.y - ASCENT * self.size, left + self.width, self.y + DESCENT * self.size
        )


Shape = Ellipse | Polygon | Stroke | Text


@dataclass(slots=True)
class Drawn:
    """Shapes that belong together: a box, a scope, an arrow, a title.

    `name` is an identifier that stays the same if other parts of the net change, `tip` the text
    that a viewer shows under the pointer, and `link` the address of its place in the source.
    """

    kind: str
    items: Sequence[Shape | Drawn] = ()
    name: str = ""
    tip: str = ""
    link: str = ""

    def shapes(self) -> Iterator[Shape]:
        """All shapes inside."""
        for item in self.items:
            if isinstance(item, Drawn):
                yield from item.shapes()
            else:
                yield item

    def groups(self) -> Iterator[Drawn]:
        """Itself and all groups inside."""
        yield self
        for item in self.items:
            if isinstance(item, Drawn):
                yield from item.groups()

    @property
    def bounds(self) -> Bounds:
        """The rectangle around all of its shapes."""
        first, *others = [shape.bounds for shape in self.shapes()]
        for bounds in others:
            first = first.around(bounds)
        return first


Item = Shape | Drawn


@dataclass(slots=True)
class Sheet:
    """A whole picture: its size, its colour, its name for screen readers, and what is on it."""

    width: float
    height: float
    paper: str
    title: str
    items: list[Drawn] = field(default_factory=list)

    def groups(self, kind: str = "") -> list[Drawn]:
        """All groups, or those of a kind."""
        found = [group for item in self.items for group in item.groups()]
        return [group for group in found if not kind or group.kind == kind]


def around(points: tuple[Point, ...]) -> Bounds:
    """The rectangle around points."""
    across, down = [x for x, _ in points], [y for _, y in points]
    return Bounds(min(across), min(down), max(across), max(down))
