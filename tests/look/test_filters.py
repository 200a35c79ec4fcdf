"""The pictures of filters are the tensors of the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from netdsl.errors import NetdslError
from netdsl.look.filters import filters
from netdsl.look.layers import UnitChoice, choose
from netdsl.look.parts import ColourScale, Grid
from tests.support.looking import layered

if TYPE_CHECKING:
    from netdsl.look.net import LayeredNet

COLOUR = """
    input image: 3x9x9
    a: conv(4, 3) -> relu -> b: conv(5, 3, bias = false) -> bn -> relu
    c: depthwise(3) -> d: conv(7, 1) -> e: deconv(6, 2x3)
    f: conv(2, 2, connections = [[0], [1, 2]])
"""


def grids(net: LayeredNet, layer: str | None = None, unit: int | None = None) -> list[Grid]:
    view = filters(net, choose(net.graph, layer, unit, 0))
    assert all(isinstance(part, Grid) for part in view.parts)
    return [part for part in view.parts if isinstance(part, Grid)]


def weight(net: LayeredNet, name: str) -> np.ndarray:
    node = next(node for node in net.nodes if node.name == name)
    module: Any = net.layer(node).inner
    found: np.ndarray = module.weight.numpy()
    return found


def maps(grid: Grid) -> np.ndarray:
    return np.array([[tile.values for tile in row.tiles] for row in grid.rows])


def test_colours_are_the_weights() -> None:
    """A filter on three channels is a picture: grey is 0, and white the largest weight."""
    net = layered(COLOUR)
    (grid,) = grids(net, "a")
    tiles = [tile for row in grid.rows for tile in row.tiles]
    own = weight(net, "a")
    most = np.abs(own).max()
    found = np.array([(tile.values - 0.5) * 2 * most for tile in tiles]).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(own, found, atol=1e-6)
    assert f"white {most:.3g}" in grid.title
    assert [tile.caption for tile in tiles] == ["0", "1", "2", "3"]


def test_maps_are_the_weights() -> None:
    """A filter on other maps has a map for each of them; all have one scale."""
    net = layered(COLOUR)
    (grid,) = grids(net, "b")
    np.testing.assert_array_equal(weight(net, "b"), maps(grid))
    most = float(np.abs(weight(net, "b")).max())
    assert ColourScale(-most, most) == grid.scale
    (grid,) = grids(net, "b", 3)
    np.testing.assert_array_equal(weight(net, "b")[3:4], maps(grid))


def test_every_kind_of_convolution() -> None:
    """Depthwise, 1x1, transposed and partly connected convolutions have their own filters."""
    net = layered(COLOUR)
    np.testing.assert_array_equal(weight(net, "c")[:, 0], maps(grids(net, "c")[0])[0])
    np.testing.assert_array_equal(weight(net, "d")[:, :, 0, 0], maps(grids(net, "d")[0])[0, 0])
    np.testing.assert_array_equal(weight(net, "e").swapaxes(0, 1), maps(grids(net, "e")[0]))
    partial = maps(grids(net, "f")[0])
    assert (2, 6, 2, 2) == partial.shape
    np.testing.assert_array_equal(weight(net, "f"), partial[[0, 1, 1], [0, 1, 2]])
    assert not partial[0, 1:].any()


def test_dense_on_the_image() -> None:
    """The weights of a dense layer on all pixels are pictures of the size of the image."""
    net = layered("input image: 1x6x5\nflatten\na: dense(8) -> relu\ndense(3)")
    (grid,) = grids(net)
    np.testing.assert_array_equal(weight(net, "a").reshape(8, 6, 5), maps(grid)[0])


def test_layers_of_a_deep_net() -> None:
    """Without a choice, at most five layers are shown, among them the first and the last."""
    net = layered("resnet:CifarResNet20")
    titles = [grid.title.partition(":")[0] for grid in grids(net)]
    assert 5 == len(titles)
    assert ("conv1", "layer3.2.conv2") == (titles[0], titles[-1])


def test_no_filters() -> None:
    """A layer or a net without filters is refused, with the layers that have some."""
    net = layered(COLOUR)
    with pytest.raises(NetdslError, match="has no filters") as caught:
        filters(net, UnitChoice(net.nodes[1]))
    assert caught.value.help == "layers with filters are `a`, `b`, `c`, `d`, `e` and `f`"
    with pytest.raises(NetdslError, match="`N` has no filters"):
        filters(layered("input image: 1x6x5\ngap -> flatten\ndense(3)"), UnitChoice())
