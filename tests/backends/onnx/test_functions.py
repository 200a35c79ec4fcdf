"""Blocks that are exported as functions of the ONNX model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from safetensors.torch import save_file

import netdsl
from netdsl.backends.onnx.form import Form
from netdsl.backends.onnx.graph import skeleton
from tests.support.back_ends import inputs_for, randomise, run_torch
from tests.support.commands import run_command
from tests.support.onnx_files import forward, operators

BLOCKS = """
block Pair(n) { conv(n, 3, pad = 1) -> bn -> relu -> gate: Gate }
block Gate() { residual { conv(4, 1) -> sigmoid } }
net B {
 input x: 4x6x6
 Pair(4)
 second: Pair(4)
 wide: Pair(4) -> conv(4, 1)
 output y: relu
}
"""


@pytest.mark.parametrize("fold", [False, True])
def test_blocks_are_functions_on_request(
    weights_folder: Path, capsys: pytest.CaptureFixture[str], fold: bool
) -> None:
    """Equal blocks share one function, and the model gives the same results as PyTorch.

    The function of a block that contains another block calls the function of the inner one.
    """
    (weights_folder / "b.net").write_text(BLOCKS)
    net = netdsl.load("b.net")
    module = randomise(net.torch())
    save_file(module.state_dict(), "b.safetensors")
    run_command(
        capsys,
        "export",
        "b.net",
        "-o",
        "f.onnx",
        "--weights",
        "b.safetensors",
        "--functions",
        "--fold" if fold else "--no-fold",
    )
    model = onnx.load("f.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert sorted(f.name for f in model.functions) == ["Gate", "Pair"]
    assert operators(model) == ["Pair", "Pair", "Pair", "Conv", "Relu"]
    assert "Gate" in [n.op_type for f in model.functions if f.name == "Pair" for n in f.node]
    inputs = inputs_for(net)
    np.testing.assert_allclose(
        forward("f.onnx", x=inputs[0].numpy()), run_torch(module, inputs)[0], rtol=1e-4, atol=1e-5
    )


def test_blocks_that_differ_are_functions_of_their_own() -> None:
    """Blocks whose nodes are equal share a function; blocks with different nodes do not."""
    net = netdsl.loads(
        "block P(n) { conv(n, 1) -> relu }\nnet B {\n input x: 4x6x6\n P(4)\n P(5)\n P(5)\n}"
    )
    model = skeleton(net.graph, Form(functions=True)).model
    assert [n.op_type for n in model.graph.node] == ["P", "P", "P"]
    assert len(model.functions) == 1  # weights are inputs, and only their sizes differ
    net = netdsl.loads(
        "block P(k) { conv(4, k) -> relu }\nnet B {\n input x: 4x6x6\n P(1)\n P(3)\n}"
    )
    assert [f.name for f in skeleton(net.graph, Form(functions=True)).model.functions] == [
        "P",
        "P_2",
    ]
