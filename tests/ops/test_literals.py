"""Literal numbers for learned tensors: `weight` and `bias` of the layers that have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

import netdsl
from netdsl.ops import LAYERS

if TYPE_CHECKING:
    from netdsl.api_net import Net


def body(text: str, shape: str) -> Net:
    """A net with that body."""
    return netdsl.loads(f"net N {{\n input x: {shape}\n {text}\n}}")


SCALED = [  # the input, the layer and its other arguments; its scale and its shift have this shape
    ("3x8x8", "bn", "", (3,)),
    ("3x8", "bn", "eps = 0.01", (3,)),
    ("3x8x8", "instancenorm", "affine = true", (3,)),
    ("3x8x8", "instancenorm", "affine = true, track_running_stats = true", (3,)),
    ("4x8x8", "groupnorm", "groups = 2", (4,)),
    ("5x3", "layernorm", "", (3,)),
    ("3x5x5", "layernorm", "axis = 1", (3,)),
    ("2x5x3", "layernorm", "axis = [1, 3]", (2, 3)),
    ("5x3", "rmsnorm", "", (3,)),
    ("2x5x3", "rmsnorm", "axis = [1, 3]", (2, 3)),
    ("3x8x8", "prelu", "", (3,)),
    ("3x8x8", "prelu", "shared = true", (1,)),
    ("3x8x8", "subsample", "2", (3,)),
]


def numbers(shape: tuple[int, ...], start: float) -> np.ndarray:
    """Different numbers, which float32 has exactly."""
    return start + np.arange(np.prod(shape), dtype=np.float32).reshape(shape) / 4


@pytest.mark.parametrize(("shape", "kind", "others", "sizes"), SCALED)
def test_scales_and_shifts_can_be_literal(
    shape: str, kind: str, others: str, sizes: tuple[int, ...]
) -> None:
    """The parameter, the state dict and the ONNX initialiser have the numbers, which are learned.

    The count of parameters is that of the layer without the numbers.
    """
    names = [n for n in ("weight", "bias") if any(a.name == n for a in LAYERS[kind].args)]
    wanted = {name: numbers(sizes, -0.5 + i) for i, name in enumerate(names)}
    given = ", ".join(f"{name} = {array.tolist()}" for name, array in wanted.items())
    net = body(f"y: {kind}({', '.join(filter(None, (others, given)))})", shape)
    assert net.params == body(f"{kind}({others})", shape).params == net.figure("trainable")
    module, model = net.torch(), net.onnx(fold=False)
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    for name, array in wanted.items():
        parameter = module.get_parameter(f"y.{name}")
        assert parameter.requires_grad
        np.testing.assert_array_equal(parameter.detach().numpy(), array)
        np.testing.assert_array_equal(module.state_dict()[f"y.{name}"].numpy(), array)
        found = np.frombuffer(stored[f"y.{name}"].raw_data, np.float32)
        np.testing.assert_array_equal(found.reshape(sizes), array)
    assert net.verify().ok


@pytest.mark.parametrize("kind", ["bn", "groupnorm(1)", "instancenorm(affine = true)", "layernorm"])
def test_a_norm_without_a_shift(kind: str) -> None:
    """`bias = false` leaves out the shift, as in PyTorch."""
    call = kind.replace(")", ", bias = false)") if "(" in kind else f"{kind}(bias = false)"
    net = body(f"y: {call}", "3x6x6")
    assert [name for name, _ in net.torch().named_parameters()] == ["y.weight"]
    assert net.verify().ok


def test_a_frozen_literal_is_not_learned() -> None:
    """`frozen` stops the training of literal scales too."""
    net = body("bn(weight = [1, 2, 3], bias = false) -> frozen", "3x8x8")
    assert (net.params, net.figure("trainable")) == (3, 0)


def test_norms_share_a_scale() -> None:
    """The scale of one norm can be that of another: it is counted once."""
    net = body("a: layernorm\n b: layernorm(weight = @a.weight, bias = @a.bias)", "5x3")
    module = net.torch()
    assert net.params == 6
    assert module.get_parameter("a.weight") is module.get_parameter("b.weight")
    assert module.get_parameter("a.bias") is module.get_parameter("b.bias")
    assert net.verify().ok


def test_a_norm_with_literal_zeros_begins_as_the_identity() -> None:
    """A residual block whose last norm has scales of 0 returns its input at first.

    The start of Goyal et al. 2017: Accurate, Large Minibatch SGD, Section 5.1.
    """
    net = body("residual { conv(4, 3, pad = 1) -> bn(weight = 4 * [0]) }", "4x6x6")
    x = torch.randn(2, 4, 6, 6)
    assert torch.equal(net.torch()(x), x)


@pytest.mark.parametrize(
    ("shape", "call", "found", "needed"),
    [
        ("3x8x8", "bn(weight = [1, 2])", "2 numbers", "3"),
        ("3x8x8", "bn(bias = [[1, 2, 3]])", "1x3 numbers", "3"),
        ("3x8x8", "prelu(weight = [1, 2])", "2 numbers", "3"),
        ("3x8x8", "prelu(shared = true, weight = [1, 2, 3])", "3 numbers", "1"),
        ("2x5x3", "layernorm(axis = [1, 3], bias = [1, 2, 3])", "3 numbers", "2x3"),
        ("5x3", "rmsnorm(weight = [1])", "1 number", "3"),
        ("4x8x8", "groupnorm(2, weight = [1, 2])", "2 numbers", "4"),
        ("3x8x8", "subsample(2, bias = [1, 2])", "2 numbers", "3"),
    ],
)
def test_wrong_numbers(shape: str, call: str, found: str, needed: str) -> None:
    """The error names how many numbers there are, and how many the layer needs."""
    with pytest.raises(netdsl.CompileError, match=f"has {found}, but needs {needed}\n"):
        body(call, shape)
