"""`netdsl run --device`: where a model runs is what was asked for, or an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import pytest
from test_run import said

from netdsl.diagnostics import CompileError
from netdsl.runtime.session import open_session

if TYPE_CHECKING:
    from pathlib import Path


def has_cuda(path: Path) -> bool:
    try:
        return open_session(path, "cuda").device == "cuda"
    except CompileError:
        return False


def test_cuda_is_never_replaced_in_silence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if has_cuda(folder / "m.onnx"):
        pytest.skip("there is a GPU")
    out, err = said(capsys, "m.onnx", "one.npy", "--device", "cuda", code=1)
    assert not out
    assert "error[no-cuda]" in err
    assert "--device cpu" in err


def test_a_build_without_cuda_says_so(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert "has no CUDA provider" in said(capsys, "m.onnx", "one.npy", "--device", "cuda", code=1)[1]
    assert said(capsys, "m.onnx", "one.npy", "--device", "auto")[1] == "device: cpu (the installed onnxruntime has no CUDA provider)\n"


def test_auto_says_what_it_chose(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = "cuda" if has_cuda(folder / "m.onnx") else "cpu"
    assert said(capsys, "m.onnx", "one.npy", "--device", "auto")[1].startswith(f"device: {expected} (")


@pytest.mark.gpu
def test_the_gpu_gives_what_the_cpu_gives(folder: Path) -> None:
    if not has_cuda(folder / "m.onnx"):
        pytest.skip("there is no GPU")
    ones = {"image": np.ones((1, 1, 4, 4), np.float32)}
    expected = open_session(folder / "m.onnx").run(ones)[0]
    np.testing.assert_allclose(open_session(folder / "m.onnx", "cuda").run(ones)[0], expected, rtol=1e-2, atol=1e-3)
