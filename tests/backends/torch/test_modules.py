"""The modules and functions that `torch.nn` lacks, and the initial values of weights.

The results are compared with the formulas in the docstrings, which the tests write out again.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from onnx import numpy_helper

import netdsl
from netdsl.backends.torch import modules as torch_modules
from tests.support.back_ends import inputs_for
from tests.support.contract import EXAMPLES, Example

if TYPE_CHECKING:
    from collections.abc import Callable


def module_of(call: str, *inputs: str) -> Any:
    """The module of a net with one layer, `y`, on the first input."""
    return netdsl.loads(
        "\n".join(
            [
                "net Example {",
                *(f"    input x{i}: {shape}" for i, shape in enumerate(inputs)),
                f"    @x0 -> y: {call}",
                "}",
            ]
        )
    ).torch()


# ---- every layer keeps the device and the element type of its input

NEEDS_NUMBERS = {"roi_pool"}  # it reads the boxes to find the size of the largest bin


@pytest.mark.parametrize(
    "example",
    [e for e in EXAMPLES if e.kind not in NEEDS_NUMBERS],
    ids=lambda e: f"{e.call} on {e.shapes}",
)
def test_a_layer_stays_on_the_device_of_its_input(example: Example) -> None:
    """No layer creates a tensor on the CPU, in training or in inference.

    PyTorch's `meta` device, which computes only shapes, takes the place of a GPU.
    """
    net = example.net()
    module = net.torch().to("meta")
    for training in (False, True):
        y = module.train(training)(*[x.to("meta") for x in inputs_for(net, batch=3)])
        assert str(y.device) == "meta"
        assert (3, *net.outputs[0].value.type.shape) == tuple(y.shape)


@pytest.mark.parametrize(
    "example",
    [
        e
        for e in EXAMPLES
        if e.kind
        in {
            "gcn",
            "roi_align",
            "roi_pool",
            "droppath",
            "cheb",
            "sage",
            "rbf",
            "subsample",
            "param",
        }
    ],
    ids=lambda e: f"{e.call} on {e.shapes}",
)
def test_double_precision_stays(example: Example) -> None:
    """A module in double precision gives results in double precision."""
    net = example.net()
    assert net.torch().double()(*[x.double() for x in inputs_for(net)]).dtype == torch.float64


# ---- stochastic depth


@pytest.mark.parametrize("shape", ["5", "3x4", "3x4x4"])
@pytest.mark.parametrize("p", [0.25, 0.5])
def test_drop_path_drops_whole_samples(shape: str, p: float) -> None:
    """A sample becomes 0 with probability p, and is scaled by 1 / (1 - p) otherwise.

    In inference, samples do not change.
    """
    torch.manual_seed(0)
    module = module_of(f"droppath({p})", shape)
    x = torch.rand(400, *map(int, shape.split("x"))) + 0.5
    factors = (module(x) / x).flatten(1)
    assert torch.allclose(factors, factors[:, :1].expand_as(factors))
    kept = factors[:, 0] > 0
    assert torch.allclose(factors[kept], torch.tensor(1 / (1 - p)))
    assert float(kept.float().mean()) == pytest.approx(1 - p, abs=0.1)
    assert torch.equal(module.eval()(x), x)


def test_drop_path_at_its_ends() -> None:
    """p = 0 keeps every sample; p = 1 drops every sample."""
    x = torch.rand(50, 3)
    assert torch.equal(module_of("droppath(0)", "3")(x), x)
    assert torch.equal(torch_modules.DropPath(1)(x), torch.zeros(50, 3))


# ---- initial values


@pytest.mark.parametrize("window", [(1,), (2,), (3,), (4,), (5,), (3, 4), (4, 5), (2, 3, 4)])
@pytest.mark.parametrize("channels", [(1, 1), (3, 3), (2, 3), (4, 2)])
def test_bilinear_weights_interpolate(window: tuple[int, ...], channels: tuple[int, int]) -> None:
    """The weights are those of Long et al. (2015), in PyTorch and in ONNX files.

    The weight from a channel to itself is a product of tent functions; all other weights are 0.
    """
    weight = torch.rand(*channels, *window)
    torch_modules.bilinear_(weight)
    for at in product(*map(range, weight.shape)):
        tent = prod(
            1 - abs(2 * i - k + 1 if k % 2 == 0 else 2 * i - (k - 1)) / (2 * ((k + 1) // 2))
            for i, k in zip(at[2:], window, strict=True)
        )
        assert float(weight[at]) == pytest.approx(tent if at[0] % channels[1] == at[1] else 0)
    shape = "x".join(map(str, (channels[0], *[6] * len(window))))
    net = netdsl.loads(
        f"net A {{\n input x: {shape}\n y: deconv({channels[1]}, {'x'.join(map(str, window))}, init"
        " = bilinear, bias = false)\n}"
    )
    (stored,) = net.onnx().graph.initializer
    np.testing.assert_allclose(numpy_helper.to_array(stored), weight.numpy(), rtol=1e-6)


def test_an_enlarged_ramp_stays_a_ramp() -> None:
    """Bilinear weights that double a ramp give a ramp of half the step, except at its ends."""
    module = module_of("deconv(1, 4, stride = 2, pad = 1, init = bilinear)", "1x8x8")
    y = module.eval()(torch.arange(8.0).view(1, 1, 1, 8).expand(1, 1, 8, 8)).detach()
    assert torch.allclose(y[0, 0, 4, 1:-1].diff(), torch.tensor(0.5))


@pytest.mark.parametrize(
    ("call", "shape", "bound"),
    [
        (
            "conv(8, 3, connections = [[0,1],[1,2],[2,3],[3,4],[4,5],[5,6],[6,7],[0,7]])",
            "8x8x8",
            18**-0.5,
        ),
        ("conv(2, 5, connections = [[0],[0,1,2,3]])", "4x8x8", 100**-0.5),
        ("conv(2, 5, bias = false, connections = [[0],[0,1]])", "2x8", 10**-0.5),
    ],
)
def test_partial_convolutions_start_as_convolutions_do(call: str, shape: str, bound: float) -> None:
    """The weights are uniform in ± 1 / sqrt(n).

    n is the number of inputs of the output that has the most inputs.
    """
    module = module_of(call, shape)
    numbers = torch.cat([p.detach().flatten() for p in module.parameters()])
    assert float(numbers.abs().max()) == pytest.approx(bound, rel=0.35)
    assert float(numbers.abs().max()) <= bound
    assert float(numbers.min()) < 0 < float(numbers.max())


@pytest.mark.parametrize(
    ("call", "shapes", "expected"),
    [
        ("subsample(2)", ["3x4x4"], {"y.weight": 0.25, "y.bias": 0.0}),
        ("subsample(3)", ["3x9"], {"y.weight": 1 / 3, "y.bias": 0.0}),
        ("gcn(2, @x1)", ["5x3", "5x5"], {"y.bias": 0.0}),
        ("cheb(2, @x1, k = 3)", ["5x3", "5x5"], {"y.bias": 0.0}),
    ],
)
def test_constant_initial_values(call: str, shapes: list[str], expected: dict[str, float]) -> None:
    """Subsampling starts as the mean of its window; the biases of graph layers start at 0."""
    state = module_of(call, *shapes).state_dict()
    for name, value in expected.items():
        assert torch.allclose(state[name], torch.tensor(value)), name


@pytest.mark.parametrize(
    ("call", "shapes"),
    [("gcn(40, @x1)", ["5x60", "5x5"]), ("cheb(40, @x1, k = 3)", ["5x60", "5x5"])],
)
def test_graph_layers_start_as_glorot(call: str, shapes: list[str]) -> None:
    """The weights are uniform in ± sqrt(6 / (inputs + outputs))."""
    for name, weight in module_of(call, *shapes).named_parameters():
        if name.endswith("weight"):
            assert float(weight.detach().abs().max()) == pytest.approx((6 / 100) ** 0.5, rel=0.01)


# ---- crops


@pytest.mark.parametrize(
    ("call", "reference", "cut"),
    [
        ("crop(@x1)", (3, 4), lambda x: x[:, :, 2:5, 2:6]),
        ("crop(@x1)", (6, 7), lambda x: x[:, :, 1:7, 1:8]),
        ("crop(@x1, offset = 1x2)", (3, 4), lambda x: x[:, :, 1:4, 2:6]),
        ("crop(@x1, offset = 2)", (6, 7), lambda x: x[:, :, 2:8, 2:9]),
        ("crop(2x3)", (1, 1), lambda x: x[:, :, 3:5, 3:6]),
        ("crop(5)", (1, 1), lambda x: x[:, :, 1:6, 2:7]),
    ],
)
def test_crops_of_open_size(
    call: str, reference: tuple[int, int], cut: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    """A crop of an input of open size, from the middle or from an offset.

    If the middle falls between two pixels, one more pixel is removed at the end.
    """
    inputs = [torch.rand(2, 3, 8, 9), torch.rand(2, 1, *reference)]
    module = module_of(call, "3xHxW", "1xAxB") if "@x1" in call else module_of(call, "3xHxW")
    assert torch.equal(module(*inputs[: 1 + ("@x1" in call)]), cut(inputs[0]))


# ---- regions


def test_a_point_one_pixel_outside_is_still_read() -> None:
    """Sampling points from -1 to the size of the map are read, as in onnxruntime.

    A point farther outside counts as 0.
    """
    x = torch.arange(1.0, 17.0).view(1, 1, 4, 4)
    boxes = torch.tensor([[[-2.0, -2.0, 2.0, 2.0], [-2.1, -2.1, 2.0, 2.0], [2.0, 2.0, 6.0, 6.0]]])
    y = torch_modules.roi_align(x, boxes, (2, 2), 1.0, 1, aligned=False)
    assert torch.allclose(y[0, 0, 0], torch.tensor([[1.0, 2.0], [5.0, 6.0]]))
    assert torch.equal(y[0, 1, 0].ravel()[:3], torch.zeros(3))
    assert torch.allclose(y[0, 2, 0], torch.tensor([[16.0, 0.0], [0.0, 0.0]]))


def test_roi_pooling_reads_only_as_many_pixels_as_the_largest_bin() -> None:
    """The memory of RoI pooling depends on the size of the largest bin, not on that of the map.

    For a bin of 2 x 3 pixels, training keeps a tensor of 6 elements.
    """
    x, kept = torch.rand(1, 1, 50, 60, requires_grad=True), []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor.numel() * tensor.is_floating_point())
        return tensor

    for box, pixels in (([5, 5, 7, 6], 6), ([5, 5, 5, 5], 1)):
        kept.clear()
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            torch_modules.roi_max_pool(x, torch.tensor([[box]]).float(), (1, 1), 1.0)
        assert max(kept) == pixels
