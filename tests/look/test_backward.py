"""The deconvolution against transposed matrices, autograd, and the formulas of its paper."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from netdsl.ir.graph import Node
from netdsl.look.backward import Passage, rules_text
from netdsl.look.net import LayeredNet
from tests.support.looking import layered

LINEAR = """
    input image: 2x6x7
    conv(3, 3, pad = 1) -> avgpool(2) -> residual { conv(3, 1) }
    flatten
    output y: dense(5)
"""
ZEILER = """
    input image: 3x12x10
    a: conv(4, 3) -> relu -> maxpool(2) -> b: conv(6, 2, stride = 2, pad = 1) -> relu
    gap -> flatten -> dense(3)
"""
BENT = """
    input image: 1x8x8
    a: conv(3, 3) -> tanh -> bn -> relu -> maxpool(3, stride = 2, pad = 1)
    residual { conv(3, 3, pad = 1) -> relu6 }
    b: conv(4, 2) -> gelu
"""


def node_of(net: LayeredNet, name: str) -> Node:
    return next(node for node in net.nodes if node.name == name)


def test_linear_net_is_transposed() -> None:
    """Back through a linear net, a signal is multiplied by the transposed matrix of the net."""
    net = layered(LINEAR)
    count = 2 * 6 * 7
    basis = torch.eye(count).reshape(count, 2, 6, 7)
    with torch.no_grad():
        matrix = net(basis) - net(torch.zeros(1, 2, 6, 7))  # a row for each pixel
    signal = torch.randn(1, 5, generator=torch.Generator().manual_seed(1))
    found = Passage(net, torch.rand(1, 2, 6, 7), net.nodes[-1]).back(signal)
    torch.testing.assert_close(matrix @ signal[0], found.flatten(), atol=1e-5, rtol=1e-4)


def test_formulas_of_the_paper() -> None:
    """Transposed filters, rectified signals, and max pooling by its switches."""
    net = layered(ZEILER)
    a, b = (net.layer(node_of(net, name)).inner for name in "ab")
    assert isinstance(a, torch.nn.Conv2d) and isinstance(b, torch.nn.Conv2d)
    images = torch.randn(2, 3, 12, 10, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        before = F.relu(a(images))
        pooled, switches = F.max_pool2d(before, 2, return_indices=True)
        top = b(pooled)
        signal = torch.zeros_like(top)
        signal[:, 4, 1, 1] = top[:, 4, 1, 1].abs() + 1
        down = F.conv_transpose2d(signal, b.weight, stride=2, padding=1)
        down = F.pad(down, (0, pooled.shape[3] - down.shape[3], 0, pooled.shape[2] - down.shape[2]))
        down = F.relu(F.max_unpool2d(down, switches, [2, 2], output_size=before.shape[2:]))
        expected = F.conv_transpose2d(down, a.weight)
    found = Passage(net, images, node_of(net, "b")).back(signal)
    torch.testing.assert_close(expected, found)
    gradient = Passage(net, images, node_of(net, "b")).back(signal, rectified=False)
    assert not torch.allclose(gradient, found)


def test_derivative_is_autograd() -> None:
    """Without rectified signals, what arrives at the image is the gradient."""
    for text, shape in ((BENT, (2, 1, 8, 8)), (LINEAR, (2, 2, 6, 7)), (ZEILER, (2, 3, 12, 10))):
        net = layered(text)
        last = net.nodes[-1]
        images = torch.rand(shape).requires_grad_()
        (values,) = net.values(images, [last.output])
        signal = torch.randn_like(values)
        (expected,) = torch.autograd.grad(values, images, signal)
        found = Passage(net, images.detach(), last).back(signal.detach(), rectified=False)
        torch.testing.assert_close(expected, found)


def test_a_net_runs_once_for_all_signals() -> None:
    """Large nets take long: what was computed on the way to a layer serves every unit of it."""
    net = layered(ZEILER)
    node = node_of(net, "b")
    runs: list[torch.nn.Module] = []
    for layer in net.layers:
        layer.register_forward_hook(lambda layer, *_: runs.append(layer))
    passage = Passage(net, torch.rand(2, 3, 12, 10), node)
    signals = [torch.randn_like(passage.value) for _ in range(2)]
    parts = [passage.back(signal, rectified=False) for signal in signals]
    torch.testing.assert_close(passage.back(signals[0] + signals[1], rectified=False), sum(parts))
    assert len(runs) == len(net.below([node.output]))


def test_rules_in_words() -> None:
    """The page says which layers pass the signal by their plain derivative."""
    net = layered(BENT)
    text = rules_text(net.graph, net.nodes)
    assert "`tanh` and `gelu` pass it by their plain derivative" in text
    assert "ReLU passes back what is positive" in text
    net = layered("lenet5:LeNet5")
    text = rules_text(net.graph, net.nodes)
    assert text.endswith("by the plain derivative of `tanh` and `avgpool`.")
