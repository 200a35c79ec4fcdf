"""Gradient ascent finds the best image where that is known, and depends only on its seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from netdsl.data.dataset import InputData
from netdsl.look.layers import UnitChoice, choose
from netdsl.look.maximise import Ascent, maximise, maximised
from netdsl.look.parts import Grid
from netdsl.look.survey import survey
from tests.support.looking import layered, pictures

GIVEN = InputData(mean=(0.4, 0.4), std=(0.25, 0.25))
NET = """
    input image: 2x16x16
    a: conv(4, 3) -> relu -> maxpool(2) -> b: conv(5, 3) -> relu
    gap -> flatten -> y: dense(3)
"""


def test_the_best_image_of_a_filter() -> None:
    """A filter's best image is white where its weights are positive, and black elsewhere."""
    net = layered(NET)
    node = net.nodes[0]
    module = net.layer(node).inner
    assert isinstance(module, torch.nn.Conv2d)
    assert module.bias is not None
    images, values = maximised(net, GIVEN, node, [0, 3], 0)
    for unit, image, value in zip([0, 3], images, values, strict=True):
        weight = module.weight[unit].numpy()
        ideal = (weight > 0).astype(float)
        best = float((weight * (ideal - 0.4) / 0.25).sum() + module.bias[unit])
        assert 0.97 * best <= value <= best + 1e-4
        top, bottom, left, right = net.box(node, (7, 7))
        large = np.abs(weight) > 0.5 * np.abs(weight).max()
        np.testing.assert_array_equal(ideal[large], image[:, top:bottom, left:right][large])


def test_better_than_every_picture() -> None:
    """An image that maximises a unit excites it more than the pictures do; pixels stay in 0..1."""
    net, shown = layered(NET), pictures(60, (2, 16, 16))
    node = next(node for node in net.nodes if node.name == "b")
    images, values = maximised(net, GIVEN, node, range(5), 0)
    best = survey(net, shown, [node]).layers["b"].highest
    assert (np.array(values) > best).all()
    assert images.min() >= 0 and images.max() <= 1


def test_large_nets_take_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer units and half of the steps, which are twice as long and come as far."""
    net = layered(NET)
    node = next(node for node in net.nodes if node.name == "b")
    _, usual = maximised(net, GIVEN, node, [0, 1], 0)
    _, short = maximised(net, GIVEN, node, [0, 1], 0, Ascent().for_products(2, 100))
    assert (np.array(short) > 0.9 * np.array(usual)).all()
    choice = choose(net.graph, "b", None, 0)
    (grid,) = maximise(net, GIVEN, choice).parts
    assert isinstance(grid, Grid) and grid.title == "b: 5 units"
    monkeypatch.setattr("netdsl.look.maximise.PRODUCTS", 1.0)
    view = maximise(net, GIVEN, choice)
    assert "48 steps" in view.text[0]
    (grid,) = view.parts
    assert isinstance(grid, Grid) and grid.title == "b: 2 units"


def test_a_unit_that_grey_does_not_excite() -> None:
    """Where the gradient is 0, the ascent begins again from other colours."""
    ones = "[[[[1, 1, 1], [1, 1, 1], [1, 1, 1]]]]"
    net = layered(
        f"input image: 1x8x8\nconv(1, 3, weight = {ones}, bias = [-7]) -> relu\n"
        "b: conv(1, 1, weight = [[[[1]]]], bias = [0])"
    )
    plain = InputData(mean=(0.0,), std=(1.0,))
    _, (value,) = maximised(net, plain, net.nodes[-1], [0], 0)
    assert 1.9 < value <= 2


def test_seed() -> None:
    """The same seed gives the same numbers, and another one gives others."""
    net = layered(NET)
    node = net.nodes[-1]
    first, again, other = (maximised(net, GIVEN, node, [1], seed)[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_view() -> None:
    """Images are cut to what the unit sees; those of the output have the names of the classes."""
    net = layered(NET)
    grid, last = maximise(net, GIVEN, UnitChoice(), ("disc", "ring", "star")).parts[0::2]
    assert isinstance(grid, Grid) and isinstance(last, Grid)
    assert {(3, 3, 3)} == {tile.values.shape for row in grid.rows for tile in row.tiles}
    assert ["disc", "ring", "star"] == [t.caption.split("\n")[0] for t in last.rows[0].tiles]
    (grid,) = maximise(net, GIVEN, choose(net.graph, "b", 2, 0)).parts
    assert isinstance(grid, Grid)
    assert (8, 8, 3) == grid.rows[0].tiles[0].values.shape
