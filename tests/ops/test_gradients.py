"""Every kind's gradients agree with PyTorch's in double precision, for every example."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch

import netdsl
from netdsl.backends.onnx import lrn
from netdsl.errors import NetdslError
from tests.support.back_ends import inputs_for, randomise
from tests.support.contract import EXAMPLES, Example
from tests.support.train_steps import SEED, gradient_model, run_model, torch_gradients

BATCH = 3
SHARE = 1e-5  # of the largest number of a gradient
# Kinds that the training step refuses.
WITHOUT = {"roi_align", "roi_pool"}
# Kinds that take positive numbers only.
POSITIVE = {"log", "sqrt", "**"}


def check_gradients(net: netdsl.Net) -> None:
    """Check the result of an example in training, and the gradients of its weights and inputs."""
    graph, kind = net.graph, net.layers[0].kind
    model = gradient_model(graph, BATCH)
    onnx.checker.check_model(model, full_check=True)
    module = randomise(net.torch())
    tensors = inputs_for(net, BATCH)
    if kind in POSITIVE:
        tensors = [t.abs() + 0.1 for t in tensors]
    inputs = dict(zip([v.name for v in graph.inputs], tensors, strict=True))
    sizes = [int(str(d)) for d in net.outputs[0].value.type.shape]
    seed = np.random.default_rng(1).normal(size=(BATCH, *sizes))
    seed = seed.astype(np.float32)
    feeds = {name: tensor.numpy() for name, tensor in inputs.items()}
    feeds |= {f"{name} ": t.numpy().copy() for name, t in module.state_dict().items()}
    for value in model.graph.input:
        if value.name.startswith("mask/"):
            shape = [d.dim_value for d in value.type.tensor_type.shape.dim]
            feeds[value.name] = np.ones(shape, np.float32)
    found = run_model(model, {**feeds, SEED: seed})
    wanted = torch_gradients(module, inputs, seed)
    for name, expected in wanted.items():
        if name not in found:
            assert not expected.any(), f"{name} is missing"
            continue
        scale = np.abs(expected).max(initial=1e-3)
        np.testing.assert_allclose(found[name], expected, rtol=0, atol=SHARE * scale, err_msg=name)
    for name in found.keys() - wanted.keys():
        assert not found[name].any(), f"PyTorch has no {name}"


def test_lrn_of_many_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond some number of channels, the layer is not written as products."""
    monkeypatch.setattr(lrn, "MOST_CHANNELS", 0)
    [first, *_] = [example for example in EXAMPLES if example.kind == "lrn"]
    model = gradient_model(first.net().graph, BATCH)
    assert "LRN" in {node.op_type for node in model.graph.node}
    check_gradients(first.net())


TIES = [
    ("1x6x7", "maxpool(2)"),
    ("2x6x6", "maxpool(3, stride = 1, pad = 1)"),
    ("1x7x7", "maxpool(3, stride = 2, ceil = true)"),
    ("1x8x8", "maxpool(2, dilation = 2, stride = 1)"),
    ("1x6x6", "maxpool(2, stride = 3)"),
    ("2x9", "maxpool(3, stride = 2)"),
    ("1x4x4x4", "maxpool(2)"),
]


@pytest.mark.parametrize(("shape", "call"), TIES)
def test_equal_maxima(shape: str, call: str) -> None:
    """Of equal elements of a window, the first gets the gradient, as in PyTorch."""
    net = Example("maxpool", shape, call).net()
    model = gradient_model(net.graph, BATCH)
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (BATCH, *map(int, shape.split("x")))).astype(np.float32)
    sizes = [int(str(d)) for d in net.outputs[0].value.type.shape]
    seed = rng.normal(size=(BATCH, *sizes)).astype(np.float32)
    found = run_model(model, {"x0": x, SEED: seed})
    wanted = torch_gradients(net.torch(), {"x0": torch.from_numpy(x)}, seed)
    for name, expected in wanted.items():
        np.testing.assert_allclose(found[name], expected, rtol=0, atol=1e-5, err_msg=name)


def test_infinite_gradients() -> None:
    """The gradient of a root of 0 does not pass a `relu`."""
    text = "net A { input x: 4\n relu -> sqrt }"
    model = gradient_model(netdsl.loads(text).graph, BATCH)
    x = np.array([[-1, 0, 1, 4]] * BATCH, np.float32)
    found = run_model(model, {"x": x, SEED: np.ones_like(x)})
    np.testing.assert_array_equal(found["gradient of x"][0], [0, 0, 0.5, 0.25])


@pytest.mark.parametrize("shape", ["4 int32", "2x3 int32"])
def test_narrow_indices(shape: str) -> None:
    """Rows of an embedding are chosen by integers of 32 bits, too."""
    check_gradients(Example("embedding", shape, "embedding(5, 3)").net())


@pytest.mark.parametrize("call", ["lstm(3)", "gru(2, bidirectional = true)", "rnn(4, last = true)"])
def test_one_step(call: str) -> None:
    """Sequences of one vector have no step before."""
    kind = call.partition("(")[0]
    check_gradients(Example(kind, "1x3", call).net())


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_gradients(example: Example) -> None:
    """The gradients of each example are those of PyTorch; kinds in `WITHOUT` are refused."""
    net = example.net()
    if net.outputs[0].value.type.dtype != "float32":
        pytest.skip("the result has no gradient")
    if example.kind in WITHOUT:
        with pytest.raises(NetdslError) as caught:
            gradient_model(net.graph, BATCH)
        assert (caught.value.code, caught.value.line) == ("no-gradient", 4)
        assert caught.value.message == f"`{example.kind}` has no gradient yet"
        return
    check_gradients(net)
