"""`netdsl bench`: what it measures, on which device nodes run, and what it prints."""

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
    """Throughput, FLOP/s and the share of the peak follow from the median and the net's MACs.

    Each node is counted under the provider that runs it.
    """
    report = json.loads(
        run_command(capsys, *BENCH, "m.onnx", "--batch", "1,3", "--input", "3x10x12", "--json")[0]
    )
    macs = 4 * 27 * 10 * 12 + 4 * 3
    assert [r["batch"] for r in report["results"]] == [1, 3]
    for row in report["results"]:
        assert row["samples_per_s"] == pytest.approx(row["batch"] / row["median_s"])
        assert row["flops"] == pytest.approx(2 * macs * row["batch"] / row["median_s"])
        assert row["share_of_peak"] == pytest.approx(row["flops"] / report["peak"]["flops"])
        assert row["median_s"] <= row["p95_s"]
    assert report["providers"] == {"CPUExecutionProvider": len(report["nodes"])}
    assert {n["operator"] for n in report["nodes"]} >= {"Conv", "Gemm"}
    assert report["peak"]["bytes_per_s"] > 0


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
    """Both engines are timed for the same number of rounds, and their ratio is reported."""
    report = json.loads(
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
    ours, theirs = report["results"]
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

    timings = in_turns({"a": lambda: calls.append("a"), "b": slow}, 4)
    assert calls == list("baabbaabbaab")
    assert {len(t.seconds) for t in timings.values()} == {4}
    assert ratio(timings["b"], timings["a"]) > 1


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


def test_macs_and_precision_of_exported_models(bench_folder: Path) -> None:
    """A half-precision model may have float32 inputs, and a graph may prepare pictures."""
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
    dtypes = []

    def peak(folder: Path, device: str, settings: Settings, dtype: str) -> measure.Peak:
        dtypes.append(dtype)
        return measure.Peak(1e9, 1e9)

    monkeypatch.setattr(bench, "peak", peak)
    assert run(["export", "tiny.net", "-o", "kept.onnx", "--fp16", "--keep-io"]) == 0
    for name in ("kept.onnx", "m.onnx"):
        run_command(capsys, *BENCH, name, "--batch", "1", "--input", "3x8x8")
    assert dtypes == ["float16", "float32"]


@pytest.mark.parametrize(
    ("element", "shape", "expected"),
    [
        (TensorProto.INT8, ["N", 4], "wrong-dtype"),
        (TensorProto.STRING, ["N", 4], "wrong-dtype"),
        (TensorProto.BFLOAT16, ["N", 4], "wrong-dtype"),
        (TensorProto.FLOAT, [], "has no axes"),
        (TensorProto.FLOAT, None, "has no axes"),
        (0, None, "wrong-dtype"),
    ],
)
def test_inputs_without_random_numbers_are_errors(
    bench_folder: Path,
    capsys: pytest.CaptureFixture[str],
    element: int,
    shape: list[int | str] | None,
    expected: str,
) -> None:
    """Inputs for which `bench` cannot make random numbers each give one error.

    Examples are an unsupported element type, no axes, an unknown rank, and a sequence.
    """
    value = (
        helper.make_tensor_value_info("x", element, shape)
        if element
        else helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, None)
    )
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "g",
        [value],
        [onnx.ValueInfoProto(name="y", type=value.type)],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10),
        "odd.onnx",
    )
    err = run_command(capsys, *BENCH, "odd.onnx", "--batch", "1", code=1)[1]
    assert expected in err
    assert err.count("error[") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
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
    expected: str,
) -> None:
    assert expected in run_command(capsys, *BENCH, *arguments, code=code)[1]


def test_each_batch_size_is_compiled_separately(
    bench_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each batch size is compiled with fixed sizes, after the earlier compilations are reset."""
    import torch

    calls: list[Any] = []
    monkeypatch.setattr(torch, "compile", recording(calls))
    monkeypatch.setattr(torch.compiler, "reset", lambda: calls.append("reset"))
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
    assert calls == ["reset", {"dynamic": False}] * 3


# ---- sessions


def pretend(monkeypatch: pytest.MonkeyPatch, placed: list[Placed]) -> None:
    """Pretend that there is a GPU and that nodes run as in `placed`; the CPU does the work."""
    monkeypatch.setattr(session, "obstacle", lambda device: None)
    monkeypatch.setattr(
        providers, "options_of", lambda model, device, settings: ["CPUExecutionProvider"]
    )
    monkeypatch.setattr(Session, "placement", lambda self: placed)
    monkeypatch.setattr(Session, "memory", "cpu")


def test_nodes_on_the_cpu_are_an_error(
    bench_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `--device cuda`, a node on the CPU is an error unless `--allow-cpu-nodes` is given.

    `--device auto` accepts such nodes and prints a note. The table counts the nodes by provider.
    """
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


@pytest.mark.parametrize(("device", "expected"), [("cuda", True), ("auto", True), ("cpu", False)])
def test_cuda_graphs_are_used(
    bench_folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    device: str,
    expected: bool,
) -> None:
    """CUDA graphs are used on a GPU only; a failure to capture one is reported once."""
    pretend(monkeypatch, [Placed("c", "Conv", "CUDAExecutionProvider")])
    arguments = ("m.onnx", "--batch", "1,2", "--input", "3x8x8", "--device", device)
    report = json.loads(run_command(capsys, *BENCH, *arguments, "--json")[0])
    assert report["cuda_graphs"] == expected

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
        == expected
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


def foreign(name: str, *axes: object, dtype: int = TensorProto.FLOAT, node: str = "Abs") -> None:
    """Write a model of another tool with an input of these sizes."""
    x = helper.make_tensor_value_info("x", dtype, axes)
    y = helper.make_tensor_value_info("y", dtype, None)
    w = helper.make_tensor("w", TensorProto.FLOAT, [7, 2], [0.0] * 14)
    inputs = ["x", "w"][: 1 + (node == "MatMul")]
    graph = helper.make_graph([helper.make_node(node, inputs, ["y"])], "g", [x], [y], [w])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, name)


@pytest.mark.parametrize(
    ("axes", "chosen"),
    [
        (("N", 3, "H", "W"), [3, 224, 224]),
        (("N", "T"), [128]),
        (("N", "T", 5), [128, 5]),
        (("N", 1, "D", "H", "W"), [1, 64, 64, 64]),
    ],
)
def test_open_sizes_of_models(
    axes: tuple[object, ...],
    chosen: list[int],
    bench_folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Only pictures are 224 wide; the sizes that were chosen are printed."""
    foreign("f.onnx", *axes, dtype=TensorProto.INT64)
    report = json.loads(run_command(capsys, *BENCH, "f.onnx", "--batch", "1", "--json")[0])
    assert (None, {"x": chosen}) == (report["only_batch"], report["chosen_sizes"])
    sizes = "x".join(map(str, chosen))
    line = f"`x` has open sizes, measured at {sizes}: --input gives others"
    assert line in run_command(capsys, *BENCH, "f.onnx", "--batch", "1")[0]
    given = json.loads(
        run_command(capsys, *BENCH, "f.onnx", "--batch", "1", "--input", sizes, "--json")[0]
    )
    assert {} == given["chosen_sizes"]


def test_a_model_with_a_fixed_batch(bench_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without `--batch`, only its own batch is measured, and the table says so."""
    foreign("f.onnx", 5, 3)
    report = json.loads(run_command(capsys, *BENCH, "f.onnx", "--json")[0])
    assert [5] == [row["batch"] for row in report["results"]]
    assert "the model takes only batches of 5" in run_command(capsys, *BENCH, "f.onnx")[0]
    error = run_command(capsys, *BENCH, "f.onnx", "--batch", "5,8", code=1)[1]
    assert "measure it with --batch 5" in error


def test_chosen_sizes_that_the_model_does_not_take(
    bench_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The advice names the sizes that were chosen."""
    foreign("f.onnx", "N", "T", node="MatMul")
    error = run_command(capsys, *BENCH, "f.onnx", code=1)[1]
    assert "these sizes were chosen: `x=128`; give those that the model takes" in error


def test_usual_sizes_of_sequences() -> None:
    """The size of a sequence is 128."""
    text = "net A {\n input x: Tx4\n dense(2)\n}"
    assert {"T": 128} == usual_setting(netdsl.loads(text).graph)


def test_open_sizes_are_valid_for_the_net(
    bench_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Open sizes get the usual value if the net is valid for it, otherwise the next valid one."""
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
