"""The maps of a picture are the values of the layers."""

from __future__ import annotations

import numpy as np
import torch

import netdsl
from netdsl.look.layers import UnitChoice, choose
from netdsl.look.maps import layers_with_maps, maps
from netdsl.look.net import LayeredNet
from netdsl.look.parts import Bars, ColourScale, Grid
from netdsl.look.survey import survey
from tests.support.looking import layered, pictures

NET = """
    input image: 2x12x12
    a: conv(5, 3) -> relu -> maxpool(2) -> b: conv(6, 3) -> bn -> relu
    gap -> flatten -> y: dense(3)
"""


def test_maps_are_the_values_of_the_module() -> None:
    """The maps are those that hooks on the whole module see; all of a layer have one scale."""
    loaded = netdsl.loads(f"net N {{{NET}}}")
    torch.manual_seed(0)
    module = loaded.torch().eval()
    net, shown = LayeredNet(loaded.graph, module), pictures(3, (2, 12, 12))
    seen = {}
    for name, part in module.named_modules():
        part.register_forward_hook(lambda _m, _x, y, name=name: seen.update({name: y}))
    with torch.no_grad():
        scores = module(shown.prepared([1]))
    for name in ("a", "b"):
        grid = maps(net, shown, 1, choose(net.graph, name, None, 0)).parts[1]
        assert isinstance(grid, Grid)
        tiles = [tile for row in grid.rows for tile in row.tiles]
        own = seen[name][0].numpy()
        np.testing.assert_allclose(own, [tile.values for tile in tiles], rtol=1e-5, atol=1e-6)
        assert grid.scale is not None
        np.testing.assert_allclose(np.abs(own).max(), grid.scale.high, rtol=1e-5)
        assert f"0: {own[0].max():.2g}".replace("-", "−") == tiles[0].caption
    bars = maps(net, shown, 1, UnitChoice()).parts[-1]
    assert isinstance(bars, Bars)
    assert bars.marked is not None
    assert shown.true_class(1) == bars.values[bars.marked][0]
    expected = sorted((100 * scores.softmax(1)[0]).tolist(), reverse=True)
    np.testing.assert_allclose(expected, [value for _, value in bars.values], rtol=1e-4)


def test_stages() -> None:
    """Without a choice, the maps are those after the activations, and those of pooling."""
    net = layered(NET)
    found = [(node.op.kind, node.type.shape[0]) for node in layers_with_maps(net, UnitChoice())]
    assert [("relu", 5), ("maxpool", 5), ("relu", 6)] == found


def test_dead_units_are_counted() -> None:
    """A ReLU that no picture excites is dead; it is 0 everywhere."""
    net, shown = layered(NET), pictures(20, (2, 12, 12))
    node = net.nodes[0]
    module = net.layer(node).inner
    assert isinstance(module, torch.nn.Conv2d)
    assert module.bias is not None
    module.bias[1] = module.bias[3] = -100.0
    relu = layers_with_maps(net, UnitChoice())[0]
    found = survey(net, shown, [relu])
    assert 2 == found.layers[relu.name].dead
    grid = maps(net, shown, 0, UnitChoice(relu), found).parts[1]
    assert isinstance(grid, Grid)
    assert "5 units (2 dead in all pictures)" in grid.title
    assert grid.scale is not None and not grid.scale.is_signed
    grid = maps(net, shown, 0, UnitChoice(relu)).parts[1]
    assert isinstance(grid, Grid)
    assert "(2 constant in this picture)" in grid.title


def test_vectors() -> None:
    """A layer without maps is one row of numbers."""
    net, shown = layered(NET), pictures(1, (2, 12, 12))
    grid = maps(net, shown, 0, choose(net.graph, "y", None, 0)).parts[1]
    assert isinstance(grid, Grid)
    assert (1, 3) == grid.rows[0].tiles[0].values.shape
    assert isinstance(grid.scale, ColourScale)
