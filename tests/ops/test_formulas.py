"""Layers compared with the formulas that `netdsl layers` prints, written out in numpy."""

from __future__ import annotations

from math import erf
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

import netdsl

if TYPE_CHECKING:
    from collections.abc import Callable

Array = np.ndarray
Weights = dict[str, Array]


def softplus(x: Array) -> Array:
    """log(1 + exp(x))."""
    return np.asarray(np.log1p(np.exp(x)))


def normalised(x: Array, axes: tuple[int, ...], eps: float = 1e-5) -> Array:
    """The array, normalised to mean 0 and variance 1 along these axes."""
    centred = x - x.mean(axes, keepdims=True)
    return np.asarray(centred / np.sqrt(x.var(axes, keepdims=True) + eps))


def windows(x: Array, k: int) -> Array:
    """The windows of an N x C x H x W array, as N x C x H/k x W/k x k*k."""
    n, c, h, w = x.shape
    cut = x.reshape(n, c, h // k, k, w // k, k).transpose(0, 1, 2, 4, 3, 5)
    return cut.reshape(n, c, h // k, w // k, k * k)


def mean_square(x: Array) -> Array:
    """The mean of the squares along the last axis."""
    return np.asarray((x * x).mean(-1, keepdims=True))


def neighbours(x: Array, n: int) -> Array:
    """The sum of the squares over n neighbouring channels."""
    channels = range(x.shape[1])
    sums = [(x[:, max(0, i - n // 2) : i + n // 2 + 1] ** 2).sum(1) for i in channels]
    return np.stack(sums, 1)


SELU = (1.0507009873554805, 1.6732632423543772)
FORMULAS: dict[tuple[str, str], Callable[[Array, Weights], Array]] = {
    ("relu", "3x4"): lambda x, _: np.maximum(0, x),
    ("sigmoid", "3x4"): lambda x, _: 1 / (1 + np.exp(-x)),
    ("tanh", "3x4"): lambda x, _: (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x)),
    ("softplus", "3x4"): lambda x, _: softplus(x),
    ("hard_swish", "3x4"): lambda x, _: x * np.minimum(np.maximum(x + 3, 0), 6) / 6,
    ("mish", "3x4"): lambda x, _: x * np.tanh(softplus(x)),
    ("selu", "3x4"): lambda x, _: (
        SELU[0] * (np.maximum(0, x) + np.minimum(0, SELU[1] * (np.exp(x) - 1)))
    ),
    ("relu6", "3x4"): lambda x, _: np.minimum(np.maximum(0, x), 6),
    ("leaky_relu(0.2)", "3x4"): lambda x, _: np.where(x > 0, x, 0.2 * x),
    ("elu(0.5)", "3x4"): lambda x, _: np.where(x > 0, x, 0.5 * (np.exp(x) - 1)),
    ("prelu", "3x4"): lambda x, w: np.where(x > 0, x, w["weight"][:, None] * x),
    ("prelu(shared = true)", "3x4"): lambda x, w: np.where(x > 0, x, w["weight"] * x),
    ("gelu", "3x4"): lambda x, _: x * (1 + np.vectorize(erf)(x / np.sqrt(2))) / 2,
    ("silu", "3x4"): lambda x, _: x / (1 + np.exp(-x)),
    ("hard_sigmoid", "3x4"): lambda x, _: np.minimum(np.maximum(x + 3, 0), 6) / 6,
    ("scaled_tanh", "3x4"): lambda x, _: 1.7159 * np.tanh(2 * x / 3),
    ("softmax", "3x4"): lambda x, _: np.exp(x) / np.exp(x).sum(1, keepdims=True),
    ("log_softmax(axis = 2)", "3x4"): lambda x, _: x - np.log(np.exp(x).sum(2, keepdims=True)),
    ("exp", "3x4"): lambda x, _: np.exp(x),
    ("square -> log", "3x4"): lambda x, _: np.log(x * x),
    ("abs -> sqrt", "3x4"): lambda x, _: np.sqrt(np.abs(x)),
    ("sign", "3x4"): lambda x, _: np.sign(x),
    ("sin", "3x4"): lambda x, _: np.sin(x),
    ("cos", "3x4"): lambda x, _: np.cos(x),
    ("erf", "3x4"): lambda x, _: np.vectorize(erf)(x),
    ("clamp(-0.5, 0.7)", "3x4"): lambda x, _: np.minimum(np.maximum(x, -0.5), 0.7),
    ("reduce_norm(2)", "3x4"): lambda x, _: np.sqrt((x * x).sum(2)),
    ("dense(5)", "4"): lambda x, w: x @ w["weight"].T + w["bias"],
    ("dense(5)", "3x4"): lambda x, w: x @ w["weight"].T + w["bias"],
    ("rbf(5)", "4"): lambda x, w: ((x[:, None] - w["weight"]) ** 2).sum(2),
    ("flatten", "3x4x5"): lambda x, _: x.reshape(2, -1),
    ("tokens", "3x4x5"): lambda x, _: x.reshape(2, 3, 20).transpose(0, 2, 1),
    ("lrn(3, 0.5, 0.75, 2)", "5x4x4"): lambda x, _: x / (2 + 0.5 / 3 * neighbours(x, 3)) ** 0.75,
    ("layernorm", "3x4x6"): lambda x, w: w["weight"] * normalised(x, (3,)) + w["bias"],
    ("rmsnorm", "3x6"): lambda x, w: w["weight"] * x / np.sqrt(mean_square(x) + 1e-6),
    ("groupnorm(2, affine = false)", "4x3x3"): (
        lambda x, _: normalised(x.reshape(2, 2, -1), (2,)).reshape(x.shape)
    ),
    ("instancenorm", "4x3x3"): lambda x, _: normalised(x, (2, 3)),
    ("maxpool(2)", "3x4x6"): lambda x, _: windows(x, 2).max(-1),
    ("avgpool(2)", "3x4x6"): lambda x, _: windows(x, 2).mean(-1),
    ("sumpool(2)", "3x4x6"): lambda x, _: windows(x, 2).sum(-1),
    ("l2pool(2)", "3x4x6"): lambda x, _: np.sqrt((windows(x, 2) ** 2).sum(-1)),
    ("subsample(2)", "3x4x6"): lambda x, w: (
        windows(x, 2).sum(-1) * w["weight"][:, None, None] + w["bias"][:, None, None]
    ),
    ("gap", "3x4x6"): lambda x, _: x.mean((2, 3), keepdims=True),
    ("gmp", "3x4x6"): lambda x, _: x.max((2, 3), keepdims=True),
    ("spp([2, 1])", "3x4x6"): lambda x, _: np.concatenate([_grid(x, 2), _grid(x, 1)], 1),
    ("adaptive_avgpool(3)", "3x7x7"): lambda x, _: _adaptive(x, 3),
    ("upsample(size = 3x7)", "3x4x5"): lambda x, _: x[:, :, [0, 1, 2]][
        :, :, :, [i * 5 // 7 for i in range(7)]
    ],
    ("upsample(3)", "3x5"): lambda x, _: x[:, :, [i * 5 // 15 for i in range(15)]],
    ("channel_shuffle(2)", "4x3x3"): lambda x, _: x[:, [0, 2, 1, 3]],
    ("split(3, 1, axis = 2)", "2x6"): lambda x, _: x[:, :, 2:4],
    ("slice(-3, -1, axis = 2)", "2x6"): lambda x, _: x[:, :, 3:5],
}


def test_the_ratio_is_rounded() -> None:
    """Nearest-neighbour upsampling computes the ratio of the sizes in single precision.

    If 2 elements become 82, element 41 is therefore a copy of the first; its exact position is 1.
    """
    module = netdsl.loads("net N {\ninput x: 1x2\nupsample(size = [82])\n}").torch()
    result = module(torch.tensor([[[0.0, 1.0]]]))[0, 0]
    assert [int(v) for v in result[40:43]] == [0, 0, 1]
    assert 41 * 2 // 82 == 1


def _grid(x: Array, n: int) -> Array:
    pieces = [p.max((2, 3)) for row in np.split(x, n, 2) for p in np.split(row, n, 3)]
    return np.stack(pieces, 2).reshape(2, -1)


def _adaptive(x: Array, out: int) -> Array:
    size = x.shape[2]
    bounds = [(i * size // out, -(-(i + 1) * size // out)) for i in range(out)]
    rows = [[x[:, :, a:b, c:d].mean((2, 3)) for c, d in bounds] for a, b in bounds]
    return np.stack([np.stack(row, -1) for row in rows], -2)


@pytest.mark.parametrize("case", FORMULAS, ids=" on ".join)
def test_formula(case: tuple[str, str]) -> None:
    """A layer gives the values of its formula, with random weights, in double precision."""
    call, shape = case
    module = netdsl.loads(f"net N {{\ninput x: {shape}\nl: {call}\n}}").torch().double().eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in module.parameters():
            tensor.uniform_(0.2, 1, generator=generator)
        x = 2 * torch.randn(
            2, *map(int, shape.split("x")), generator=generator, dtype=torch.float64
        )
        result = module(x).numpy()
    weights = {
        name.removeprefix("l."): tensor.numpy() for name, tensor in module.state_dict().items()
    }
    np.testing.assert_allclose(result, FORMULAS[case](x.numpy(), weights), rtol=1e-6, atol=1e-8)
