"""The table of engines on a GPU, from a checkout: `benchmarks/gpu.py`."""

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
    """On the CPU the same table comes out, its outputs held against float64."""
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
    made = json.loads((tmp_path / "t.json").read_text())
    assert [(r["net"], r["precision"], r["batch"], r["wrong"]) for r in made["rows"]] == [
        ("LeNet-5", "fp32", 1, []),
        ("LeNet-5", "fp32", 3, []),
    ]
    for row in made["rows"]:
        assert set(row["seconds"]) == {"ours", "eager"}
        assert row["ratios"]["eager"] > 0
        assert row["share_of_peak"] > 0


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module of the table, with small peaks."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    made = importlib.import_module("gpu")
    monkeypatch.setattr(made, "peak", lambda *_: measure.Peak(1e9, 1e9))
    return made


def test_an_engine_that_fails_is_a_cell(
    tmp_path: Path, script: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the comparison, or at one batch: the others are timed, and each row is written as soon as
    it stands.
    """
    plain = script.Case.engine

    def engine(self: Any, kind: str, x: Any, precision: str) -> Any:
        if kind == "eager":
            raise TypeError("no such kernel")
        if kind == "torch.onnx" and len(x) == 3:
            raise RuntimeError("CUDA failure 2: out of memory")
        return plain(self, "ours", x, precision)  # the peer's packages are not those of the tests

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
    """What is rounded to 16 bits for one engine is not for the next; what is compiled has fixed
    sizes.
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
    """onnxruntime has no option that keeps it from TF32."""
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
    """Are told before anything runs."""
    with pytest.raises(SystemExit) as caught:
        script.main(["--device", "cpu", *arguments])
    assert caught.value.code == 2
    assert "error" in capsys.readouterr().err


def test_without_a_gpu_the_benchmark_says_why() -> None:
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
