"""Layers along chosen axes, compared with numpy: `dense`, `layernorm`, `rmsnorm`, `roll`."""

from __future__ import annotations

import numpy as np
import pytest

import netdsl
from tests.support.back_ends import both, numbers
from tests.support.small_nets import message, net_of


def test_dense_along_the_last_axis() -> None:
    """`axis = -1` applies the same matrix to each vector of a map; its MACs are counted."""
    x = numbers(1, 2, 4, 3)
    net = net_of("dense(5, axis = -1)", "2x4x3")
    w, y = both(net, x)
    np.testing.assert_allclose(y, x @ w["weight"].T + w["bias"], rtol=1e-4, atol=1e-5)
    assert net.macs == 2 * 4 * 3 * 5


def test_dense_on_a_map_needs_the_axis() -> None:
    """Without `axis`, a map is an error that offers it; other axes are refused."""
    assert message("dense(5)", "2x4x3").startswith("wrong-rank: `dense` takes a vector")
    with pytest.raises(netdsl.CompileError, match="`axis = -1` applies it along the last axis"):
        netdsl.loads("net N {\n input x: 2x4x3\n dense(5)\n}")
    assert message("dense(5, axis = 1)", "2x4x3") == (
        "bad-axis: `axis` of `dense` can only be -1, found 1"
    )


@pytest.mark.parametrize(
    ("axis", "axes"),
    [("1", (1,)), ("-1", (3,)), ("2", (2,)), ("[1, 2, 3]", (1, 2, 3)), ("[3, 1]", (1, 3))],
)
@pytest.mark.parametrize("kind", ["layernorm", "rmsnorm"])
def test_norms_over_axes(kind: str, axis: str, axes: tuple[int, ...]) -> None:
    """The mean and the variance are those of the axes, and the weights have their sizes."""
    x = numbers(1, 4, 3, 5)
    w, y = both(net_of(f"{kind}(axis = {axis}, eps = 0.01)", "4x3x5"), x)
    assert w["weight"].shape == tuple(x.shape[i] for i in axes)
    shape = [x.shape[i] if i in axes else 1 for i in range(4)]
    centred = x - x.mean(axes, keepdims=True) if kind == "layernorm" else x
    scaled = centred / np.sqrt((centred**2).mean(axes, keepdims=True) + 0.01)
    wanted = scaled * w["weight"].reshape(shape)
    if kind == "layernorm":
        wanted = wanted + w["bias"].reshape(shape)
    np.testing.assert_allclose(y, wanted, rtol=1e-4, atol=1e-5)


def test_norm_of_the_channels_of_an_open_map() -> None:
    """ConvNeXt's norm: the weights have the names and sizes of PyTorch's, for maps of any size."""
    net = netdsl.loads("net N {\n input x: 8xHxW\n n: layernorm(axis = 1, eps = 1e-6)\n}")
    shapes = {name: tuple(t.shape) for name, t in net.torch().state_dict().items()}
    assert shapes == {"n.weight": (8,), "n.bias": (8,)}
    assert net.verify()


def test_norm_without_a_shift() -> None:
    """`bias = false` leaves the shift out, as in PyTorch."""
    net = net_of("layernorm(bias = false)", "4x6")
    assert net.params == 6
    assert net.verify()


@pytest.mark.parametrize(
    ("call", "shifts", "axes"),
    [
        ("roll(2, axis = 2)", 2, 2),
        ("roll(-7, axis = -1)", -7, -1),
        ("roll([1, -1], axis = [1, 3])", (1, -1), (1, 3)),
        ("roll(0, 1)", 0, 1),
    ],
)
@pytest.mark.parametrize("shape", ["3x4x5", "CxHxW"])
def test_roll(
    call: str, shifts: int | tuple[int, ...], axes: int | tuple[int, ...], shape: str
) -> None:
    """The elements are those that `numpy.roll` gives, also along axes of open sizes."""
    x = numbers(2, 3, 4, 5)
    _, y = both(net_of(call, shape), x)
    np.testing.assert_array_equal(y, np.roll(x.astype(np.float32), shifts, axes))
