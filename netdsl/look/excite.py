"""The pictures of a data set that excite a unit most, and what of them does so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from netdsl.look.backward import Passage, rules_text
from netdsl.look.labels import value_text
from netdsl.look.layers import spread, title_of, units_to_show, with_maps
from netdsl.look.net import place_of
from netdsl.look.parts import ColourScale, Grid, Tile, TileRow, View, coloured
from netdsl.look.pictures import PIXELS
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from netdsl.ir.graph import Node
    from netdsl.look.layers import UnitChoice
    from netdsl.look.net import Box, LayeredNet
    from netdsl.look.pictures import Pictures
    from netdsl.look.survey import LayerSurvey, Survey

PATCHES = 9
MOST_LAYERS, MOST_UNITS, MOST_OF_ONE = 3, 8, 16  # units of each of several layers, and of one


def layers_to_excite(net: LayeredNet, choice: UnitChoice) -> list[Node]:
    """The chosen layer, or convolutions that see a part of the image, each with its norm.

    Of a net without maps, they are its dense layers.
    """
    if choice.layer is not None:
        return [choice.layer]
    known = with_maps(net.graph)
    if not known:
        known = [node for node in net.nodes if node.op.multiplies] or net.nodes
        return spread(known, MOST_LAYERS)
    return spread([node for node in known if _sees_part(net, node)] or known[:1], MOST_LAYERS)


def _sees_part(net: LayeredNet, node: Node) -> bool:
    """Whether a unit in the middle of a map does not see the whole image."""
    height, width = net.sizes
    middle = tuple(int(str(size)) // 2 for size in node.type.shape[1:])
    return net.box(node, middle) != (0, height, 0, width)


def excite(net: LayeredNet, pictures: Pictures, found: Survey, choice: UnitChoice) -> View:
    """The nine patches that excite each unit most, with the reconstruction of each below it."""
    nodes = layers_to_excite(net, choice)
    most = MOST_UNITS if len(nodes) > 1 else MOST_OF_ONE
    parts = [
        _grid(net, pictures, found.layers[node.name], node, units_to_show(node, choice, most))
        for node in nodes
    ]
    text = (
        f"For each unit, the {PATCHES} of {counted(len(pictures), 'picture')} of {pictures.name} in"
        " which its value is largest, cut to the part of the picture that the unit sees. Below"
        " each patch are the value and the true class. Under the patches is what the deconvolution"
        " of Zeiler and Fergus makes of the unit's value alone: the part of the patch that excites"
        " it. Each is divided by its largest number."
    )
    below = net.below([node.output for node in nodes])
    return View("excite", "What excites a unit", [text, rules_text(net.graph, below)], parts)


def _grid(
    net: LayeredNet,
    pictures: Pictures,
    layer: LayerSurvey,
    node: Node,
    units: Sequence[int],
) -> Grid:
    rows = []
    for unit in units:
        best = layer.most_exciting(unit, PATCHES)
        numbers = [number for number, _, _ in best]
        places = [place_of(node, place) for _, place, _ in best]
        boxes = [net.box(node, place) for place in places]
        rows.append(
            TileRow(
                f"unit {unit}",
                [
                    Tile(pictures.shown(number, box), _caption(pictures, number, value))
                    for (number, _, value), box in zip(best, boxes, strict=True)
                ],
            )
        )
        made = reconstructed(net, pictures.prepared(numbers), node, unit, places)
        rows.append(TileRow("", [_tile(m, box) for m, box in zip(made, boxes, strict=True)]))
    title = f"{title_of(net.graph, node)}: {counted(len(units), 'unit')}, seeing up to"
    title += f" {_seen(net, node)} of the picture"
    return Grid(title, rows, None if net.channels == 3 else ColourScale(-1, 1))


def _caption(pictures: Pictures, number: int, value: float) -> str:
    text = value_text(value)
    name = pictures.true_class(number)
    return f"{text}\n{name}" if name else text


def _seen(net: LayeredNet, node: Node) -> str:
    middle = tuple(int(str(size)) // 2 for size in node.type.shape[1:])
    top, bottom, left, right = net.box(node, middle)
    return f"{bottom - top}x{right - left} pixels"


def reconstructed(
    net: LayeredNet,
    images: Tensor,
    node: Node,
    unit: int,
    places: Sequence[tuple[int, ...]],
) -> np.ndarray:
    """The values of one unit, at a place in each image, passed back to the images."""
    together = max(1, PIXELS // (images.shape[2] * images.shape[3]))
    made = []
    for start in range(0, len(images), together):
        passage = Passage(net, images[start : start + together], node)
        spots = [(i, unit, place) for i, place in enumerate(places[start : start + together])]
        made.append(passage.back(signal_at(passage, node, spots)).numpy())
    return np.concatenate(made)


def signal_at(
    passage: Passage, node: Node, spots: Sequence[tuple[int, int, tuple[int, ...]]]
) -> Tensor:
    """The value of a layer where it is of these images, units and places, and 0 elsewhere."""
    signal = torch.zeros_like(passage.value)
    for number, unit, place in spots:
        spot = _spot(node, number, unit, place)
        signal[spot] = passage.value[spot]
    return signal


def _spot(node: Node, number: int, unit: int, place: tuple[int, ...]) -> tuple[int, ...]:
    """The index of a unit's value."""
    if len(node.type.shape) == 2:
        return (number, *place, unit)
    return (number, unit, *place)


def _tile(values: np.ndarray, box: Box) -> Tile:
    """A reconstruction C x H x W, cut to what the unit sees; its largest value is 1."""
    top, bottom, left, right = box
    part = values[:, top:bottom, left:right]
    most = float(np.abs(part).max())
    return signed_tile(part, most)


def signed_tile(values: np.ndarray, most: float) -> Tile:
    """Signed numbers C x H x W: a picture for three channels, or else a map; `most` becomes 1."""
    if len(values) == 3:
        return Tile(coloured(values, most))
    return Tile(values.sum(0) / (most or 1.0))
