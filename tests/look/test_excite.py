"""The patches that excite a unit: their values, their places, and what the unit sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from netdsl.look.excite import excite, layers_to_excite, reconstructed
from netdsl.look.layers import UnitChoice, choose
from netdsl.look.net import LayeredNet
from netdsl.look.parts import Grid
from netdsl.look.reconstruct import reconstruct
from netdsl.look.survey import survey
from tests.support.looking import layered, pictures

if TYPE_CHECKING:
    from netdsl.ir.graph import Node

NET = (
    "conv(5, 3) -> relu -> maxpool(2) -> b: conv(6, 3, dilation = 2) -> gap -> flatten -> dense(3)"
)
SIZE = 20


def net_for(*sizes: int) -> LayeredNet:
    """The net for images of a size; the weights do not depend on it."""
    return layered(f"input image: 2x{sizes[0]}x{sizes[-1]}\n{NET}")


def node_of(net: LayeredNet, name: str) -> Node:
    return next(node for node in net.nodes if node.name == name)


def grid_of(view: Any) -> Grid:
    (grid,) = view.parts
    assert isinstance(grid, Grid)
    return grid


def test_values_of_all_pictures() -> None:
    """The nine best of a unit are those of all its values; each picture is there once."""
    net, shown = net_for(SIZE), pictures(70, (2, SIZE, SIZE))
    node = node_of(net, "b")
    found = survey(net, shown, [node]).layers["b"]
    with torch.inference_mode():
        (values,) = net.values(shown.prepared(slice(None)), [node.output])
    own = values[:, 3].flatten(1).amax(1).numpy()
    best = found.most_exciting(3, 9)
    assert np.argsort(-own, kind="stable")[:9].tolist() == [number for number, _, _ in best]
    for number, place, value in best:
        row, column = divmod(place, values.shape[3])
        np.testing.assert_allclose(values[number, 3, row, column], value, rtol=1e-5)
        np.testing.assert_allclose(own[number], value, rtol=1e-5)


def test_patch_alone_has_the_same_value() -> None:
    """A unit has the same value for its patch alone, which is cut to what the unit sees."""
    whole, shown = net_for(SIZE), pictures(40, (2, SIZE, SIZE))
    node = node_of(whole, "b")
    found = survey(whole, shown, [node]).layers["b"]
    for number, place, value in found.most_exciting(2, 9):
        top, bottom, left, right = whole.box(node, divmod(place, 5))
        alone = net_for(bottom - top, right - left)
        patch = shown.prepared([number])[:, :, top:bottom, left:right]
        (values,) = alone.values(patch, [node_of(alone, "b").output])
        assert (1, 6, 1, 1) == values.shape
        np.testing.assert_allclose(float(values[0, 2]), value, rtol=1e-4)


PADDED = """
    input image: 2x24x20
    conv(4, 3, pad = 1, bias = false) -> bn -> relu -> maxpool(3, stride = 2, pad = 1)
    residual { conv(4, 3, pad = 1) -> relu -> conv(4, 3, pad = 1) } -> relu
    b: conv(6, 3, stride = 2, pad = same) -> gap -> flatten -> dense(3)
"""


def test_only_the_patch_matters() -> None:
    """Pixels outside of a patch do not change the value, and those at each of its sides do."""
    net, shown = layered(PADDED), pictures(2, (2, 24, 20))
    node = node_of(net, "b")
    images = shown.prepared([0])
    for place in ((2, 2), (0, 0), (5, 4), (3, 1)):
        top, bottom, left, right = net.box(node, place)
        changed = shown.prepared([1])
        changed[:, :, top:bottom, left:right] = images[:, :, top:bottom, left:right]
        leaves = images.clone().requires_grad_()
        (values,) = net.values(torch.cat([leaves, changed]), [node.output])
        own = values[:, :, place[0], place[1]]
        torch.testing.assert_close(own[0], own[1])
        (slope,) = torch.autograd.grad(own[0].sum(), leaves)
        seen = torch.nonzero(slope[0].abs().sum(0))
        assert (bottom - top) * (right - left) < 24 * 20
        # Pixels at a side can have no effect when another one is the largest of its window.
        assert (seen.amin(0) >= torch.tensor([top, left])).all()
        assert (seen.amin(0) <= torch.tensor([top, left]) + 2).all()
        assert (seen.amax(0) < torch.tensor([bottom, right])).all()
        assert (seen.amax(0) >= torch.tensor([bottom, right]) - 3).all()


def test_view() -> None:
    """A patch and its reconstruction have the same size; the value and the class are below."""
    net, shown = net_for(SIZE), pictures(40, (2, SIZE, SIZE))
    choice = choose(net.graph, "b", 4, 0)
    found = survey(net, shown, layers_to_excite(net, choice))
    grid = grid_of(excite(net, shown, found, choice))
    patches, made = grid.rows
    assert "unit 4" == patches.name
    assert 9 == len(patches.tiles) == len(made.tiles)
    number, place, value = found.layers["b"].most_exciting(4, 1)[0]
    assert f"{value:.2f}\n{shown.true_class(number)}".replace("-", "−") == patches.tiles[0].caption
    box = net.box(node_of(net, "b"), divmod(place, 5))
    np.testing.assert_array_equal(shown.shown(number, box), patches.tiles[0].values)
    for patch, tile in zip(patches.tiles, made.tiles, strict=True):
        assert patch.values.shape[:2] == tile.values.shape


def test_units_of_a_layer() -> None:
    """One layer shows more units than several do, each with its patches and what excites it."""
    net = layered("input image: 1x9x9\na: conv(20, 3) -> relu -> b: conv(20, 3) -> relu")
    shown = pictures(2, (1, 9, 9))
    for name, rows in ((None, [16, 16]), ("b", [32])):
        choice = choose(net.graph, name, None, 0)
        found = survey(net, shown, layers_to_excite(net, choice))
        parts = excite(net, shown, found, choice).parts
        assert rows == [len(part.rows) for part in parts if isinstance(part, Grid)]


def test_reconstruction_is_inside_the_field() -> None:
    """Outside of what a unit sees, its reconstruction is 0."""
    net, shown = net_for(SIZE), pictures(2, (2, SIZE, SIZE))
    node = node_of(net, "b")
    made = reconstructed(net, shown.prepared([0, 1]), node, 1, [(0, 3), (4, 2)])
    for values, place in zip(made, [(0, 3), (4, 2)], strict=True):
        top, bottom, left, right = net.box(node, place)
        assert values[:, top:bottom, left:right].any()
        values[:, top:bottom, left:right] = 0
        assert not values.any()


def test_reconstruction_of_a_filter() -> None:
    """The reconstruction of a filter on the image is the filter, times the value of its unit."""
    net, shown = net_for(SIZE), pictures(1, (2, SIZE, SIZE))
    module = net.layer(net.nodes[0]).inner
    assert isinstance(module, torch.nn.Conv2d)
    images = shown.prepared([0])
    value = net.values(images, [net.nodes[0].output])[0][0, 3, 4, 6]
    made = reconstructed(net, images, net.nodes[0], 3, [(4, 6)])[0]
    np.testing.assert_allclose(value * module.weight[3], made[:, 4:7, 6:9], rtol=1e-5)


def test_every_shape_of_a_layer() -> None:
    """Vectors, sequences and maps of a single place have units; they see the whole image."""
    text = (
        "input image: 3x8x8\nconv(6, 4, stride = 4) -> reshape([6, 4]) -> s: permute([2, 1])\n"
        "f: flatten -> dense(4)"
    )
    net, shown = layered(text), pictures(12, (3, 8, 8))
    for name in ("s", "f"):
        choice = choose(net.graph, name, 1, 0)
        found = survey(net, shown, layers_to_excite(net, choice))
        grid = grid_of(excite(net, shown, found, choice))
        assert (8, 8, 3) == grid.rows[0].tiles[0].values.shape
        assert np.ptp(grid.rows[1].tiles[0].values) > 0


def test_reconstruction_of_a_picture() -> None:
    """The units with the largest values in a picture come first, or the chosen one alone."""
    net, shown = net_for(SIZE), pictures(3, (2, SIZE, SIZE))
    node = node_of(net, "b")
    with torch.inference_mode():
        (values,) = net.values(shown.prepared([2]), [node.output])
    best = values[0].flatten(1).amax(1).argsort(descending=True)
    grid = grid_of(reconstruct(net, shown, 2, choose(net.graph, "b", None, 0)))
    heads = [tile.caption.partition("\n")[0] for tile in grid.rows[0].tiles]
    assert ["the picture", *(f"unit {i}" for i in best)] == heads
    grid = grid_of(reconstruct(net, shown, 2, choose(net.graph, "b", 5, 0)))
    assert "unit 5" == grid.rows[0].tiles[1].caption.partition("\n")[0]


def test_layers_of_a_net() -> None:
    """Without a choice, layers are shown whose units see a part of the image."""
    net = layered("lenet5:LeNet5")
    assert ["C1", "C3"] == [node.name for node in layers_to_excite(net, UnitChoice())]
    net = layered("resnet:CifarResNet20")
    names = [node.name for node in layers_to_excite(net, UnitChoice())]
    assert ["bn1", "layer1.2.bn1", "layer2.1.bn2"] == names
    net = layered("perceptron:MLP")
    assert ["hidden", "logits"] == [node.name for node in layers_to_excite(net, UnitChoice())]
