"""`netdsl bench`: what is measured, where nodes run, and how it is printed."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

import netdsl
from netdsl.analysis.sizes import usual_setting
from netdsl.cli import run
from netdsl.commands import bench
from netdsl.errors import NetdslError
from netdsl.runtime import gpu, measure, providers, session
from netdsl.runtime.binding import BoundSession
from netdsl.runtime.measure import arithmetic_of, in_turns, macs_of, random_inputs, ratio
from netdsl.runtime.session import Placed, Session, Settings, open_session
from tests.support.commands import run_command
from tests.support.gpu import recording

BENCH = ("bench", "--rounds", "3")


# ---- what is measured


def test_the_figures_fit_one_another(
    bench_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Throughput, FLOP/s from our own MACs and the share of the peak follow from the median; every
    node has its provider.
    """
    made = json.loads(
        run_command(capsys, *BENCH, "m.onnx", "--batch", "1,3", "--input", "3x10x12", "--json")[0]
    )
    macs = 4 * 27 * 10 * 12 + 4 * 3
    assert [r["batch"] for r in made["results"]] == [1, 3]
    for row in made["results"]:
        assert row["samples_per_s"] == pytest.approx(row["batch"] / row["median_s"])
        assert row["flops"] == pytest.approx(2 * macs * row["batch"] / row["median_s"])
        assert row["share_of_peak"] == pytest.approx(row["flops"] / made["peak"]["flops"])
        assert row["median_s"] <= row["p95_s"]
    assert made["providers"] == {"CPUExecutionProvider": len(made["nodes"])}
    assert {n["operator"] for n in made["nodes"]} >= {"Conv", "Gemm"}
    assert made["peak"]["bytes_per_s"] > 0


def test_the_table_names_the_providers(
    bench_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, _ = run_command(capsys, *BENCH, "m.onnx", "--batch", "2", "--input", "3x8x8")
    assert "CPUExecutionProvider" in out
    assert "Conv 1" in out
    assert "of peak" in out


@pytest.mark.parametrize("weights", [(), ("--weights", "w.safetensors")])
def test_beside_pytorch(
    bench_folder: Path, capsys: pytest.CaptureFixture[str], weights: tuple[str, ...]
) -> None:
    """Both engines of a net are timed in pairs, after their outputs were compared."""
    made = json.loads(
        run_command(
            capsys,
            *BENCH,
            "tiny.net",
            *weights,
            "--batch",
            "2",
            "--input",
            "3x8x8",
            "--vs",
            "torch",
            "--json",
        )[0]
    )
    ours, theirs = made["results"]
    assert [ours["engine"], theirs["engine"]] == ["onnxruntime", "torch"]
    assert ours["ratio_torch"] > 0
    assert ours["rounds"] == theirs["rounds"]


def test_engines_that_differ_are_not_timed(
    bench_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Session.run
    monkeypatch.setattr(Session, "run", lambda self, inputs: [o + 1 for o in plain(self, inputs)])
    assert (
        "back-ends-differ"
        in run_command(
            capsys, *BENCH, "tiny.net", "--batch", "2", "--input", "3x8x8", "--vs", "torch", code=1
        )[1]
    )


def test_turns_alternate_and_warm_up() -> None:
    calls: list[str] = []

    def slow() -> None:
        calls.append("b")
        time.sleep(0.002)

    made = in_turns({"a": lambda: calls.append("a"), "b": slow}, 4)
    assert calls == list("baabbaabbaab")
    assert {len(t.seconds) for t in made.values()} == {4}
    assert ratio(made["b"], made["a"]) > 1


def test_long_rounds_stop_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "LONGEST", 0)
    assert len(in_turns({"a": lambda: None}, 50)["a"].seconds) == measure.FEWEST


def test_macs_of_open_sizes_and_of_other_models(bench_folder: Path) -> None:
    opened = open_session(bench_folder / "m.onnx")
    assert macs_of(opened, random_inputs(opened, 1, {"": (3, 10, 12)})) == 4 * 27 * 120 + 12
    for text in ("import os", "1 +", "H / 0", "Q", '"a"'):
        opened.metadata["netdsl.macs"] = text
        assert macs_of(opened, random_inputs(opened, 1, {})) is None
    del opened.metadata["netdsl.macs"]
    assert macs_of(opened, random_inputs(opened, 1, {})) is None


def test_macs_and_precision_of_what_is_exported(bench_folder: Path) -> None:
    """Also where the graph prepares pictures, and where a model of half precision takes and gives
    other types.
    """
    for name, options in (
        ("plain", []),
        ("half", ["--fp16"]),
        ("kept", ["--fp16", "--keep-io"]),
        ("bytes", ["--with-preprocess"]),
        ("both", ["--fp16", "--with-preprocess"]),
    ):
        assert run(["export", "tiny.net", "-o", f"{name}.onnx", *options]) == 0
        opened = open_session(bench_folder / f"{name}.onnx")
        size = (10, 12, 3) if opened.inputs[0].dtype == "uint8" else (3, 10, 12)
        assert macs_of(opened, random_inputs(opened, 1, {"": size})) == 4 * 27 * 120 + 12
        assert arithmetic_of(opened) == ("float16" if "--fp16" in options else "float32")


def test_the_peak_is_that_of_the_weights_type(
    bench_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def peak(folder: Path, device: str, settings: Settings, dtype: str) -> measure.Peak:
        asked.append(dtype)
        return measure.Peak(1e9, 1e9)

    monkeypatch.setattr(bench, "peak", peak)
    assert run(["export", "tiny.net", "-o", "kept.onnx", "--fp16", "--keep-io"]) == 0
    for name in ("kept.onnx", "m.onnx"):
        run_command(capsys, *BENCH, name, "--batch", "1", "--input", "3x8x8")
    assert asked == ["float16", "float32"]


@pytest.mark.parametrize(
    ("element", "shape", "what"),
    [
        (TensorProto.INT8, ["N", 4], "wrong-dtype"),
        (TensorProto.STRING, ["N", 4], "wrong-dtype"),
        (TensorProto.BFLOAT16, ["N", 4], "wrong-dtype"),
        (TensorProto.FLOAT, [], "has no axes"),
        (TensorProto.FLOAT, None, "has no axes"),
        (0, None, "wrong-dtype"),
    ],
)
def test_inputs_that_no_numbers_are_made_for(
    bench_folder: Path,
    capsys: pytest.CaptureFixture[str],
    element: int,
    shape: list[int | str] | None,
    what: str,
) -> None:
    """Element types without random numbers, no axes, an unknown number of them, a sequence: one
    message each.
    """
    taken = (
        helper.make_tensor_value_info("x", element, shape)
        if element
        else helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, None)
    )
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "g",
        [taken],
        [onnx.ValueInfoProto(name="y", type=taken.type)],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10),
        "odd.onnx",
    )
    err = run_command(capsys, *BENCH, "odd.onnx", "--batch", "1", code=1)[1]
    assert what in err
    assert err.count("error[") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "what"),
    [
        (["m.onnx", "--batch", "0"], 2, "--batch takes"),
        (["m.onnx", "--vs", "torch"], 2, "needs the net"),
        (["m.onnx", "--rounds", "0"], 2, "--rounds"),
        (["m.onnx", "--threads", "0"], 2, "--threads"),
        (["m.onnx", "--input", "4x8x8"], 1, "wrong-shape"),
        (["m.onnx", "--input", "q=4"], 1, "unknown-input"),
        (["no.onnx"], 1, "file-not-found"),
        (["m.onnx", "--weights", "w.safetensors"], 2, "its weights"),
    ],
)
def test_wrong_calls(
    bench_folder: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    what: str,
) -> None:
    assert what in run_command(capsys, *BENCH, *arguments, code=code)[1]


def test_each_batch_is_compiled_for_itself(
    bench_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a graph of fixed sizes, whatever was compiled before."""
    import torch

    made: list[Any] = []
    monkeypatch.setattr(torch, "compile", recording(made))
    monkeypatch.setattr(torch.compiler, "reset", lambda: made.append("reset"))
    assert (
        run(
            [
                "bench",
                "tiny.net",
                "--rounds",
                "3",
                "--batch",
                "1,2,3",
                "--input",
                "3x8x8",
                "--vs",
                "torch-compile",
            ]
        )
        == 0
    )
    assert made == ["reset", {"dynamic": False}] * 3


# ---- sessions


def pretend(monkeypatch: pytest.MonkeyPatch, placed: list[Placed]) -> None:
    """A GPU that takes what `placed` says, while the CPU does the work."""
    monkeypatch.setattr(session, "obstacle", lambda device: None)
    monkeypatch.setattr(
        providers, "options_of", lambda model, device, settings: ["CPUExecutionProvider"]
    )
    monkeypatch.setattr(Session, "placement", lambda self: placed)
    monkeypatch.setattr(Session, "memory", "cpu")


def test_nodes_on_the_cpu_are_an_error(
    bench_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are named, unless they are allowed; `auto` takes them and `bench` counts them."""
    pretend(
        monkeypatch,
        [
            Placed("c", "Conv", "CUDAExecutionProvider"),
            Placed("s", "Shape", "CPUExecutionProvider"),
        ],
    )
    out, err = run_command(
        capsys, *BENCH, "m.onnx", "--batch", "1", "--input", "3x8x8", "--device", "cuda", code=1
    )
    assert not out
    assert "1 of 2 nodes of m.onnx would run on the CPU: `s` (Shape)" in err
    monkeypatch.setattr("netdsl.commands.bench.peak", lambda *_: measure.Peak(1e9, 1e9))
    out, _ = run_command(
        capsys,
        *BENCH,
        "m.onnx",
        "--batch",
        "1",
        "--input",
        "3x8x8",
        "--device",
        "cuda",
        "--allow-cpu-nodes",
    )
    assert "CUDAExecutionProvider: 1 node (Conv 1)" in out
    assert "CPUExecutionProvider: 1 node (Shape 1)" in out
    printed = run_command(
        capsys, *BENCH, "m.onnx", "--batch", "1", "--input", "3x8x8", "--device", "auto"
    )[1]
    assert (
        "device: cuda (there is a GPU, but 1 of 2 nodes run on the CPU, the first is `s` (Shape))"
        in printed
    )


@pytest.mark.parametrize(("device", "wanted"), [("cuda", True), ("auto", True), ("cpu", False)])
def test_cuda_graphs_are_used(
    bench_folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    device: str,
    wanted: bool,
) -> None:
    """On a GPU; why a model has none is said once."""
    pretend(monkeypatch, [Placed("c", "Conv", "CUDAExecutionProvider")])
    arguments = ("m.onnx", "--batch", "1,2", "--input", "3x8x8", "--device", device)
    made = json.loads(run_command(capsys, *BENCH, *arguments, "--json")[0])
    assert made["cuda_graphs"] == wanted

    def refuse(self: BoundSession) -> None:
        if self._options.get_run_config_entry("gpu_graph_id") != "-1":
            raise RuntimeError("not while capturing")
        plain(self)

    plain = BoundSession.run
    monkeypatch.setattr(BoundSession, "run", refuse)
    assert (
        run_command(capsys, *BENCH, *arguments)[1].count(
            "without a CUDA graph: not while capturing"
        )
        == wanted
    )


def test_a_gpu_that_takes_nothing_is_an_error(
    bench_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, [Placed("c", "Conv", "CPUExecutionProvider")])
    with pytest.raises(NetdslError, match="no-cuda"):
        open_session(bench_folder / "m.onnx", "cuda", settings=Settings(allow_cpu_nodes=True))


def test_tensorrt_is_never_replaced_in_silence(
    bench_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if gpu.obstacle("tensorrt") is None:
        pytest.skip("there is TensorRT")
    assert "no-cuda" in run_command(capsys, *BENCH, "m.onnx", "--device", "tensorrt", code=1)[1]


def test_open_sizes_are_such_that_the_net_is_valid(
    bench_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A net that is valid for multiples of 3 is measured at the next one after the usual size; one
    that the usual size suits, at that.
    """
    Path("three.net").write_text(
        "net Three {\n input x: 1xHxH\n down: conv(2, 3, stride = 3)\n deconv(1, 3, stride = 3)\n"
        " add(@x)\n}\n"
    )
    assert (
        "onnxruntime"
        in run_command(capsys, *BENCH, "three.net", "--batch", "1", "--rounds", "3")[0]
    )
    assert usual_setting(netdsl.load("three.net").graph) == {"H": 225}
    assert usual_setting(netdsl.loads("net A {\n input x: 3xHxW\n conv(1, 3)\n}").graph) == {
        "H": 224,
        "W": 224,
    }
    assert usual_setting(
        netdsl.loads("net A {\n input x: 1xHxH\n conv(1, 3)\n input y: 1x9x9\n add(@y)\n}").graph
    ) == {"H": 11}
