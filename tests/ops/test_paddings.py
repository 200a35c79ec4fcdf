"""The forms of padding: what each gives, and the advice for words of other libraries."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import netdsl
from tests.support.back_ends import assert_back_ends_agree, both, numbers
from tests.support.small_nets import net_of

NET = "net N {{\n    input x: {}\n    {}\n}}"


@pytest.mark.parametrize(
    ("sizes", "call", "expected"),
    [
        ("3x8x8", "conv(4, 3, pad = valid)", "leave `pad` out"),
        ("3x8x8", 'maxpool(3, pad = "VALID")', "leave `pad` out"),
        ("3x8x8", 'conv(4, 3, pad = "SAME")', "write `same` in lower case"),
        ("3x8x8", "maxpool(3, pad = SAME)", "write `same` in lower case"),
        ("3x8x8", "deconv(4, 3, pad = SAME)", "write `same` in lower case"),
        ("3x8x8", "pad(same)", "`pad(1)`"),
    ],
)
def test_advice(sizes: str, call: str, expected: str) -> None:
    """There is advice for words of other libraries."""
    with pytest.raises(netdsl.CompileError) as caught:
        netdsl.loads(NET.format(sizes, call))
    (error,) = caught.value.diagnostics
    assert error.help is not None
    assert expected in error.help


POOLS = {"maxpool": F.max_pool1d, "avgpool": F.avg_pool1d}


@pytest.mark.parametrize("more", ["", ", ceil = true", ", count_pad = false", "both"])
@pytest.mark.parametrize("kind", ["maxpool", "avgpool", "sumpool", "l2pool"])
def test_pairs_of_pooling(kind: str, more: str) -> None:
    """Pairs pad each side by its own width, with what the kind ignores, for every size.

    The reference takes each window from the definition: with `ceil`, the last window starts
    inside the input or the padding before it, and what is beyond the padding does not exist.
    """
    more = ", ceil = true, count_pad = false" if more == "both" else more
    if ("ceil" in more and kind == "l2pool") or ("count_pad" in more and kind != "avgpool"):
        with pytest.raises(netdsl.CompileError):
            net_of(f"{kind}(3{more})", "2xT")
        return
    for k, stride, begin, end in ((2, 1, 0, 1), (3, 2, 2, 0), (3, 2, 0, 2), (4, 3, 1, 3)):
        net = net_of(f"{kind}({k}, stride = {stride}, pad = [({begin}, {end})]{more})", "2xT")
        for size in range(max(1, k - begin - end), 12):
            x = numbers(2, 2, size)
            starts = list(range(-begin, size + end - k + 1, stride))
            beyond = starts[-1] + stride
            if "ceil" in more and beyond < size and starts[-1] + k < size + end:
                starts.append(beyond)
            windows = [_inside(x, s, k, (-begin, size + end)) for s in starts]
            expected = np.stack([_pooled(kind, *w, "count_pad" in more) for w in windows], -1)
            np.testing.assert_allclose(both(net, x)[1], expected, rtol=1e-4, atol=1e-5)


def _inside(
    x: np.ndarray, start: int, k: int, bounds: tuple[int, int]
) -> tuple[np.ndarray, int, int]:
    """The inputs of a window, the number of places that it covers with padding, and without."""
    first, last = max(start, 0), min(start + k, x.shape[-1])
    covered = min(start + k, bounds[1]) - max(start, bounds[0])
    return x[..., first:last], covered, last - first


def _pooled(kind: str, inputs: np.ndarray, covered: int, real: int, only_real: bool) -> np.ndarray:
    if kind == "maxpool":
        return np.asarray(inputs.max(-1))
    if kind == "l2pool":
        return np.asarray(np.sqrt(np.square(inputs).sum(-1)))
    if kind == "sumpool":
        return np.asarray(inputs.sum(-1))
    return np.asarray(inputs.sum(-1) / (real if only_real else covered))


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("kind", ["maxpool", "avgpool", "sumpool", "l2pool", "conv", "deconv"])
def test_equal_pairs(kind: str, axes: int) -> None:
    """Pairs of equal numbers are the same as the number, for every kind and rank."""
    shape = "x".join(["2", *["7"] * axes])
    out = "3, " if kind.endswith("conv") else ""
    x = numbers(2, 2, *[7] * axes)
    number, pairs = [
        both(net_of(f"{kind}({out}3, stride = 2, pad = {pad})", shape), x)[1]
        for pad in ("1", f"[{', '.join(['(1, 1)'] * axes)}]")
    ]
    np.testing.assert_array_equal(number, pairs)


@pytest.mark.parametrize("dilation", [1, 2, 3, 4])
@pytest.mark.parametrize("ceil", [False, True])
def test_dilated_maxpool(dilation: int, ceil: bool) -> None:
    """A dilated maximum is PyTorch's in both back ends, also where onnxruntime refuses the pad."""
    for k, stride, pad in product((1, 2, 3), (1, 2, 3), (0, 1, 2, 3)):
        extent = dilation * (k - 1) + 1
        if pad > extent // 2:
            continue
        call = f"maxpool({k}, stride = {stride}, pad = {pad}, dilation = {dilation}"
        net = net_of(f"{call}, ceil = {str(ceil).lower()})", "2xT")
        for size in range(max(dilation, extent - 2 * pad), 15):
            x = numbers(1, 2, size)
            padded = F.pad(torch.from_numpy(x), (pad, pad), value=-torch.inf)
            expected = F.max_pool1d(padded, k, stride, 0, dilation, ceil_mode=ceil).numpy()
            if ceil:  # a window that starts in the padding at the end is dropped
                expected = expected[..., : -(-(size + pad) // stride)]
            np.testing.assert_allclose(both(net, x)[1], expected, rtol=1e-6)


@pytest.mark.parametrize("mode", ["zeros", "reflect", "edge", "circular"])
@pytest.mark.parametrize("pad", ["1", "[(0, 2)]", "[(3, 1)]", "same"])
@pytest.mark.parametrize("tail", ["", ", stride = 2", ", dilation = 2, groups = 2"])
def test_modes_of_conv(mode: str, pad: str, tail: str) -> None:
    """A convolution with a border of any mode is one of the input after NumPy's `pad`."""
    net = net_of(f"conv(4, 4, pad = {pad}, pad_mode = {mode}, bias = false{tail})", "2xT")
    stride, dilation = (2 if "stride" in tail else 1), (2 if "dilation" in tail else 1)
    word = {"zeros": "constant", "circular": "wrap"}.get(mode, mode)
    for size in range(6, 12):
        x = numbers(2, 2, size)
        total = max((-(-size // stride) - 1) * stride + 3 * dilation + 1 - size, 0)
        pair = {"1": (1, 1), "[(0, 2)]": (0, 2), "[(3, 1)]": (3, 1)}.get(
            pad, (total // 2, total - total // 2)
        )
        padded = np.pad(x, [(0, 0), (0, 0), pair], mode=word)  # type: ignore[call-overload]
        if padded.shape[2] < 3 * dilation + 1:
            continue
        weights, y = both(net, x)
        expected = F.conv1d(
            torch.from_numpy(padded),
            torch.from_numpy(weights["weight"]),
            None,
            stride,
            0,
            dilation,
            2 if "groups" in tail else 1,
        )
        np.testing.assert_allclose(y, expected.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", ["2xH", "2xHxW", "2xHxWxD"])
def test_circular_borders(shape: str) -> None:
    """`pad` continues the input at its other end, up to its own size, along every axis."""
    axes = shape.count("x")
    pairs = [(1, 3), (0, 2), (2, 0)][:axes]
    net = net_of(f"pad([{', '.join(map(str, pairs))}], mode = circular)", shape)
    for size in (3, 4, 7):
        x = numbers(2, 2, *(size + i for i in range(axes)))
        expected = np.pad(x, [(0, 0), (0, 0), *pairs], mode="wrap")
        np.testing.assert_array_equal(both(net, x)[1], expected.astype(np.float32))


def test_modes_of_padding_that_depends_on_sizes() -> None:
    """Borders of `same` with open sizes have every mode, along 2 and 3 axes."""
    for mode in ("zeros", "reflect", "edge", "circular"):
        for shape, sizes in (("2xHxW", {"H": 7, "W": 8}), ("2x5xHxW", {"H": 7, "W": 8})):
            call = f"conv(3, 3, stride = 2, dilation = 2, pad = same, pad_mode = {mode})"
            assert_back_ends_agree(net_of(call, shape), sizes)
