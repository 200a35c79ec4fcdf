"""Gradients against finite differences, and what captum gives against its formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from netdsl.look import attribution
from netdsl.look.backward import Passage
from netdsl.look.layers import UnitChoice, choose
from netdsl.look.parts import Grid
from netdsl.look.saliency import cam_layer, gradient, has_relu, saliency
from tests.support.looking import layered, pictures

NET = """
    input image: 3x9x9
    a: conv(6, 3) -> bn -> relu -> residual { conv(6, 3, pad = 1) -> relu } -> maxpool(2)
    b: conv(5, 2) -> r: relu
    flatten -> y: dense(4)
"""
CLASSES = torch.tensor([2, 0])


def test_gradient_is_a_finite_difference() -> None:
    """A small change of a pixel changes the score by the gradient times the change."""
    smooth = NET.replace("relu", "tanh").replace("maxpool", "avgpool")
    net = layered(smooth).double()
    images = pictures(2, (3, 9, 9)).prepared([0, 1]).double()
    found = gradient(net, images, CLASSES)
    step = 1e-5
    for place in [(0, 0, 0), (1, 4, 4), (2, 8, 3), (0, 2, 7)]:
        moved = torch.zeros_like(images)
        moved[:, *place] = step
        with torch.no_grad():
            scores = (net(images + moved) - net(images - moved)) / (2 * step)
        expected = scores.gather(1, CLASSES[:, None])[:, 0]
        torch.testing.assert_close(expected, found[:, *place], rtol=1e-6, atol=1e-9)


def test_guided_differs_from_the_gradient() -> None:
    """Captum's hooks reach every ReLU, so that each passes only positive gradients.

    The same is computed by changing the derivative of every ReLU by hand.
    """
    net = layered(NET)
    images = pictures(2, (3, 9, 9)).prepared([0, 1])
    found = attribution.guided(net, images, CLASSES)
    plain = gradient(net, images, CLASSES)
    assert not torch.allclose(plain, found, atol=1e-3 * float(plain.abs().max()))

    class Guided(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: torch.Tensor) -> torch.Tensor:
            ctx.save_for_backward(x)  # type: ignore[attr-defined]
            return x.clamp(min=0)

        @staticmethod
        def backward(ctx: object, *signals: torch.Tensor) -> torch.Tensor:
            (x,) = ctx.saved_tensors  # type: ignore[attr-defined]
            passed: torch.Tensor = signals[0].clamp(min=0) * (x > 0)
            return passed

    for node in net.nodes:
        if node.op.kind == "relu":
            net.layer(node).forward = Guided.apply  # type: ignore[method-assign]
    torch.testing.assert_close(gradient(net, images, CLASSES), found)


def test_a_shared_relu_is_guided_twice() -> None:
    """A ReLU that the text uses twice passes only positive gradients both times."""
    text = "input image: 1x6x6\na: conv(3, 3) -> r: relu\nb: conv(3, 3) -> r\nflatten -> dense(4)"
    once = text.replace("-> r\n", "-> relu\n")
    images = pictures(2, (1, 6, 6)).prepared([0, 1])
    shared, own = (layered(t) for t in (text, once))
    torch.testing.assert_close(
        attribution.guided(own, images, CLASSES), attribution.guided(shared, images, CLASSES)
    )


def test_integrated_gradients_add_up() -> None:
    """The attributions of all pixels sum to the difference of the scores."""
    net = layered(NET.replace("relu", "tanh").replace("maxpool", "avgpool"))
    images = pictures(2, (3, 9, 9)).prepared([0, 1])
    found = attribution.integrated(net, images, CLASSES).flatten(1).sum(1)
    with torch.no_grad():
        scores = net(images) - net(torch.zeros_like(images))
    torch.testing.assert_close(
        scores.gather(1, CLASSES[:, None])[:, 0], found, rtol=1e-2, atol=1e-3
    )


def test_grad_cam_is_its_formula() -> None:
    """The maps, each times the mean of the gradient at it, are summed and rectified."""
    net = layered(NET)
    node = next(node for node in net.nodes if node.name == "b")
    images = pictures(2, (3, 9, 9)).prepared([0, 1])
    (values,) = net.values(images, [node.output])
    signal = torch.zeros(2, 4).scatter_(1, CLASSES[:, None], 1.0)
    leaves = values.clone().requires_grad_()
    dense = net.layer(net.nodes[-1])
    scores = dense(leaves.clamp(min=0).flatten(1))
    (slope,) = torch.autograd.grad(scores, leaves, signal)
    expected = (slope.mean((2, 3), keepdim=True) * values).sum(1).clamp(min=0)
    found = attribution.grad_cam(net, images, CLASSES, node)
    np.testing.assert_allclose(expected.detach().numpy(), found, rtol=1e-4, atol=1e-6)


def test_view() -> None:
    """Each row has the picture and a map for each method; without captum, only the gradient."""
    net, shown = layered(NET), pictures(5, (3, 9, 9))
    (grid,) = saliency(net, shown, [0, 1, 2], UnitChoice(), captum=True).parts
    assert isinstance(grid, Grid)
    assert ["picture", "gradient", "guided", "integrated", "Grad-CAM"] == list(grid.heads)
    assert [5] * 3 == [len(row.tiles) for row in grid.rows]
    images = shown.prepared([0, 1, 2])
    slopes = gradient(net, images, net(images).argmax(1)).abs().amax(1).numpy()
    for row, slope in zip(grid.rows, slopes, strict=True):
        np.testing.assert_allclose(slope / slope.max(), row.tiles[1].values, rtol=1e-5)
    view = saliency(net, shown, [0], UnitChoice(), captum=False)
    assert any("pip install 'netdsl[look]'" in text for text in view.text)
    (grid,) = view.parts
    assert isinstance(grid, Grid)
    assert ["picture", "gradient"] == list(grid.heads)


def test_chosen_class() -> None:
    """A unit of the output is the class of all rows; a unit of another layer is not."""
    net, shown = layered(NET), pictures(3, (3, 9, 9))
    images = shown.prepared([0, 1])
    for layer, classes in (("y", torch.full((2,), 3)), ("b", net(images).argmax(1))):
        (grid,) = saliency(net, shown, [0, 1], choose(net.graph, layer, 3, 0), captum=False).parts
        assert isinstance(grid, Grid)
        slopes = gradient(net, images, classes).abs().amax(1).numpy()
        for row, slope in zip(grid.rows, slopes, strict=True):
            np.testing.assert_allclose(slope / slope.max(), row.tiles[1].values, rtol=1e-5)


def test_no_relu() -> None:
    """A net without ReLU has no guided back-propagation, and the page says so."""
    net = layered("lenet5:LeNet5")
    assert not has_relu(net)
    shown = pictures(1, (1, 32, 32))
    view = saliency(net, shown, [0], UnitChoice(), captum=True)
    assert any("which this net does not have" in text for text in view.text)


@pytest.mark.parametrize(("layer", "name"), [(None, "r"), ("a", "a"), ("4", "r")])
def test_layer_of_grad_cam(layer: str | None, name: str) -> None:
    """Grad-CAM takes the chosen layer if it has maps, or else the last one that has."""
    net = layered(NET)
    if layer == "4":
        layer = net.nodes[-1].name
    node = cam_layer(net, choose(net.graph, layer, None, 0))
    assert node is not None
    assert name == node.name


def test_gradient_is_passed_back() -> None:
    """The gradient is the signal of the class, passed back by plain derivatives."""
    net = layered(NET)
    images = pictures(2, (3, 9, 9)).prepared([0, 1])
    signal = torch.zeros(2, 4).scatter_(1, CLASSES[:, None], 1.0)
    found = Passage(net, images, net.nodes[-1]).back(signal, rectified=False)
    torch.testing.assert_close(gradient(net, images, CLASSES), found)
