"""The title above a drawing and the legend below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.analysis.cost import Costs
from netdsl.draw.metrics import text_width
from netdsl.draw.picture import short
from netdsl.draw.sheet import Ellipse, Group, Ink, Polygon, Rect, Sheet, Stroke, Text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netdsl.draw.sheet import Item
    from netdsl.draw.themes import Theme
    from netdsl.ir.graph import Graph

MARGIN = 16.0
TITLE, NOTE, WORD = 15.0, 9.5, 8.5  # sizes of letters
HEAD = 44.0  # height of the title
_SWATCH, _STEP, _LEAST = 9.0, 14.0, 260.0


def finish(
    items: list[Group],
    width: float,
    height: float,
    graph: Graph,
    theme: Theme,
    families: Iterable[str] = (),
    note: str = "",
) -> Sheet:
    """A sheet with a drawing of this size, the net's name above it, and a legend below it.

    `families` are those of the layers that are shown, and `note` is what the picture leaves out.
    """
    name = short(graph.name)
    params = graph.derived(Costs).totals().params
    facts = ", ".join(filter(None, [f"{params:,} parameters", note]))
    widest = max(width, text_width(name, TITLE, bold=True), text_width(facts, NOTE))
    legend, below = _legend(families, widest, theme)
    widest = max([widest, *(item.bounds.right for item in legend)])
    title = Group(
        "title",
        [
            Text(MARGIN, MARGIN + 12, name, TITLE, theme.ink, "start", bold=True),
            Text(MARGIN, MARGIN + 27, facts, NOTE, theme.faint, "start"),
        ],
    )
    left = MARGIN + max((widest - width) / 2, 0)
    drawing = [moved(item, left, MARGIN + HEAD) for item in items]
    bottom = MARGIN + HEAD + height
    if legend:
        legend = [moved(item, MARGIN, bottom + 14) for item in legend]
        bottom += 14 + below
    label = f"Picture of {graph.name}: its layers from input to output"
    return Sheet(
        widest + 2 * MARGIN, bottom + MARGIN, theme.paper, label, [title, *drawing, *legend]
    )


def _legend(
    families: Iterable[str], width: float, theme: Theme
) -> tuple[list[Group], float]:
    """A patch of colour and a word for each family, in lines, and their height."""
    shown = set(families)
    words = [family for family in theme.families if family in shown]
    groups = []
    x, y = 0.0, 0.0
    for word in words:
        step = _SWATCH + 4 + text_width(word, WORD)
        if x and x + step > max(width, _LEAST):
            x, y = 0.0, y + _STEP
        fill, border = theme.families[word]
        patch = Rect(x, y, _SWATCH, _SWATCH, Ink(fill, border, 0.9), 2.0)
        text = Text(x + _SWATCH + 4, y + 7.8, word, WORD, theme.faint, "start")
        groups.append(Group("legend", [patch, text]))
        x += step + 14
    return groups, y + _SWATCH if words else 0.0


def moved(group: Group, right: float, down: float) -> Group:
    """The group at another place."""
    items = [_moved(item, right, down) for item in group.items]
    return Group(group.kind, items, group.name, group.tip, group.link)


def _moved(item: Item, right: float, down: float) -> Item:
    match item:
        case Group():
            return moved(item, right, down)
        case Polygon() | Stroke():
            points = tuple((x + right, y + down) for x, y in item.points)
            return item._replace(points=points)
        case Rect() | Ellipse() | Text():
            return item._replace(x=item.x + right, y=item.y + down)
