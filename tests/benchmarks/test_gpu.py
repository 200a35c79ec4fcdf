"""The table of engines that `benchmarks/gpu.py` prints."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from netdsl.runtime import measure
from tests.support.gpu import GPU, recording
from tests.support.paths import ROOT


def benchmark(*arguments: str, device: str) -> subprocess.CompletedProcess[str]:
    script = ROOT / "benchmarks" / "gpu.py"
    return subprocess.run(
        [sys.executable, str(script), "--device", device, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_table_of_engines(tmp_path: Path) -> None:
    """The benchmark also runs on the CPU, and compares the outputs with float64."""
    done = benchmark(
        "--nets",
        "LeNet-5",
        "--batches",
        "1,3",
        "--engines",
        "ours,eager",
        "--rounds",
        "3",
        "--json",
        str(tmp_path / "t.json"),
        device="cpu",
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "t.json").read_text())["rows"]
    assert [(r["net"], r["precision"], r["batch"], r["wrong"]) for r in rows] == [
        ("LeNet-5", "fp32", 1, []),
        ("LeNet-5", "fp32", 3, []),
    ]
    for row in rows:
        assert set(row["seconds"]) == {"ours", "eager"}
        assert row["ratios"]["eager"] > 0
        assert row["share_of_peak"] > 0


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The benchmark as a module, without the measurement of the machine's peak."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    module = importlib.import_module("gpu")
    monkeypatch.setattr(module, "peak", lambda *_: measure.Peak(1e9, 1e9))
    return module


def test_an_engine_that_fails_is_a_cell(
    tmp_path: Path, script: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If an engine fails in the comparison or at one batch size, the other engines are still timed.

    The table shows the failure in the cell of the engine.
    """
    plain = script.Case.engine

    def engine(self: Any, kind: str, x: Any, precision: str) -> Any:
        if kind == "eager":
            raise TypeError("no such kernel")
        if kind == "torch.onnx" and len(x) == 3:
            raise RuntimeError("CUDA failure 2: out of memory")
        # `torch.onnx.export` needs a package that the tests do not require.
        return plain(self, "ours", x, precision)

    monkeypatch.setattr(script.Case, "engine", engine)
    path = tmp_path / "t.json"
    assert (
        script.main(
            [
                "--device",
                "cpu",
                "--nets",
                "LeNet-5",
                "--batches",
                "1,3",
                "--engines",
                "ours,torch.onnx,eager",
                "--rounds",
                "3",
                "--json",
                str(path),
            ]
        )
        == 1
    )
    first, second = json.loads(path.read_text())["rows"]
    assert set(first["seconds"]) == {"ours", "torch.onnx"}
    assert set(second["seconds"]) == {"ours"}
    assert (first["failed"], second["failed"], second["notes"]["torch.onnx"]) == (
        ["eager"],
        ["eager"],
        "no memory",
    )
    out = capsys.readouterr().out
    assert "eager failed: TypeError: no such kernel" in out
    assert "failed or wrong: eager of LeNet-5 in fp32\n" in out


def test_the_engines_leave_the_weights_alone(
    tmp_path: Path, script: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rounding the weights to 16 bits for one engine does not change them for the next.

    `torch.compile` is called with fixed sizes.
    """
    import torch

    options: list[Any] = []
    monkeypatch.setattr(torch, "compile", recording(options))
    monkeypatch.setattr(torch.onnx, "export", lambda *_, **__: None)
    case = script.Case("LeNet-5", tmp_path, "cpu")
    before = {n: t.clone() for n, t in case.module.state_dict().items()}
    case._theirs(case.inputs(1), "float16")
    case.engine("compiled", case.inputs(1), "fp32")
    assert all(torch.equal(t, before[n]) for n, t in case.module.state_dict().items())
    assert [o["dynamic"] for o in options] == [False]


def test_tensorrt_has_no_rows_without_tf32(tmp_path: Path, script: Any) -> None:
    """TensorRT has no fp32 times, because onnxruntime has no option that turns off TF32 in it."""
    case = script.Case("LeNet-5", tmp_path, "cpu")
    assert script._checked(case, ["tensorrt"], "fp32", case.exact(case.inputs(2))) == (
        {"tensorrt": "tf32 only"},
        [],
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["--batches", "x"],
        ["--batches", "1,0"],
        ["--rounds", "0"],
        ["--nets", "Q"],
        ["--engines", "ours,"],
        ["--json", "."],
    ],
)
def test_wrong_calls_of_the_table(
    script: Any, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Wrong arguments are errors before anything runs."""
    with pytest.raises(SystemExit) as caught:
        script.main(["--device", "cpu", *arguments])
    assert caught.value.code == 2
    assert "error" in capsys.readouterr().err


def test_without_a_gpu_the_benchmark_prints_the_reason() -> None:
    if GPU is None:
        pytest.skip("there is a GPU")
    done = benchmark(device="cuda")
    assert done.returncode == 1
    assert done.stderr.startswith(GPU.fact)


@pytest.mark.gpu
@pytest.mark.skipif(GPU is not None, reason=f"no GPU: {GPU.fact if GPU else ''}")
def test_the_table_of_engines_on_the_gpu(tmp_path: Path) -> None:
    done = benchmark(
        "--nets",
        "LeNet-5",
        "--batches",
        "1",
        "--engines",
        "ours,torch.onnx,eager",
        "--rounds",
        "3",
        "--json",
        str(tmp_path / "t.json"),
        device="cuda",
    )
    rows = json.loads((tmp_path / "t.json").read_text())["rows"]
    assert [r["wrong"] for r in rows] == [[]] * 3, done.stdout
