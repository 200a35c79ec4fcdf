"""Folding removes batch norms and changes no results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import netdsl
from netdsl.backends.onnx.form import Form
from netdsl.backends.onnx.graph import skeleton
from tests.support.back_ends import inputs_for, randomise, run_onnx, run_torch
from tests.support.commands import run_command
from tests.support.onnx_files import forward, operators
from tests.support.small_nets import NORMED as NET

FOLDS = {
    "conv": "input x: 3x6x6\n conv(4, 3, bias = false) -> bn",
    "bias": "input x: 3x6x6\n conv(4, 3) -> bn(eps = 0.1) -> relu",
    "groups": "input x: 4x6x6\n conv(6, 3, groups = 2, stride = 2) -> bn",
    "line": "input x: 4x9\n conv(6, 3) -> bn",
    "depthwise": "input x: 4x6x6\n depthwise(3, multiplier = 2) -> bn",
    "deconv": "input x: 4x5x5\n deconv(6, 3, stride = 2) -> bn",
    "deconv in groups": "input x: 4x5x5\n deconv(6, 3, groups = 2, bias = false) -> bn",
    "dense": "input x: 7\n dense(5) -> bn -> relu -> dense(4, bias = false) -> bn",
    "plain": "input x: 3x6x6\n conv(4, 3) -> bn(affine = false)",
    "arms": "input x: 3x6x6\n conv(4, 1) -> bn -> relu\n residual { conv(4, 1) -> bn }\n relu",
}
STAYS = {
    "first": "input x: 3x6x6\n bn -> conv(4, 3)",
    "between": "input x: 3x6x6\n conv(4, 3) -> relu -> bn",
    "two uses": "input x: 3x6x6\n a: conv(3, 1) -> bn -> add(@a)",
    "connections": "input x: 3x6x6\n conv(4, 3, connections = [[0,1],[1,2],[0,2],[0,1,2]]) -> bn",
}


@pytest.mark.parametrize("name", FOLDS)
def test_batch_norms_fold_away_and_nothing_else_changes(name: str) -> None:
    """The folded model has no batch norm, passes ONNX's full check, and gives PyTorch's results."""
    net = netdsl.loads(f"net F {{\n {FOLDS[name]}\n}}")
    module = randomise(net.torch())
    model = net.onnx(weights=module.state_dict(), fold=True)
    onnx.checker.check_model(model, full_check=True)
    assert "BatchNormalization" not in operators(model)
    assert "BatchNormalization" in operators(net.onnx())
    inputs = inputs_for(net)
    np.testing.assert_allclose(
        run_onnx(model, inputs)[0], run_torch(module, inputs)[0], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("name", STAYS)
def test_a_batch_norm_that_cannot_fold_stays(name: str) -> None:
    net = netdsl.loads(f"net F {{\n {STAYS[name]}\n}}")
    module = randomise(net.torch())
    model = net.onnx(weights=module.state_dict(), fold=True)
    assert operators(model).count("BatchNormalization") == 1
    inputs = inputs_for(net)
    np.testing.assert_allclose(
        run_onnx(model, inputs)[0], run_torch(module, inputs)[0], rtol=1e-4, atol=1e-5
    )


def test_a_value_that_is_an_output_is_not_folded_away() -> None:
    net = netdsl.loads("net F {\n input x: 3x6x6\n output a: conv(4, 3)\n output b: bn\n}")
    module = randomise(net.torch())
    inputs = inputs_for(net)
    for ours, theirs in zip(
        run_onnx(net.onnx(weights=module.state_dict(), fold=True), inputs),
        run_torch(module, inputs),
        strict=True,
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_a_convolution_used_twice_is_folded_for_each_batch_norm() -> None:
    text = "net F {\n input x: 3x6x6\n c: conv(3, 1)\n bn\n c\n bn\n}"
    net = netdsl.loads(text)
    module = randomise(net.torch())
    inputs = inputs_for(net)
    model = net.onnx(weights=module.state_dict(), fold=True)
    assert "BatchNormalization" not in operators(model)
    np.testing.assert_allclose(
        run_onnx(model, inputs)[0], run_torch(module, inputs)[0], rtol=1e-4, atol=1e-5
    )


def test_a_large_weight_is_folded_in_pieces() -> None:
    """A weight is folded in several pieces, which can begin in the middle of a row.

    Each row is still multiplied by the scale of its own channel.
    """
    net = netdsl.loads("net F {\n input x: 1100\n dense(1500) -> bn\n}")
    module = randomise(net.torch())
    inputs = inputs_for(net)
    np.testing.assert_allclose(
        run_onnx(net.onnx(weights=module.state_dict(), fold=True), inputs)[0],
        run_torch(module, inputs)[0],
        rtol=1e-3,
        atol=1e-3,
    )


@pytest.mark.parametrize(
    "call",
    [
        "lrn(5)",
        "lrn(n = 3, alpha = 0.5, beta = 0.5, k = 2)",
        "lrn(n = 3, alpha = 0.3, beta = 1)",
        "lrn(n = 7, alpha = 0.2, beta = 0.6)",
    ],
)
@pytest.mark.parametrize("shape", ["8x5x4", "6x9", "2x3x3x3"])
def test_local_response_normalisation_becomes_products(call: str, shape: str) -> None:
    """A folded export replaces `LRN`, which is slow in onnxruntime, and gives PyTorch's results.

    A model in half precision keeps `LRN`, because squares overflow early in float16.
    """
    net = netdsl.loads(f"net F {{\n input x: {shape}\n {call}\n}}")
    inputs = [3 * t for t in inputs_for(net)]
    model = net.onnx(fold=True)
    assert "LRN" not in operators(model)
    assert "LRN" in operators(net.onnx())
    assert "LRN" in [
        n.op_type for n in skeleton(net.graph, Form(fold=True, dtype="float16")).model.graph.node
    ]
    np.testing.assert_allclose(
        run_onnx(model, inputs)[0], run_torch(net.torch(), inputs)[0], rtol=1e-5, atol=1e-6
    )


def test_names_are_those_of_the_checkpoint_unless_folded(
    weights_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without folding, every tensor has its name in the checkpoint.

    A folded tensor has a name of its own, so that nobody mistakes it for that of the checkpoint.
    """
    out, _ = run_command(
        capsys, "export", "tiny.net", "-o", "m.onnx", "--weights", "w.safetensors", "--verify"
    )
    assert "opset 20, float32, batch norms folded" in out
    assert "agree" in out
    run_command(
        capsys,
        "export",
        "tiny.net",
        "-o",
        "p.onnx",
        "--weights",
        "w.safetensors",
        "--no-fold",
        "--verify",
    )
    names = {t.name for t in onnx.load("p.onnx").graph.initializer}
    assert {n for n in netdsl.loads(NET).torch().state_dict() if not n.endswith("tracked")} <= names
    folded = onnx.load("m.onnx")
    assert {t.name for t in folded.graph.initializer if t.name.startswith(("c", "n"))} == {
        "c.weight/folded",
        "c.bias/folded",
    }
    assert operators(folded) == ["Conv", "Relu", "GlobalAveragePool", "Flatten", "Gemm"]
    x = np.random.default_rng(0).random((2, 3, 6, 6), dtype=np.float32)
    np.testing.assert_allclose(
        forward("m.onnx", image=x), forward("p.onnx", image=x), rtol=1e-5, atol=1e-6
    )
