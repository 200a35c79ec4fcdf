"""`upsample` computes what PyTorch's `interpolate` computes, in every mode."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from netdsl.ops.interpolation import depends_on_processor, nearest_positions
from tests.support.back_ends import both, numbers, run_onnx, run_torch
from tests.support.small_nets import net_of

MODES = {
    1: ("nearest", "nearest_exact", "linear", "area"),
    2: ("nearest", "nearest_exact", "bilinear", "bicubic", "area"),
    3: ("nearest", "nearest_exact", "trilinear", "area"),
}
CASES = [(axes, mode, False) for axes, modes in MODES.items() for mode in modes]
CASES += [(1, "linear", True), (2, "bilinear", True), (2, "bicubic", True), (3, "trilinear", True)]


@pytest.mark.parametrize(("axes", "mode", "corners"), CASES)
def test_modes(axes: int, mode: str, corners: bool) -> None:
    """Factors and sizes, up and down, for fixed and open inputs."""
    more = f"mode = {mode}" + (", align_corners = true" if corners else "")
    keywords = {"mode": mode.replace("_", "-"), "align_corners": True if corners else None}
    for sizes in ((4, 3, 5), (1, 6, 2)):
        x = numbers(2, 3, *sizes[:axes])
        fixed, open_ = "x".join(map(str, (3, *sizes[:axes]))), "x".join("3HWD"[: axes + 1])
        for new in (None, (7, 5, 3), (1, 4, 9), (2, 2, 2)):
            call = f"upsample(2, {more})"
            if new is not None:
                call = f"upsample(size = {list(new[:axes])}, {more})"
            expected = F.interpolate(
                torch.from_numpy(x),
                size=None if new is None else new[:axes],
                scale_factor=2 if new is None else None,
                **keywords,  # type: ignore[arg-type]
            )
            for shape in (fixed, open_):
                _, y = both(net_of(call, shape), x)
                np.testing.assert_allclose(y, expected.numpy(), rtol=1e-4, atol=1e-5)


def test_nearest_exact_on_every_processor() -> None:
    """Where an output lies between two inputs, some CPUs take the other one in PyTorch.

    The lowering takes the same input on all of them, in PyTorch and in onnxruntime.
    """
    assert depends_on_processor(2, 41)
    assert not depends_on_processor(8, 16)
    pairs = [(a, b) for a in range(1, 12) for b in range(1, 60)]
    for before, after in [p for p in pairs if depends_on_processor(*p)] + [(3, 7), (9, 4)]:
        x = np.arange(float(before)).reshape(1, 1, before)
        for shape in (f"1x{before}", "1xT"):
            net = net_of(f"upsample(size = {after}, mode = nearest_exact)", shape)
            expected = nearest_positions("nearest_exact", before, after)
            assert both(net, x)[1].ravel().astype(int).tolist() == expected


def test_plain_source_of_nearest_exact() -> None:
    """The source has PyTorch's own module, unless the processor matters."""
    net = net_of("upsample(size = 7x5, mode = nearest_exact)", "3x4x4")
    assert "nn.Upsample(size=(7, 5), mode='nearest-exact')" in net.pytorch_source()
    assert (
        "resize_nearest_exact"
        in net_of("upsample(size = 41, mode = nearest_exact)", "3x2").pytorch_source()
    )


def test_channels_do_not_mix() -> None:
    """An infinite value in one channel does not reach another one."""
    net = net_of("upsample(size = 5, mode = linear)", "3x8")
    x = torch.from_numpy(numbers(2, 3, 8)).float()
    x[0, 1] = torch.inf
    (theirs,) = run_torch(net.torch(), [x])
    (ours,) = run_onnx(net.onnx(), [x])
    np.testing.assert_allclose(ours[0, [0, 2]], theirs[0, [0, 2]], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("shape", ["3x7", "3x4x5", "3x2x3x4", "3xHxW"])
def test_running_statistics(shape: str, affine: bool) -> None:
    """With running statistics, `instancenorm` has PyTorch's tensors and uses the averages."""
    call = f"instancenorm(track_running_stats = true, affine = {str(affine).lower()}, eps = 0.01)"
    net = net_of(call, shape)
    sizes = [int(n) if n.isdigit() else 6 for n in shape.split("x")]
    axes = len(sizes) - 1
    theirs = getattr(torch.nn, f"InstanceNorm{axes}d")(3, affine=affine, track_running_stats=True)
    assert [n.removeprefix("y.") for n in net.torch().state_dict()] == list(theirs.state_dict())
    x = numbers(2, *sizes)
    tensors, y = both(net, x)
    ones = (1, 3, *[1] * axes)
    mean, var = (tensors[n].reshape(ones) for n in ("running_mean", "running_var"))
    expected = (x - mean) / np.sqrt(var + 0.01)
    if affine:
        expected = expected * tensors["weight"].reshape(ones) + tensors["bias"].reshape(ones)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)


def test_statistics_of_training() -> None:
    """In training, the averages move by `momentum` towards those of the samples."""
    net = net_of("instancenorm(track_running_stats = true, momentum = 0.25)", "3x4x4")
    module, x = net.torch().train(), torch.from_numpy(numbers(2, 3, 4, 4)).float()
    module(x)
    state = {n.removeprefix("y."): t for n, t in module.state_dict().items()}
    means = x.mean((2, 3)).mean(0)
    torch.testing.assert_close(state["running_mean"], 0.25 * means)
