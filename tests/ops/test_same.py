"""`pad = same` is TensorFlow's: ceil(size / stride) positions, with the odd pixel at the end.

The reference is computed with NumPy from TensorFlow's formula, and shares no code with netdsl.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

import netdsl
from netdsl.analysis.receptive import receptive_fields
from tests.support.back_ends import (
    assert_back_ends_agree,
    inputs_for,
    randomise,
    run_onnx,
    run_torch,
)
from tests.support.small_nets import net_of

KINDS = ("maxpool", "avgpool", "mean", "sumpool", "l2pool", "conv")


def same_windows(x: np.ndarray, k: int, stride: int, dilation: int) -> np.ndarray:
    """The windows along the last axis: ... x positions x k, where NaN is padding."""
    size = x.shape[-1]
    positions = -(-size // stride)
    total = max((positions - 1) * stride + (k - 1) * dilation + 1 - size, 0)
    places = np.arange(positions)[:, None] * stride + np.arange(k) * dilation - total // 2
    inside = (places >= 0) & (places < size)
    windows: np.ndarray = np.where(inside, x[..., places.clip(0, size - 1)], np.nan)
    return windows


def reference(
    kind: str, x: np.ndarray, weight: np.ndarray, settings: tuple[int, ...]
) -> np.ndarray:
    """The output of a kind by its definition."""
    windows = same_windows(x, *settings)
    zeros = np.nan_to_num(windows)
    if kind == "conv":
        return np.asarray(np.einsum("ncpk,ock->nop", zeros, weight))
    if kind == "maxpool":
        return np.asarray(np.nanmax(windows, -1))
    if kind == "mean":
        return np.asarray(np.nanmean(windows, -1))
    if kind == "avgpool":
        return np.asarray(zeros.mean(-1))
    return np.asarray(zeros.sum(-1) if kind == "sumpool" else np.sqrt(np.square(zeros).sum(-1)))


def text_of(k: int, stride: int, dilation: int, size: str) -> tuple[str, list[str]]:
    """A net with an output of each kind that has such a window, and the kinds."""
    window = f"{k}, stride = {stride}, pad = same"
    calls = {"maxpool": f"maxpool({window}, dilation = {dilation})"}
    calls["conv"] = f"conv(3, {window}, dilation = {dilation}, bias = false)"
    if dilation == 1:
        calls |= {kind: f"{kind}({window})" for kind in ("avgpool", "sumpool", "l2pool")}
        calls["mean"] = f"avgpool({window}, count_pad = false)"
    body = "\n".join(f" output {kind}_: @x -> {call}" for kind, call in calls.items())
    return f"net N {{\n input x: 2x{size}\n{body}\n}}", list(calls)


@pytest.mark.parametrize("k", range(1, 8))
@pytest.mark.parametrize("stride", range(1, 5))
@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_values(k: int, stride: int, dilation: int) -> None:
    """Every kind has TensorFlow's values in PyTorch and onnxruntime, for open and fixed sizes."""
    text, kinds = text_of(k, stride, dilation, "T")
    net = netdsl.loads(text)
    module = randomise(net.torch())
    weight = module.state_dict()["conv_.weight"].numpy()
    for size in (1, 2, 3, 5, 8, 11, 12):
        if size < dilation and k > 1:
            continue  # a window of `maxpool` would contain only padding
        fixed = netdsl.loads(text_of(k, stride, dilation, str(size))[0])
        inputs = inputs_for(fixed)
        expected = [
            reference(kind, inputs[0].numpy(), weight, (k, stride, dilation)) for kind in kinds
        ]
        for built in (net, fixed):
            own = built.torch().eval()
            own.load_state_dict(module.state_dict())
            model = built.onnx(weights=module.state_dict())
            for results in (run_torch(own, inputs), run_onnx(model, inputs)):
                for ours, theirs in zip(results, expected, strict=True):
                    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
        assert [o.value.type.shape[1] for o in fixed.outputs] == [-(-size // stride)] * len(kinds)


@pytest.mark.parametrize("axes", [2, 3])
def test_ranks(axes: int) -> None:
    """Along several axes, each has its own window, stride and padding, odd or even."""
    for k, stride in product(((3, 2, 4), (1, 5, 2)), ((2, 1, 3), (2, 2, 2), (3, 4, 1))):
        window = f"{list(k[:axes])}, stride = {list(stride[:axes])}, pad = same"
        calls = [f"{kind}({window})" for kind in ("maxpool", "avgpool", "sumpool", "l2pool")]
        calls += [f"avgpool({window}, count_pad = false)", f"depthwise({window})"]
        calls += [f"conv(3, {window}, dilation = 2)", f"deconv(3, {window})"]
        for call in calls:
            net = net_of(call, "x".join(["2", "H", "W", "D"][: axes + 1]))
            for size in (2, 5, 8):
                sizes = {"H": size, "W": size + 1, "D": 3}
                assert_back_ends_agree(net, {s: sizes[s] for s in "HWD"[:axes]})


@pytest.mark.parametrize("k", range(1, 6))
@pytest.mark.parametrize("stride", range(1, 5))
@pytest.mark.parametrize("dilation", [1, 2])
def test_deconv(k: int, stride: int, dilation: int) -> None:
    """A transposed convolution gives stride x size: it is the transpose of `conv` with `same`."""
    window = f"{k}, stride = {stride}, dilation = {dilation}, pad = same"
    net = net_of(f"deconv(1, {window}, bias = false)", "1xT")
    for size in (1, 2, 3, 6):
        weight = np.arange(1.0, k + 1)
        # Column j of the matrix of the convolution is what it makes of the j-th unit vector.
        unit = np.eye(stride * size)[:, None]
        matrix = (np.nan_to_num(same_windows(unit, k, stride, dilation)) @ weight)[:, 0]
        module = net.torch()
        (name,) = module.state_dict()
        state = {name: torch.tensor(weight, dtype=torch.float32).view(1, 1, k)}
        model = net.onnx(weights=state)
        module.load_state_dict(state)
        (x,) = inputs_for(net, 2, {"T": size})
        expected = x.numpy() @ matrix.T
        (ours,) = run_torch(module, [x])
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(run_onnx(model, [x])[0], expected, rtol=1e-4, atol=1e-5)


def test_known_padding_of_open_sizes() -> None:
    """If the stride divides an open size, the padding is known, and no node computes it."""
    net = netdsl.loads(
        "net N {\n input x: 2xT\n deconv(2, 2, stride = 2)\n conv(3, 3, stride = 2, pad = same)\n}"
    )
    assert [n.op_type for n in net.onnx().graph.node] == ["ConvTranspose", "Conv"]
    assert_back_ends_agree(net, {"T": 3})


def test_receptive_fields() -> None:
    """The padding moves the window, which counts where branches with other windows join."""
    text = "net N {{\n input x: 1x{}\n concat {{\n {}\n }}\n}}"
    arms = "| conv(1, 4, stride = 2, pad = same)\n | conv(1, 2, stride = 2, pad = same)"
    same = netdsl.loads(text.format(8, arms))
    pairs = netdsl.loads(
        text.format(8, "| conv(1, 4, stride = 2, pad = [(1, 1)])\n | conv(1, 2, stride = 2)")
    )
    assert receptive_fields(same.graph) == receptive_fields(pairs.graph)
    assert receptive_fields(netdsl.loads(text.format("T", arms)).graph) == receptive_fields(
        same.graph
    )


def test_ceil_changes_nothing() -> None:
    """`same` rounds up by itself."""
    for size in range(3, 9):
        outputs = [
            net_of(f"maxpool(3, stride = 2, pad = same{more})", f"2x{size}").outputs[0].value.type
            for more in ("", ", ceil = true")
        ]
        assert outputs[0] == outputs[1]
        net = net_of("avgpool(3, stride = 2, pad = same, ceil = true)", "2xT")
        assert_back_ends_agree(net, {"T": size})


MOBILENET = """
block unit(out, k = 1, stride = 1) {
    conv(out, k, stride, pad = same, bias = false) -> bn(eps = 0.001) -> relu6
}
block separable(out, stride = 1) {
    depthwise(3, stride, pad = same, bias = false) -> bn(eps = 0.001) -> relu6
    unit(out)
}
net MobileNet(width = 1) {
    input image: 3xHxW
    unit(32 // width, 3, 2)
    separable(64 // width)
    for out in [128, 256, 512] {
        separable(out // width, 2)
        repeat (5 if out == 512 else 1) { separable(out // width) }
    }
    separable(1024 // width, 2) -> separable(1024 // width)
    gap
    output logits: conv(1000, 1) -> flatten
}
"""


def test_mobilenet() -> None:
    """MobileNetV1 as Keras defines it has its 4,231,976 parameters, and runs at every size."""
    net = netdsl.loads(MOBILENET)
    assert net.params == 4_231_976
    assert {n.op_type for n in net.onnx().graph.node if n.op_type in ("Pad", "Shape")} == set()
    narrow = netdsl.loads(MOBILENET, width=16)
    for sizes in ({"H": 33, "W": 64}, {"H": 5, "W": 50}):
        assert_back_ends_agree(narrow, sizes)
