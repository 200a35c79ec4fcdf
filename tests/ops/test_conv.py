"""Partial convolutions compared with their formula, written out in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.support.back_ends import both, numbers
from tests.support.small_nets import codes, message, net_of, weights_of

C3 = [[(i + d) % 6 for d in range(3)] for i in range(6)] + [
    [(i + d) % 6 for d in range(4)] for i in range(6)
]
# LeCun et al. 1998, table I.
C3 += [[(i + d) % 6 for d in (0, 1, 3, 4)] for i in range(3)] + [[0, 1, 2, 3, 4, 5]]


def test_lenet_c3() -> None:
    """C3 of LeNet-5 has 1,516 parameters and 151,600 connections, including those of the biases.

    It gives the values of a full convolution in which all other weights are 0.
    """
    net = net_of(f"conv(16, 5, connections = {C3})", "6x14x14")
    assert (net.params, weights_of(net), net.macs) == (1_516, 1_500, 150_000)
    assert isinstance(net.macs, int)
    assert net.macs + net.outputs[0].value.type.size == 151_600
    x = numbers(2, 6, 14, 14)
    w, y = both(net, x)
    kernel, rows = np.zeros((16, 6, 5, 5)), iter(w["weight"])
    for out, maps in enumerate(C3):
        for m in maps:
            kernel[out, m] = next(rows)
    dense = torch.nn.functional.conv2d(
        torch.from_numpy(x), torch.from_numpy(kernel), torch.from_numpy(w["bias"])
    )
    np.testing.assert_allclose(y, dense, rtol=1e-3, atol=1e-4)


def test_connected_weights_learn() -> None:
    """Every weight has a gradient, and the initial weights are in ± 1 / sqrt(6 x 25)."""
    module = net_of(f"conv(16, 5, connections = {C3})", "6x14x14").torch()
    module(torch.randn(1, 6, 14, 14)).square().sum().backward()
    assert all(p.grad is not None and bool((p.grad != 0).all()) for p in module.parameters())
    bound = (6 * 25) ** -0.5
    assert bound * 0.9 < max(float(p.detach().abs().max()) for p in module.parameters()) <= bound


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            "2, 3, connections = [[0], [1], [2]]",
            "shape-mismatch: `connections` has lists for 3 output maps, but `out` is 2",
        ),
        (
            "2, 3, connections = [[0], [3]]",
            "bad-argument: output map 1 is connected to input map 3; the input has maps 0 to 2",
        ),
        (
            "2, 3, connections = [[0], [-1]]",
            "bad-argument: output map 1 is connected to input map -1; the input has maps 0 to 2",
        ),
        (
            "2, 3, connections = [[0, 2, 0], [1]]",
            "bad-argument: output map 0 lists input map 0 twice",
        ),
        (
            "2, 3, connections = [[0], []]",
            "bad-argument: output map 1 is connected to no input map",
        ),
        (
            "3, 3, groups = 3, connections = [[0], [1], [2]]",
            "bad-argument: `connections` and `groups` (3) both define which maps are connected",
        ),
        (
            "2, 3, init = he_normal, connections = [[0], [1]]",
            (
                "bad-argument: `init` is he_normal, which needs the same number of inputs for every"
                " output; with `connections` it can be default, normal, zeros, ones"
            ),
        ),
        (
            "2, 3, connections = [0, 1]",
            (
                "wrong-type: `connections` of `conv` must be a list of lists of integers, one for"
                " each output map, found [0, 1]"
            ),
        ),
        (
            "2, 1, connections = [[0], [1]], weight = [[[1]]]",
            "shape-mismatch: `weight` of `conv` has 1x1x1 numbers, but needs 2x1x1",
        ),
    ],
)
def test_connection_errors(arguments: str, expected: str) -> None:
    """The error for a wrong table of connections names the values that do not fit."""
    assert expected == message(f"conv({arguments})", "3x8x8")


def test_depthwise_has_no_connections() -> None:
    """Only `conv` has the argument `connections`."""
    assert codes("net A { input x: 3x8x8\n depthwise(3, connections = [[0], [1], [2]]) }") == [
        "unknown-argument"
    ]
