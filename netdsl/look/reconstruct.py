"""What of one picture excites the units of each layer, by deconvolution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from netdsl.look.backward import Passage, rules_text
from netdsl.look.excite import layers_to_excite, signal_at, signed_tile
from netdsl.look.labels import value_text
from netdsl.look.layers import title_of
from netdsl.look.net import by_unit, place_of
from netdsl.look.parts import ColourScale, Grid, Tile, TileRow, View

if TYPE_CHECKING:
    from netdsl.ir.graph import Node
    from netdsl.look.layers import UnitChoice
    from netdsl.look.net import LayeredNet
    from netdsl.look.pictures import Pictures

MOST = 8


def reconstruct(net: LayeredNet, pictures: Pictures, number: int, choice: UnitChoice) -> View:
    """The units that the picture of that number excites most, each passed back to the picture."""
    nodes = layers_to_excite(net, choice)
    parts = [_grid(net, pictures, number, node, choice.unit) for node in nodes]
    text = (
        "The units of each layer that have the largest values in this picture, and what the"
        " deconvolution of Zeiler and Fergus makes of the largest value of each alone: the part of"
        " the picture that excites it. Each reconstruction is divided by its largest number."
    )
    below = net.below([node.output for node in nodes])
    return View("reconstruct", "Reconstruction", [text, rules_text(net.graph, below)], parts)


def _grid(net: LayeredNet, pictures: Pictures, number: int, node: Node, unit: int | None) -> Grid:
    passage = Passage(net, pictures.prepared([number]), node)
    values = by_unit(passage.value)[0]
    best, places = values.max(1)
    units = torch.argsort(-best, stable=True)[:MOST].tolist() if unit is None else [unit]
    tiles = [Tile(pictures.shown(number), "the picture")]
    for chosen in units:
        place = place_of(node, int(places[chosen]))
        made = passage.back(signal_at(passage, node, [(0, chosen, place)]))[0].numpy()
        tile = signed_tile(made, float(abs(made).max()))
        caption = f"unit {chosen}\n{value_text(float(best[chosen]))}"
        tiles.append(Tile(tile.values, caption))
    scale = None if net.channels == 3 else ColourScale(-1, 1)
    return Grid(title_of(net.graph, node), [TileRow("", tiles)], scale)
