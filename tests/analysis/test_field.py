"""The field of a unit, against the gradient of PyTorch, and its errors."""

from __future__ import annotations

import pytest
import torch

import netdsl
from netdsl.analysis.field import blocks_of, field_of, field_text
from netdsl.errors import NetdslError

BRANCHES = """net Branches {
    input image: 1x24x24
    stem: conv(2, 3, stride = 2, pad = 1)
    all: concat {
        | conv(2, 1)
        | conv(2, 3, pad = 4, dilation = 4)
        | conv(2, 5x1, pad = 2x0)
    }
    up: deconv(2, 2, stride = 2)
    @stem -> crop(@all) -> other: conv(1, 1)
    @up
    output y: conv(1, 3)
}
"""


def gradient(net: netdsl.Net, layer: str, place: tuple[int, int]) -> set[tuple[int, ...]]:
    """The pixels on which a unit of a layer depends, with positive weights and inputs."""
    module = net.torch().double().eval()
    with torch.no_grad():
        for param in module.parameters():
            param.fill_(0.01)
    found = []
    target = module.get_submodule(layer)
    target.register_forward_hook(lambda m, x, y: found.append(y))
    image = torch.ones(1, *net.graph.inputs[0].type.shape, requires_grad=True, dtype=torch.float64)
    module(image)
    found[0][0, 0, place[0], place[1]].backward()
    assert image.grad is not None
    return {tuple(cell) for cell in image.grad[0].abs().sum(0).nonzero().tolist()}


@pytest.mark.parametrize(
    ("name", "layer", "place"),
    [
        ("lenet5", "C3", (5, 5)),
        ("lenet5", "S4", (0, 4)),
        ("lenet5", "C1", (27, 0)),
        ("branches", "y", (3, 9)),
        ("branches", "y", (0, 0)),
        ("branches", "all.1", (2, 3)),
        ("branches", "up", (11, 12)),
        ("resnet:ResNet18", "layer2.1.conv2", (1, 3)),
        ("unet:UNet", "scores", (1, 2)),
    ],
)
def test_the_field_is_that_of_the_gradient(name: str, layer: str, place: tuple[int, int]) -> None:
    """A unit sees the pixels whose gradient is not 0, through branches, gaps and padding."""
    if name == "branches":
        net = netdsl.loads(BRANCHES)
    else:
        sizes = {"resnet:ResNet18": (3, 40, 40), "unet:UNet": (1, 188, 188)}
        net = netdsl.load(name, inputs={"image": sizes[name]} if name in sizes else {})
    field = field_of(net.graph, f"{layer}:{place[0]},{place[1]}")
    found = field.cells(net.graph.inputs[0])
    seen = gradient(net, layer, place)
    assert seen <= found
    # A maximum has a gradient only at the pixel that is the largest.
    assert seen == found or name in ("unet:UNet", "resnet:ResNet18")


def test_rectangles() -> None:
    """Elements become rectangles, from the top; gaps stay."""
    assert blocks_of({(r, c) for r in (1, 2) for c in (3, 4, 5)}) == [(1, 3, 3, 6)]
    assert blocks_of({(0, 0), (0, 2), (1, 0)}) == [(0, 1, 2, 3), (0, 2, 0, 1)]
    assert blocks_of(set()) == []
    graph = netdsl.load("lenet5").graph
    text = field_text(field_of(graph, "C3:5,5"), graph.inputs[0])
    assert text == "C3:5,5 sees 14x14 pixels of image"


@pytest.mark.parametrize(
    ("unit", "code", "message"),
    [
        ("C9:1,1", "wrong-field", "the net has no layer `C9`"),
        ("C3:10,1", "wrong-field", "`C3` has no unit 10,1: its map is 10x10"),
        ("C3:1", "wrong-field", "`C3` has no unit 1: its map is 10x10"),
        ("F6:1,1", "wrong-field", "`F6` has the shape 84, and is not a map with rows and columns"),
        ("C3", "wrong-field", "`C3` names no unit"),
        ("C3:a,b", "wrong-field", "`C3:a,b` names no unit"),
    ],
)
def test_units_that_do_not_exist(unit: str, code: str, message: str) -> None:
    with pytest.raises(NetdslError) as caught:
        field_of(netdsl.load("lenet5").graph, unit)
    (error,) = caught.value.diagnostics
    assert (error.code, error.message) == (code, message)
    assert error.help
    if unit.startswith("C9"):
        assert error.help.startswith("labels here: `C1`, `S2`, `C3`, `S4`, `C5`, `F6`")


def test_open_sizes_need_an_input() -> None:
    with pytest.raises(NetdslError) as caught:
        field_of(netdsl.load("unet:UNet").graph, "scores:1,2")
    (error,) = caught.value.diagnostics
    assert error.code == "open-size"
    assert "`--input 1x224x224`" in str(error.help)
