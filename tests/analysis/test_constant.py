"""Layers whose result is the same for every input, compared with what PyTorch computes."""

from __future__ import annotations

import pytest
import torch

import netdsl
from tests.support.back_ends import randomise

# The layers of a net with the input `x`, and the number that the message names.
CONSTANT = [
    ("8", "dense(1) -> softmax", "1"),
    ("8", "dense(1) -> log_softmax", "0"),
    ("1x6", "softmax(axis = 1)", "1"),
    ("6x1", "softmax(axis = -1)", "1"),
    ("8", "dense(1) -> layernorm(affine = false)", "0"),
    ("8", "dense(1) -> layernorm", "its bias"),
    ("2x1x1", "layernorm(axis = [2, 3], bias = false)", "0"),
    ("8", "(@x - @x)", "0"),
    ("8", "(@x / @x)", "1"),
    ("8", "sub(@x)", "0"),
    ("8", "sub([@x, @x])", "0"),
    ("8", "(@x * 0)", "0"),
    ("8", "(0 * @x)", "0"),
    ("8", "(0 / @x)", "0"),
    ("8", "(@x ** 0)", "1"),
    ("8", "(1 ** @x)", "1"),
    ("8", "sigmoid -> (-@) -> relu", "0"),
    ("8", "tanh -> (@ - 1) -> relu6", "0"),
    ("8", "log_softmax -> relu", "0"),
    ("8", "relu -> clamp(max = 0)", "0"),
    ("8", "clamp(2, 2)", "2"),
    ("8", "a: relu \n @x -> b: sigmoid \n (-2 * @a - @b) -> relu", "0"),
    ("8", "a: square \n (-@a * @a) -> relu", "0"),
    ("4x6x6", "relu -> (-@) -> maxpool(2) -> avgpool(2, pad = 1) -> dropout -> relu", "0"),
    ("4x6x6", "concat { | relu -> (-@) | log_softmax } -> relu", "0"),
]
VARYING = [
    ("4x6x6", "y: gap \n (@y + 0 * @x)"),
    ("4x6x6", "(@ / reduce_sum(0 * @ + 1, axis = 2, keep = true))"),
    ("8", "dense(2) -> softmax"),
    ("Tx6", "softmax"),
    ("8", "dense(2) -> layernorm"),
    ("2x1x3", "layernorm(axis = [2, 3])"),
    ("8", "a: dense(8) \n (@x - @a)"),
    ("8", "tanh -> (1 - @) -> relu"),
    ("8", "tanh -> relu -> clamp(max = 1)"),
    ("8", "(-@) -> relu"),
    ("4x6x6", "relu -> (-@) -> upsample(2, mode = bicubic) -> relu"),
    ("4x6x6", "relu -> (-@) -> pad(1, value = 2) -> avgpool(3) -> relu"),
    ("8", "w: param(8) \n (@w - @w) -> add(@x)"),
    ("8", "a: sigmoid \n @x -> max(@a)"),
    ("8", "tanh -> a: relu \n @x -> (-@ * -@a) -> relu"),
]


def _net(sizes: str, layers: str) -> netdsl.Net:
    return netdsl.loads(f"net A {{\n input x: {sizes}\n {layers}\n}}")


def _messages(net: netdsl.Net) -> list[str]:
    return [d.message for d in net.warnings if d.code == "constant-result"]


def _outputs(net: netdsl.Net) -> list[torch.Tensor]:
    """What the net gives for two random inputs."""
    module = randomise(net.torch())
    generator = torch.Generator().manual_seed(1)
    shape = [size if isinstance(size, int) else 5 for size in net.graph.inputs[0].type.shape]
    return [module(3 * torch.randn(1, *shape, generator=generator)) for _ in range(2)]


@pytest.mark.parametrize(("sizes", "layers", "number"), CONSTANT)
def test_constant(sizes: str, layers: str, number: str) -> None:
    """The warning names the number that PyTorch computes for two inputs."""
    net = _net(sizes, layers)
    (message,) = _messages(net)
    assert f"always gives {number}, because" in message
    assert "the output `output` does not depend on the input" in message
    first, second = _outputs(net)
    assert torch.allclose(first, second, atol=1e-4)
    if number.isdigit():
        assert torch.allclose(first, torch.full_like(first, float(number)), atol=1e-4)


@pytest.mark.parametrize(("sizes", "layers"), VARYING)
def test_varying(sizes: str, layers: str) -> None:
    """Layers that look alike have no warning, and their results differ."""
    net = _net(sizes, layers)
    assert _messages(net) == []
    first, second = _outputs(net)
    assert not torch.allclose(first, second, atol=1e-4)


def test_each_once() -> None:
    """Only the first of the layers whose results are the same for every input has a warning."""
    net = _net("8", "dense(1) -> softmax -> softmax -> layernorm -> dense(4)")
    assert len(_messages(net)) == 1
    beside = _net("8", "a: dense(4) \n @x -> dense(1) -> softmax -> mul(@a)")
    assert "output" not in "".join(_messages(beside))
