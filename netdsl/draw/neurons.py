"""The style `neurons`: a perceptron, whose units are circles and whose weights are lines."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from netdsl.analysis.sizes import example_inputs
from netdsl.draw.picture import short
from netdsl.draw.sheet import Drawn, Ellipse, Ink, Stroke, Text
from netdsl.draw.themes import THEMES
from netdsl.draw.tips import Tips, link_to
from netdsl.errors import NetdslError
from netdsl.ir.types import shape_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.draw.options import DrawOptions
    from netdsl.draw.sheet import Item
    from netdsl.ir.graph import Graph, Node
    from netdsl.ir.types import Sym
    from netdsl.source import Span

UNITS = 8  # circles of a layer, unless others are asked for
MOST_LAYERS = 12
RADIUS, STEP, APART = 8.0, 23.0, 104.0
NAME, WORDS = 9.5, 8.5
_SMALL = ("activation", "normalisation", "regularisation", "shape")


class UnitColumn(NamedTuple):
    """The units of one layer: its name, their number, what follows it, and its node."""

    name: str
    units: int
    words: str
    node: Node | None


def columns_of(graph: Graph) -> list[UnitColumn]:
    """The layers of a perceptron; raises `NetdslError` for any other net."""
    (first, *others) = graph.inputs
    if others:
        raise _unsuited(f"it has {len(graph.inputs)} inputs", graph.inputs[1].site.span)
    columns = [UnitColumn(first.name, _number(graph, first.type.shape), "", None)]
    for node in graph.nodes:
        if node.aux is not None:
            continue
        if node.op.kind == "dense" and len(node.type.shape) == 1:
            name = "" if node.label.isdigit() else node.label
            columns.append(UnitColumn(name, _number(graph, node.type.shape), "dense", node))
        elif node.op.kind == "flatten" or (node.op.family in _SMALL and len(node.inputs) == 1):
            if columns[-1].node is not None and node.op.kind != "flatten":
                last = columns[-1]
                columns[-1] = last._replace(words=node.op.kind)
        else:
            raise _unsuited(f"this is a `{node.op.kind}`", node.span)
    if len(columns) > MOST_LAYERS:
        raise _unsuited(f"it has {len(columns)} layers", graph.site.span)
    return columns


def neurons(
    graph: Graph, options: DrawOptions, link: Callable[[Span], str] = link_to
) -> list[Drawn]:
    """The circles, the lines and the texts."""
    theme, columns = THEMES[options.theme], columns_of(graph)
    most = options.units or UNITS
    shown = [_shown(column.units, most) for column in columns]
    tallest = max(map(len, shown))
    tips = Tips(graph)
    groups, lines = [], []
    places: list[list[tuple[float, float]]] = []
    for number, (column, units) in enumerate(zip(columns, shown, strict=True)):
        x = number * APART
        top = (tallest - len(units)) * STEP / 2
        rows = [top + n * STEP for n in range(len(units))]
        places.append([(x, y) for y, unit in zip(rows, units, strict=True) if unit])
        fill, border = theme.end
        if column.node is not None:
            fill, border = theme.of("dense")
        items: list[Item] = []
        for y, unit in zip(rows, units, strict=True):
            if unit:
                items.append(Ellipse(x, y, RADIUS, RADIUS, Ink(fill, border, 1.0)))
            else:
                dot = Ink(theme.line)
                items += [Ellipse(x, y + d, 1.2, 1.2, dot) for d in (-5, 0, 5)]
        name = short(column.name)
        items.append(Text(x, -RADIUS - 8, name, NAME, theme.ink, bold=True))
        below = (tallest - 1) * STEP + RADIUS + 14
        items.append(Text(x, below, f"{column.units:,}", WORDS, theme.ink))
        items.append(Text(x, below + 11, column.words, WORDS, theme.soft))
        items = [i for i in items if not isinstance(i, Text) or i.text]
        if column.node is None:
            groups.append(Drawn("units", items, f"input.{column.name}", name))
        else:
            node = column.node
            groups.append(Drawn("units", items, node.name, tips.of_layer(node), link(node.span)))
    for before, after in pairwise(places):
        ink = Ink(line=theme.line, width=0.45)
        pairs = [((x, y), (u, v)) for x, y in before for u, v in after]
        lines += [Stroke(((x + RADIUS, y), (u - RADIUS, v)), ink) for (x, y), (u, v) in pairs]
    return [Drawn("weights", lines), *groups]


def _shown(units: int, most: int) -> list[bool]:
    """The circles of a layer; False stands for those that are left out before the last one."""
    if units <= most:
        return [True] * units
    return [*[True] * max(most - 2, 1), False, True]


def _number(graph: Graph, shape: tuple[int | Sym, ...]) -> int:
    number = 1
    for size in shape:
        if not isinstance(size, int):
            raise NetdslError(
                "open-size",
                f"the style `neurons` draws each unit, and {shape_text(shape)} is an open size",
                graph.site.span,
                help=f"give the sizes of the input: `{example_inputs(graph)}`",
            )
        number *= size
    return number


def _unsuited(reason: str, span: Span) -> NetdslError:
    return NetdslError(
        "wrong-style",
        f"the style `neurons` draws perceptrons of `dense` layers; {reason}",
        span,
        help="use `--style volumes` or `--style layers`",
    )
