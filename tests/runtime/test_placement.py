"""Nodes that compute only sizes, and nodes that a GPU does not support."""

from __future__ import annotations

from pathlib import Path

import onnxruntime
import pytest
from onnx import TensorProto, helper

import netdsl
from netdsl.errors import NetdslError
from netdsl.runtime import providers, session
from netdsl.runtime.placement import FEW, facts
from netdsl.runtime.providers import placement
from netdsl.runtime.session import Placed, Session, open_session
from tests.support.onnx_files import write

FULL = (
    "/onnxruntime_src/bfc_arena.cc:360 void* f() Failed to allocate memory for requested buffer of"
    " size 9"
)


def sizes_of(path: Path) -> set[str]:
    return {name for name, _ in facts(path).sizes_alone}


def test_nodes_that_compute_sizes(tmp_path: Path) -> None:
    """Nodes that compute a few numbers, only from shapes and constants, are recognised.

    A node that reads the numbers of a tensor, or has a large operand or result, does not count.
    """
    nodes = [
        helper.make_node("Shape", ["x"], ["s"], name="shape"),
        helper.make_node("Add", ["s", "two"], ["t"], name="sum"),
        helper.make_node("Cast", ["t"], ["f"], name="cast", to=TensorProto.FLOAT),
        helper.make_node("ConstantOfShape", ["t"], ["c"], name="large"),
        helper.make_node("ReduceSum", ["c"], ["r"], name="of-large", keepdims=0),
        helper.make_node("ReduceSum", ["x"], ["d"], name="data", keepdims=0),
        helper.make_node("Add", ["d", "f"], ["y"], name="mixed"),
        helper.make_node("Add", ["s", "two"], ["u"], name="twice"),
        helper.make_node("Relu", ["x"], ["v"], name="twice"),
        helper.make_node("Add", ["s", "two"], ["w"]),
    ]
    assert sizes_of(write(tmp_path / "m.onnx", nodes)) == {"shape", "sum", "cast"}
    many = [
        helper.make_node("ConstantOfShape", ["k"], ["c"], name="c"),
        helper.make_node("Constant", [], ["k"], name="k", value_ints=[FEW + 1]),
        helper.make_node("Relu", ["x"], ["y"], name="r"),
    ]
    assert sizes_of(write(tmp_path / "n.onnx", [many[1], many[0], many[2]])) == {"k"}


@pytest.mark.slow
def test_sizes_of_our_own_nets(tmp_path: Path) -> None:
    """The nodes of FCN-8s that CUDA leaves to the CPU compute only sums of sizes."""
    path = tmp_path / "fcn.onnx"
    netdsl.load("fcn:FCN8s").save_onnx(path)
    assert {"4/Add_1", "8/Add_1", "score/Add_1"} <= sizes_of(path)
    opened = onnxruntime.InferenceSession(
        str(path), _recording(), providers=["CPUExecutionProvider"]
    )
    # With only one provider, nodes that compute sizes are not looked for.
    assert not any(n.sizes_alone for n in placement(opened, path))


def _recording() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    return options


def test_nodes_of_sizes_are_no_error(relu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes that compute sizes may run on the CPU, and `auto` still chooses the GPU."""
    monkeypatch.setattr(session, "obstacle", lambda device: None)
    monkeypatch.setattr(
        providers, "options_of", lambda model, device, settings: ["CPUExecutionProvider"]
    )
    placed = [
        Placed("r", "Relu", "CUDAExecutionProvider"),
        Placed("a", "Add", "CPUExecutionProvider", sizes_alone=True),
    ]
    monkeypatch.setattr(Session, "placement", lambda self: placed)
    open_session(relu, "cuda")
    assert open_session(relu, "auto").chosen == "there is a GPU"


@pytest.mark.parametrize(("opset", "is_named"), [(20, False), (22, True)])
def test_an_opset_without_kernels_is_named(tmp_path: Path, opset: int, is_named: bool) -> None:
    path = write(
        tmp_path / "m.onnx", [helper.make_node("Relu", ["x"], ["y"], name="r")], opset=opset
    )
    placed = [
        Placed("r", "Relu", "CUDAExecutionProvider"),
        Placed("p", "MaxPool", "CPUExecutionProvider"),
    ]
    with pytest.raises(NetdslError, match="1 of 2 nodes") as caught:
        providers.check_placement(placed, path, "m", "cuda", allow=False)
    assert (f"opset {opset}" in str(caught.value)) == is_named
    assert "--allow-cpu-nodes" in str(caught.value)


def test_auto_chooses_the_cpu_if_the_gpu_runs_no_node(
    relu: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "obstacle", lambda device: None)
    monkeypatch.setattr(
        providers, "options_of", lambda model, device, settings: ["CPUExecutionProvider"]
    )
    monkeypatch.setattr(providers, "why_not_loaded", lambda device: "")
    opened = open_session(relu, "auto")
    assert opened.device == "cpu"
    assert "can run no node" in opened.chosen


@pytest.mark.parametrize(
    ("device", "advice"),
    [("cpu", "run with --device cuda, or export with --fp16"), ("cuda", "export with --fp16")],
)
def test_an_operator_without_bfloat16_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, advice: str
) -> None:
    """The error names the operator and the device, and does not blame an old onnxruntime."""
    path = Path(
        netdsl.loads("net N {\n input x: 3x8x8\n output y: conv(2, 3)\n}").save_onnx(
            tmp_path / "m.onnx", dtype="bfloat16"
        )[0]
    )
    monkeypatch.setattr(session, "obstacle", lambda device: None)
    monkeypatch.setattr(
        providers, "options_of", lambda model, device, settings: ["CPUExecutionProvider"]
    )
    with pytest.raises(NetdslError) as caught:
        open_session(path, device)
    diagnostic = caught.value.diagnostics[0]
    assert (diagnostic.code, diagnostic.message) == (
        "no-kernel",
        f"{path} uses `Conv` in bfloat16, which onnxruntime cannot compute on {device} (opset 22)",
    )
    assert advice in str(diagnostic.help)


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (
            (
                "[ONNXRuntimeError] : 1 : FAIL : Exception during initialization:"
                " /src/a/memcpy.cc:253 bool a::b(const Node&) const !x.empty() was false. Provider"
                " type is not set."
            ),
            "Exception during initialization: Provider type is not set.",
        ),
        (
            (
                "[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Non-zero status code returned while"
                " running Gather node. Name:'emb' Status Message: out of data bounds, idx=30"
            ),
            "node `emb` (Gather): out of data bounds, idx=30",
        ),
        (
            f"Status Message: {FULL}",
            "Status Message: Failed to allocate memory for requested buffer of size 9",
        ),
    ],
)
def test_sources_of_onnxruntime_are_not_shown(message: str, shown: str) -> None:
    assert providers.message_of(RuntimeError(message)) == shown
