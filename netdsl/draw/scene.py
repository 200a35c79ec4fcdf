"""The styles that are not laid out by Graphviz: a title, the drawing, and a legend on a sheet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.analysis.cost import Costs
from netdsl.analysis.field import field_text
from netdsl.draw.metrics import text_width
from netdsl.draw.neurons import neurons
from netdsl.draw.options import USUAL
from netdsl.draw.picture import short
from netdsl.draw.sheet import Drawn, Ellipse, Ink, Polygon, Sheet, Stroke, Text
from netdsl.draw.themes import THEMES
from netdsl.draw.tips import link_to
from netdsl.draw.volumes import Volumes

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.draw.options import DrawOptions
    from netdsl.draw.sheet import Item
    from netdsl.draw.themes import Theme
    from netdsl.ir.graph import Graph
    from netdsl.source import Span

MARGIN, HEAD, FOOT = 16.0, 42.0, 26.0
TITLE, NOTE, WORD = 16.0, 10.0, 9.0


def scene_of(
    graph: Graph, options: DrawOptions = USUAL, link: Callable[[Span], str] = link_to
) -> Sheet:
    """The sheet of a net in the style `volumes` or `neurons`.

    Raises `NetdslError` if the style does not suit the net, or if a size is open.
    """
    theme, families = THEMES[options.theme], []
    seen: list[str] = []
    if options.style == "neurons":
        groups = neurons(graph, options, link)
    else:
        volumes = Volumes(graph, options, link)
        groups = volumes.items()
        families = [volume.box.family for volume in volumes.volumes]
        if volumes.field is not None:
            seen = [field_text(volumes.field, value) for value in graph.inputs]
    everything = Drawn("drawing", groups).bounds
    legend, legend_width = _legend(families, theme)
    name = short(graph.name)
    facts = [short(f"{graph.derived(Costs).totals().params:,} parameters"), *map(short, seen)]
    widest = max(
        everything.right - everything.left,
        text_width(name, TITLE, bold=True),
        *(text_width(fact, NOTE) for fact in facts),
        legend_width,
    )
    height = everything.bottom - everything.top
    title = Drawn("title", [Text(MARGIN, MARGIN + 13, name, TITLE, theme.ink, "start", bold=True)])
    title.items = [
        *title.items,
        *(
            Text(MARGIN, MARGIN + 28 + 13 * n, fact, NOTE, theme.faint, "start")
            for n, fact in enumerate(facts)
        ),
    ]
    head = HEAD + 13 * len(seen)
    right, down = MARGIN - everything.left, MARGIN + head - everything.top
    drawing = [moved(group, right, down) for group in groups]
    bottom = MARGIN + head + height
    below = [moved(group, MARGIN, bottom + 12) for group in legend]
    if legend:
        bottom += FOOT
    label = f"Picture of {graph.name}: its layers from input to output"
    items = [title, *drawing, *below]
    return Sheet(widest + 2 * MARGIN, bottom + MARGIN, theme.paper, label, items)


def _legend(families: list[str], theme: Theme) -> tuple[list[Drawn], float]:
    """A patch of colour and a word for each family, and the width of all."""
    groups, x = [], 0.0
    for word in [family for family in theme.families if family in set(families)]:
        fill, border = theme.families[word]
        corners = ((x, 0.0), (x + 9, 0.0), (x + 9, 9.0), (x, 9.0))
        text = Text(x + 13, 8, word, WORD, theme.faint, "start")
        groups.append(Drawn("legend", [Polygon(corners, Ink(fill, border, 0.9)), text]))
        x += 13 + text.width + 14
    return groups, x


def moved(group: Drawn, right: float, down: float) -> Drawn:
    """The group at another place."""
    items = [_moved(item, right, down) for item in group.items]
    return Drawn(group.kind, items, group.name, group.tip, group.link)


def _moved(item: Item, right: float, down: float) -> Item:
    match item:
        case Drawn():
            return moved(item, right, down)
        case Polygon() | Stroke():
            points = tuple((x + right, y + down) for x, y in item.points)
            return item._replace(points=points)
        case Ellipse() | Text():
            return item._replace(x=item.x + right, y=item.y + down)
