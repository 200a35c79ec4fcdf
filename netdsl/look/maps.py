"""The feature maps of one picture, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from netdsl.look.errors import probabilities
from netdsl.look.layers import is_map, spread, stages, title_of
from netdsl.look.net import by_unit
from netdsl.look.parts import Bars, Grid, Tile, TileRow, View, rows_of, scale_of
from netdsl.words import counted

if TYPE_CHECKING:
    from netdsl.ir.graph import Node
    from netdsl.look.layers import UnitChoice
    from netdsl.look.net import LayeredNet
    from netdsl.look.pictures import Pictures
    from netdsl.look.survey import Survey

MOST_LAYERS, MOST_UNITS, COLUMNS = 8, 32, 16
MOST_CLASSES = 10


def layers_with_maps(net: LayeredNet, choice: UnitChoice) -> list[Node]:
    """The chosen layer, or some of the stages of the net."""
    if choice.layer is not None:
        return [choice.layer]
    return spread(stages(net.graph), MOST_LAYERS)


def maps(
    net: LayeredNet,
    pictures: Pictures,
    number: int,
    choice: UnitChoice,
    found: Survey | None = None,
) -> View:
    """The maps of the picture of that number, each with its largest value.

    With a survey of many pictures, the units that are the same in all of them are counted.
    """
    nodes = layers_with_maps(net, choice)
    with torch.inference_mode():
        values = net.values(pictures.prepared([number]), [net.scores, *(n.output for n in nodes)])
    scores, *layers = (value.numpy() for value in values)
    parts: list[Grid | Bars] = [_picture(pictures, number)]
    for node, value in zip(nodes, layers, strict=True):
        parts.append(_grid(net, node, value[0], choice, found))
    parts.append(_answer(pictures, number, torch.from_numpy(scores)))
    text = (
        "The maps of a layer have one scale, which is printed below them; the number under a map"
        " is its largest value. A unit is dead if its value is the same everywhere in every"
        " picture: it has no effect."
    )
    return View("maps", "Feature maps", [text], parts)


def _picture(pictures: Pictures, number: int) -> Grid:
    name = pictures.true_class(number)
    title = f"The picture: {pictures.name}, {name}" if name else f"The picture: {pictures.name}"
    return Grid(title, [TileRow("", [Tile(pictures.shown(number))])])


def _grid(
    net: LayeredNet, node: Node, values: np.ndarray, choice: UnitChoice, found: Survey | None
) -> Grid:
    name = title_of(net.graph, node)
    if not is_map(node):
        flat = by_unit(torch.from_numpy(values)[None])[0].numpy()
        title = f"{name}: {_dead(node, flat, found)}, as a row for each place"
        return Grid(title, [TileRow("", [Tile(np.ascontiguousarray(flat.T))])], scale_of([flat]))
    units = list(range(len(values))) if choice.unit is None else [choice.unit]
    shown = units[:MOST_UNITS]
    tiles = [Tile(values[i], f"{i}: {_number(values[i].max())}") for i in shown]
    sizes = "x".join(map(str, values.shape[1:]))
    title = f"{name}: {_dead(node, values.reshape(len(values), -1), found)} of {sizes}"
    if len(shown) < len(values):
        title += f", {len(shown)} of them shown"
    return Grid(title, rows_of(tiles, COLUMNS), scale_of([values]))


def _dead(node: Node, values: np.ndarray, found: Survey | None) -> str:
    """The number of units, and of those that are dead."""
    count = counted(len(values), "unit")
    if found is not None and node.name in found.layers:
        return f"{count} ({found.layers[node.name].dead} dead in all pictures)"
    same = int((values.min(1) == values.max(1)).sum())
    return f"{count} ({same} constant in this picture)"


def _answer(pictures: Pictures, number: int, scores: torch.Tensor) -> Bars:
    shares = probabilities(by_unit(scores).mean(2).numpy())[0]
    best = np.argsort(-shares, kind="stable")[:MOST_CLASSES]
    values = [(pictures.class_of(int(i)), 100 * float(shares[i])) for i in best]
    marked = None
    if pictures.labels is not None and pictures.labels[number] in best:
        marked = int(np.flatnonzero(best == pictures.labels[number])[0])
    title = "The answer: the most probable classes"
    return Bars(title, values, "probability (%)", marked)


def _number(value: float) -> str:
    return f"{value:.2g}".replace("-", "−")
