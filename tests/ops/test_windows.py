"""The sizes that windows give, and the inputs that they cover, for all small settings.

They are compared with their definition and with PyTorch.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import ceil
from typing import Any

import onnxruntime
import pytest
import torch
import torch.nn.functional as F

import netdsl
from netdsl.errors import OpError
from netdsl.ir.op import Window
from netdsl.ir.types import TensorType
from netdsl.ops import LAYERS
from netdsl.ops.base import bind
from tests.support.back_ends import assert_back_ends_agree

SETTINGS = [(k, s, p) for k, s, p in product(range(1, 6), range(1, 6), range(4)) if p <= k // 2]


def op(kind: str, *positional: object, **named: object) -> Any:
    """A layer of that kind."""
    return bind(LAYERS[kind], positional, named)


# ---- sizes


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("kind", ["max", "avg"])
def test_pooled_sizes(kind: str, axes: int, ceil_mode: bool) -> None:
    """The size of a pooled output is that of PyTorch, which refuses the same settings."""
    pool = getattr(F, f"{kind}_pool{axes}d")
    for k, s, p, size in product(range(1, 6), range(1, 6), range(4), range(1, 9)):
        try:
            expected = tuple(
                pool(torch.zeros(1, 1, *(size,) * axes), k, s, p, ceil_mode=ceil_mode).shape[2:]
            )
        except RuntimeError:
            expected = None
        try:
            inferred = (
                op(f"{kind}pool", k, stride=s, pad=p, ceil=ceil_mode)
                .infer(TensorType((1, *(size,) * axes)))
                .spatial
            )
        except OpError as error:
            assert error.code == ("bad-padding" if 2 * p > k else "window-too-large")
            inferred = None
        assert expected == inferred, (k, s, p, size)


@pytest.mark.parametrize(("k", "s", "p"), SETTINGS)
@pytest.mark.parametrize("kind", ["max", "avg"])
def test_ceil_in_onnxruntime(kind: str, k: int, s: int, p: int) -> None:
    """A pooling of an open size with `ceil` gives PyTorch's values in onnxruntime at every size."""
    layer = f"{kind}pool({k}, stride = {s}, pad = {p}, ceil = true)"
    model = netdsl.loads(f"net N {{\n input x: 2xT\n y: {layer}\n}}").onnx()
    session = onnxruntime.InferenceSession(model.SerializeToString())
    pool = getattr(F, f"{kind}_pool1d")
    for size in range(max(1, k - 2 * p), 24):
        x = torch.randn(1, 2, size)
        expected = pool(x, k, s, p, ceil_mode=True)
        (result,) = session.run(None, {"x": x.numpy()})
        assert result.shape == expected.shape, size
        torch.testing.assert_close(torch.from_numpy(result), expected)


@pytest.mark.parametrize("size", [4, 5, 6, 7, 12])
def test_ceil_in_both_back_ends(size: int) -> None:
    """Both back ends agree, whether the last window extends beyond the end or not."""
    assert_back_ends_agree(
        netdsl.loads("net N {\n input x: 2xT\n y: maxpool(4, stride = 3, pad = 1, ceil = true)\n}"),
        {"T": size},
    )


# ---- the inputs that a window covers


def assert_exact(window: Window, reached: dict[int, list[int]]) -> None:
    """Check that the window covers the inputs of every output, and is not too large."""
    slack = []
    for output, inputs in reached.items():
        first = ceil(Fraction(output * window.stride, window.up) - window.pad)
        slack.append((min(inputs) - first, first + window.extent - 1 - max(inputs)))
    assert [min(ends) for ends in zip(*slack, strict=True)] == [0, 0]


@pytest.mark.parametrize(("k", "d"), [(k, d) for k in range(1, 5) for d in range(1, 4)])
def test_windows_of_convolutions(k: int, d: int) -> None:
    """The windows of `conv` and `deconv` are those of their definitions.

    Output o of `conv` depends on the inputs o stride - pad + j dilation for j below k. Input i of
    `deconv` affects the outputs i stride - pad + j dilation.
    """
    x = TensorType((1, 50))
    for s, p, more in product(range(1, 4), range(3), range(2)):
        (window,) = op("conv", 1, k, stride=s, pad=((p, p + more),), dilation=d).windows(x)
        assert_exact(window, {o: [o * s - p + j * d for j in range(k)] for o in range(20)})
        reached: dict[int, list[int]] = {}
        for i, j in product(range(40), range(k)):
            reached.setdefault(i * s - p + j * d, []).append(i)
        (window,) = op("deconv", 1, k, stride=s, pad=p, dilation=d).windows(x)
        assert_exact(window, {o: inputs for o, inputs in reached.items() if 15 <= o < 35})


@pytest.mark.parametrize(("k", "s", "p"), SETTINGS)
def test_windows_of_poolings(k: int, s: int, p: int) -> None:
    """Output o of a pooling depends on the k inputs from o stride - pad on.

    Output o of a subsampling depends on those from o k on.
    """
    x = TensorType((1, 50))
    (window,) = op("avgpool", k, stride=s, pad=p).windows(x)
    assert_exact(window, {o: [o * s - p + j for j in range(k)] for o in range(20)})
    (window,) = op("subsample", k).windows(x)
    assert_exact(window, {o: [o * k + j for j in range(k)] for o in range(20)})
