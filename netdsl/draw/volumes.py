"""The style `volumes`: maps as boxes to scale, from left to right, as papers draw them.

The height and the slanted width of a box are those of the map, and its thickness is the number of
channels. Windows are pyramids from the map that they slide over. If a net halves its maps and
doubles them again, each size has its own level, so that U-Net is a U. If a convolution has two
groups, the net is drawn as two towers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log2, prod
from typing import TYPE_CHECKING, Any

from netdsl.analysis.field import blocks_of, field_of
from netdsl.analysis.sizes import example_inputs
from netdsl.draw.metrics import text_width
from netdsl.draw.picture import Picture, short
from netdsl.draw.sheet import Drawn, Ink, Polygon, Stroke, Text
from netdsl.draw.themes import THEMES
from netdsl.draw.tips import Tips, link_to, span_of
from netdsl.errors import NetdslError
from netdsl.ir.types import shape_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.analysis.field import SeenField
    from netdsl.draw.options import DrawOptions
    from netdsl.draw.picture import Box
    from netdsl.draw.sheet import Item, Point
    from netdsl.draw.themes import Theme
    from netdsl.ir.graph import Graph, Value
    from netdsl.source import Span

MOST_VOLUMES = 60
TALL, THICK, BAR = 120.0, 46.0, 90.0  # points of the largest map, most channels, longest vector
SLANT = 0.36  # points to the right and up for each point of a map's width
GAP, LEVEL, TOWERS = 26.0, 0.8, 26.0  # between boxes, levels of a U, and towers
NAME, WORDS = 9.5, 8.5  # sizes of letters
_SHOWN = ("convolution", "pooling", "dense", "sequence", "regions")


@dataclass(slots=True)
class Volume:
    """One map or vector of the picture, with the box that makes it and its place.

    `x` and `y` are the left of its front and the middle of its height.
    """

    box: Box
    value: Value
    shape: tuple[int, ...]
    sources: list[int] = field(default_factory=list)  # the volumes that it is made from
    x: float = 0.0
    y: float = 0.0
    high: float = 0.0
    wide: float = 0.0  # of the map, before it is slanted
    thick: float = 0.0
    apart: float = 0.0  # from the middle to that of each tower; 0 for one box
    level: float = 0.0  # how often the map is halved

    @property
    def right(self) -> float:
        """The right end of the slanted face."""
        return self.x + self.thick + SLANT * self.wide

    def middles(self) -> list[float]:
        """The middle of each of its boxes."""
        if not self.apart:
            return [self.y]
        return [self.y - self.apart, self.y + self.apart]

    @property
    def top(self) -> float:
        """The height of its upper end."""
        return self.middles()[0] - self.high / 2 - SLANT * self.wide

    @property
    def bottom(self) -> float:
        """The height of its lower end."""
        return self.middles()[-1] + self.high / 2


class Volumes:
    """The volumes of a net, laid out; raises `NetdslError` for too many, or open sizes."""

    def __init__(
        self, graph: Graph, options: DrawOptions, link: Callable[[Span], str] = link_to
    ) -> None:
        self.graph = graph
        self.link = link
        self.theme: Theme = THEMES[options.theme]
        self.is_u = _grows(graph)
        blocks = not self.is_u and any(len(node.inputs) > 1 for node in graph.nodes)
        self.field: SeenField | None = None
        if options.field:
            self.field = field_of(graph, options.field)
        self.picture = Picture(graph, options.depth, stack=True, blocks=blocks)
        self.towers = any(getattr(node.op, "groups", 1) == 2 for node in graph.nodes)
        self.volumes = self._collect()
        self._check_number()
        self._size()
        self._place()

    # ---- what is drawn

    def _collect(self) -> list[Volume]:
        volumes: list[Volume] = []
        made: dict[int, list[int]] = {}  # the volumes that each value is made from
        levels: dict[int, float] = {}
        if self.is_u:
            levels = _levels(self.graph)
        for value in self.graph.inputs:
            box = next(f.source for f in self.picture.flows if f.value is value)
            volumes.append(Volume(box, value, self._shape(value)))
            made[id(value)] = [len(volumes) - 1]
        for box in self.picture.boxes():
            if not box.nodes or box.aux:
                continue
            last = box.nodes[-1]
            inside = {id(value) for node in box.nodes for value in node.outputs}
            taken = [v for node in box.nodes for v in node.inputs if id(v) not in inside]
            sources = list(dict.fromkeys(n for v in taken for n in made.get(id(v), [])))
            if (box.family in _SHOWN and box.lines[-1] != "flatten") or box.scope is not None:
                volumes.append(Volume(box, last.output, self._shape(last.output), sources))
                volumes[-1].level = levels.get(id(last.output), 0.0)
                sources = [len(volumes) - 1]
            for node in box.nodes:
                made |= {id(value): sources for value in node.outputs}
        return volumes

    def _shape(self, value: Value) -> tuple[int, ...]:
        sizes = value.type.shape
        if all(type(size) is int for size in sizes):
            return tuple(int(size) for size in sizes)
        raise NetdslError(
            "open-size",
            f"the style `volumes` draws to scale, and `{value.name}` has the open size"
            f" {shape_text(sizes)}",
            value.site.span,
            help=f"give the sizes of the input: `{example_inputs(self.graph)}`",
        )

    def _check_number(self) -> None:
        if len(self.volumes) <= MOST_VOLUMES:
            return
        raise NetdslError(
            "wrong-style",
            f"the style `volumes` shows at most {MOST_VOLUMES} maps, and this net has"
            f" {len(self.volumes)}",
            self.graph.site.span,
            help="fold its blocks with `--depth N`, or use `--style blocks`",
        )

    # ---- sizes and places

    def _size(self) -> None:
        maps = [v.shape for v in self.volumes if len(v.shape) > 1]
        tallest = max((max(s[1:3]) for s in maps), default=1)
        deepest = max((s[0] for s in maps), default=1)
        longest = max((v.shape[0] for v in self.volumes if len(v.shape) == 1), default=1)
        for volume in self.volumes:
            shape = volume.shape
            if len(shape) < 2:
                volume.high = max(BAR * prod(shape) / longest, 6.0)
                volume.wide, volume.thick = 5.0, 6.0
                continue
            scale = TALL / tallest
            volume.high = max(scale * shape[1], 3.0)
            volume.wide = max(scale * (*shape, 1)[2], 3.0)
            volume.thick = max(THICK * shape[0] / deepest, 2.0)
        last = len(self.volumes) - 1
        for number, volume in enumerate(self.volumes):
            if self.towers and 0 < number < last and volume.sources:
                volume.apart = 1.0
                volume.thick = max(volume.thick / 2, 2.0)
                if len(volume.shape) < 2:
                    volume.high /= 2
        pairs = [volume for volume in self.volumes if volume.apart]
        for volume in pairs:
            volume.apart = max(v.high / 2 + SLANT * v.wide / 2 for v in pairs) + TOWERS / 2

    def _place(self) -> None:
        x = 0.0
        for volume in self.volumes:
            lines = self.texts(volume)
            need = max(text_width(text, NAME, bold=True) for text in lines)
            own = volume.thick + SLANT * volume.wide
            volume.x = x + max(need - own, 0) / 2
            volume.y = LEVEL * TALL * volume.level
            x = max(volume.right + GAP, x + need + 10)

    # ---- shapes

    def items(self) -> list[Drawn]:
        """The volumes with their texts, and the windows and arrows between them."""
        groups = [self._volume(volume) for volume in self.volumes]
        links = [self._links(volume) for volume in self.volumes if volume.sources]
        return [*groups, *links]

    def texts(self, volume: Volume) -> list[str]:
        """The name, the size and the kind of a volume."""
        box = volume.box
        size = shape_text(volume.shape)
        if len(volume.shape) > 1:
            size = f"{volume.shape[0]}@{shape_text(volume.shape[1:])}"
        if box.scope is not None:
            return [box.scope.name or self.graph.name, size, box.scope.kind or ""]
        name, words = box.lines[0], ""
        if box.bands:
            name = box.bands[0].name
            words = ", ".join(w for w in box.bands[0].words.split(", ") if not w.isdigit())
            if words.split()[0] == "dense":
                words = "dense"
        return [short(name), size, short(words)]

    def _volume(self, volume: Volume) -> Drawn:
        theme, items = self.theme, []
        fill, border = theme.end
        if volume.box.look != "input":
            fill, border = theme.of(volume.box.family)
        if volume.box.scope is not None:
            fill, border = theme.folded
        for middle in volume.middles():
            items += _cuboid(volume, middle, fill, border)
            items += self._shade(volume, middle)
        centre = (volume.x + volume.right) / 2
        name, size, words = self.texts(volume)
        items.append(Text(centre, volume.top - 5, name, NAME, theme.ink, bold=True))
        base = volume.bottom + 12
        items.append(Text(centre, base, size, WORDS, theme.ink))
        items.append(Text(centre, base + 11, words, WORDS, theme.soft))
        items = [i for i in items if not isinstance(i, Text) or i.text]
        tips = Tips(self.graph)
        box = volume.box
        if not box.nodes:
            return Drawn("volume", items, f"{box.look}.{box.lines[0]}", box.lines[0])
        span, name = box.nodes[0].span, box.nodes[0].name
        if box.scope is not None:
            span, name = span_of(box.scope, box.nodes), box.scope.name
        return Drawn("volume", items, name, tips.of_box(box), self.link(span))

    def _shade(self, volume: Volume, middle: float) -> list[Item]:
        """The part of a map that the unit of the field depends on."""
        if self.field is None or len(volume.shape) != 3:
            return []
        rows, columns = volume.shape[1:]
        ink = Ink(fill=self.theme.mark)
        items: list[Item] = []
        # The unit may be of a layer that shares its box with those that follow it.
        values = [volume.value, *(v for node in volume.box.nodes for v in node.outputs)]
        cells = next(filter(None, map(self.field.cells, values)), set())
        for top, bottom, left, right in blocks_of(cells):
            part = (top / rows, left / columns, bottom / rows, right / columns)
            items.append(Polygon(face(volume, middle, part), ink))
        return items

    def _links(self, volume: Volume) -> Drawn:
        """The window of a volume on the map before it, or an arrow, and its skip connections."""
        items: list[Item] = []
        main = max(volume.sources)
        source = self.volumes[main]
        starts, ends = source.middles(), volume.middles()
        window = _window(volume)
        for start, end in _pairs(starts, ends, cross=_is_dense(volume)):
            if window and len(source.shape) == 3 and source.level == volume.level:
                items += _pyramid(source, start, volume, end, window, self.theme)
            else:
                items += self._arrow(source, start, volume, end)
        for number in volume.sources:
            if number != main:
                # A skip ends where it is joined with the map that was enlarged.
                target = volume
                if source.level == volume.level:
                    target = source
                items += self._skip(self.volumes[number], target)
        return Drawn("link", items)

    def _arrow(self, source: Volume, start: float, volume: Volume, end: float) -> list[Item]:
        first = (source.right + 3, start - SLANT * source.wide / 2)
        if source.y != volume.y:
            first = (source.x + source.thick / 2, source.bottom + 28)
            if volume.y < source.y:
                first = (source.right + 3, start)
        last = (volume.x - 3, end)
        return arrow((first, last), self.theme)

    def _skip(self, source: Volume, volume: Volume) -> list[Item]:
        y = source.y - SLANT * source.wide / 2
        return arrow(((source.right + 3, y), (volume.x - 3, y)), self.theme, dashed=True)


def arrow(points: tuple[Point, ...], theme: Theme, *, dashed: bool = False) -> list[Item]:
    """A line through points, with a head at its end."""
    (x0, y0), (x, y) = points[-2:]
    length = max(((x - x0) ** 2 + (y - y0) ** 2) ** 0.5, 1e-6)
    across, down = (x - x0) / length, (y - y0) / length
    back = (x - 5 * across, y - 5 * down)
    corners = (
        (x, y),
        (back[0] - 2.4 * down, back[1] + 2.4 * across),
        (back[0] + 2.4 * down, back[1] - 2.4 * across),
    )
    ink = Ink(line=theme.line, width=0.9, dashed=dashed)
    return [Stroke((*points[:-1], back), ink), Polygon(corners, Ink(theme.line))]


def _cuboid(volume: Volume, middle: float, fill: str, border: str) -> list[Item]:
    """The three visible faces of a box."""
    left, right = volume.x, volume.x + volume.thick
    top, bottom, slant = middle - volume.high / 2, middle + volume.high / 2, SLANT * volume.wide
    ink = Ink(fill, border, 0.8)
    upper = ((left, top), (left + slant, top - slant), (right + slant, top - slant), (right, top))
    return [
        Polygon(((left, top), (right, top), (right, bottom), (left, bottom)), ink),
        Polygon(upper, ink),
        Polygon(face(volume, middle, (0.0, 0.0, 1.0, 1.0)), ink),
    ]


def face(
    volume: Volume, middle: float, part: tuple[float, float, float, float]
) -> tuple[Point, ...]:
    """A part of the map of a volume: top, left, bottom and right as fractions of the map."""
    top, left, bottom, right = part
    x, slant = volume.x + volume.thick, SLANT * volume.wide
    upper = middle - volume.high / 2
    return tuple(
        (x + across * slant, upper + down * volume.high - across * slant)
        for down, across in ((top, left), (top, right), (bottom, right), (bottom, left))
    )


def _pyramid(
    source: Volume, start: float, volume: Volume, end: float, window: Any, theme: Theme
) -> list[Item]:
    """The window on the map that it slides over, and the lines to the unit that it makes."""
    high, wide = (min(k / n, 1.0) for k, n in zip(window, source.shape[1:], strict=True))
    top, left = (1 - high) * 0.4, (1 - wide) * 0.5
    corners = face(source, start, (top, left, top + high, left + wide))
    tip = (volume.x, end - 0.1 * volume.high)
    line = Ink(line=theme.mark, width=0.6)
    frame = Polygon(corners, Ink(line=theme.mark, width=0.8))
    return [frame, *(Stroke((corner, tip), line) for corner in (corners[1], corners[2]))]


def _window(volume: Volume) -> tuple[int, ...] | None:
    """The window of the layer that makes a volume, along both axes."""
    if volume.box.scope is not None or not volume.box.nodes:
        return None
    op = volume.box.nodes[0].op
    window = getattr(op, "k", None)
    if len(volume.shape) != 3 or window is None:
        return None
    return window if isinstance(window, tuple) else (window, window)


def _is_dense(volume: Volume) -> bool:
    """Whether each channel of a volume sees both towers."""
    nodes = volume.box.nodes
    return bool(nodes) and nodes[0].op.multiplies and getattr(nodes[0].op, "groups", 1) == 1


def _pairs(starts: list[float], ends: list[float], *, cross: bool) -> list[tuple[float, float]]:
    if len(starts) == len(ends) and not cross:
        return list(zip(starts, ends, strict=True))
    return [(start, end) for start in starts for end in ends]


def _levels(graph: Graph) -> dict[int, float]:
    """How often the map of each value is halved, by the value's id."""
    levels = {id(value): 0.0 for value in graph.inputs}
    for node in graph.nodes:
        windows = node.op.windows(*node.types)
        step = log2(windows[0].stride / windows[0].up) if windows else 0.0
        level = max(levels[id(value)] for value in node.inputs) + step
        levels |= {id(value): level for value in node.outputs}
    return levels


def _grows(graph: Graph) -> bool:
    """Whether a net makes maps smaller, and larger again."""
    sizes = [node.op.windows(*node.types) for node in graph.nodes if node.type.spatial]
    return any(w.up > 1 for windows in sizes for w in windows) and any(
        w.stride > 1 for windows in sizes for w in windows
    )
