"""The filters of a net: the weights of its convolutions, as pictures and maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from netdsl.errors import NetdslError
from netdsl.look.layers import UnitChoice, spread, title_of
from netdsl.look.parts import Grid, Tile, TileRow, View, coloured, rows_of, scale_of
from netdsl.words import counted, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.ir.graph import Graph, Node
    from netdsl.look.net import LayeredNet

MOST_LAYERS = 5
MOST_UNITS, MOST_INPUTS = 16, 16  # of a layer that sees many maps
MOST_FIRST = 96  # filters of a layer that sees the image
COLUMNS = 12
PIXELS = 1 << 8  # of a side of the matrix of a 1x1 convolution
COLOURS = 3
TEXT = (
    "Each square is a filter. Filters on the channels of an image are in colour, where grey is 0;"
    " filters on other maps have a square for each map that they see. Red is positive, blue is"
    " negative, and white is 0."
)


def filters(net: LayeredNet, choice: UnitChoice) -> View:
    """The filters of the chosen layer, or of several layers from the first to the last.

    Raises `NetdslError` `wrong-unit` if there are none.
    """
    known = _with_filters(net.graph)
    nodes = spread(known, MOST_LAYERS)
    if choice.layer is not None:
        nodes = [node for node in known if node is choice.layer]
    if not nodes:
        raise _none(net.graph, known, choice.layer)
    parts = [_grid(net, node, choice.unit) for node in nodes]
    return View("filters", "Filters", [TEXT], parts)


def _none(graph: Graph, known: Sequence[Node], chosen: Node | None) -> NetdslError:
    what, span = f"`{graph.name}`", graph.site.span
    help_ = "convolutions have filters, and dense layers that take the whole image"
    if chosen is not None:
        what, span = f"`{chosen.name}` ({chosen.op.kind})", chosen.span
        names = [node.name for node in known]
        if names:
            help_ = f"layers with filters are {listed([f'`{n}`' for n in spread(names, 8)])}"
    return NetdslError("wrong-unit", f"{what} has no filters", span, help=help_)


def _with_filters(graph: Graph) -> list[Node]:
    """The layers that have filters: convolutions, and dense layers on the whole image."""
    return [
        node
        for node in graph.nodes
        if node.aux is None and (node.op.family == "convolution" or _sees_image(graph, node))
    ]


def _sees_image(graph: Graph, node: Node) -> bool:
    """Whether a layer is dense, and takes the pixels of the image."""
    if node.op.kind != "dense" or len(node.type.shape) != 1:
        return False
    source = node.inputs[0].producer
    return source is not None and source.op.kind == "flatten" and _is_image(graph, source)


def _is_image(graph: Graph, node: Node) -> bool:
    return node.inputs[0] is graph.inputs[0]


def kernel_of(net: LayeredNet, node: Node) -> np.ndarray:
    """The filters of a layer, units x channels x height x width.

    The channels are those that a filter sees: with groups, they are those of its group.
    """
    module: Any = net.layer(node).inner
    weight = module.kernel() if hasattr(module, "kernel") else module.weight
    if isinstance(module, torch.nn.ConvTranspose2d):
        weight = weight.transpose(0, 1)
    values = np.asarray(weight.detach().cpu().numpy())
    if values.ndim == 2:
        return values.reshape(-1, net.channels, *net.sizes)
    return values


def _grid(net: LayeredNet, node: Node, unit: int | None) -> Grid:
    kernel = kernel_of(net, node)
    units, channels, height, width = kernel.shape
    name = title_of(net.graph, node)
    size = f"{counted(units, 'filter')} of {channels}x{height}x{width}"
    most = float(np.abs(kernel).max())
    numbers = list(range(units)) if unit is None else [unit]
    is_first = _is_image(net.graph, node) or _sees_image(net.graph, node)
    if is_first and channels == COLOURS:
        shown = numbers[:MOST_FIRST]
        tiles = [Tile(coloured(kernel[i], most), f"{i}") for i in shown]
        title = f"{name}: {_of(shown, size)}; black is −{most:.3g}, grey 0, white {most:.3g}"
        return Grid(title, rows_of(tiles, COLUMNS))
    scale = scale_of([kernel])
    if channels == 1:
        shown = numbers[:MOST_FIRST]
        tiles = [Tile(kernel[i, 0], f"{i}") for i in shown]
        return Grid(f"{name}: {_of(shown, size)}", rows_of(tiles, COLUMNS), scale)
    if (height, width) == (1, 1) and unit is None:
        matrix = kernel[:PIXELS, :PIXELS, 0, 0]
        title = f"{name}: {size}, as a matrix with a row for each filter"
        return Grid(title, [TileRow("", [Tile(matrix)])], scale)
    shown, seen = numbers[:MOST_UNITS], range(min(channels, MOST_INPUTS))
    rows = [TileRow(f"filter {i}", [Tile(kernel[i, k]) for k in seen]) for i in shown]
    title = f"{name}: {_of(shown, size)}"
    if len(seen) < channels:
        title += f", the first {len(seen)} channels of each"
    return Grid(title, rows, scale, [f"map {k}" for k in seen])


def _of(shown: Sequence[int], size: str) -> str:
    """Which filters are shown: all, the only one, or the first ones."""
    if len(shown) == 1:
        return f"filter {shown[0]} of {size}"
    if size.startswith(f"{len(shown)} "):
        return size
    return f"{len(shown)} of {size}"
