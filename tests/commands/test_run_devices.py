"""`netdsl run --device`: a model runs on the device that the user chose, or there is an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import pytest

import netdsl
from netdsl.commands.test import _onnxruntime
from netdsl.runtime.gpu import obstacle
from netdsl.runtime.session import open_session
from tests.support.commands import run_command

if TYPE_CHECKING:
    from pathlib import Path

GPU = obstacle("cuda")


@pytest.mark.skipif(GPU is None, reason="there is a GPU")
def test_cuda_is_never_replaced_in_silence(
    model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, err = run_command(capsys, "run", "m.onnx", "one.npy", "--device", "cuda", code=1)
    assert not out
    assert "error[no-cuda]" in err
    assert "--device cpu" in err


def test_a_build_without_cuda_is_reported(
    model_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert (
        "has no CUDA provider"
        in run_command(capsys, "run", "m.onnx", "one.npy", "--device", "cuda", code=1)[1]
    )
    assert (
        run_command(capsys, "run", "m.onnx", "one.npy", "--device", "auto")[1]
        == "device: cpu (the installed onnxruntime has no CUDA provider)\n"
    )


def test_auto_prints_its_choice(model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = "cpu" if GPU else "cuda"
    assert run_command(capsys, "run", "m.onnx", "one.npy", "--device", "auto")[1].startswith(
        f"device: {expected} ("
    )


def test_test_prints_the_choice_of_auto(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`netdsl test --engine onnxruntime` prints the device that `auto` chose, as `run` does.

    If the user names the device, it prints nothing.
    """
    graph = netdsl.loads("net N {\n input x: 4\n output y: dense(2)\n}").graph
    weights = {"y.weight": np.ones((2, 4), np.float32), "y.bias": np.zeros(2, np.float32)}
    for device in ("auto", "cpu"):
        np.testing.assert_allclose(
            _onnxruntime(graph, weights, device)(np.ones((3, 4), np.float32))[0],
            np.full((3, 2), 4.0),
            rtol=1e-2,
        )
        assert capsys.readouterr().err.startswith(f"device: {'cpu' if GPU else 'cuda'} (") == (
            device == "auto"
        )


@pytest.mark.gpu
@pytest.mark.skipif(GPU is not None, reason=f"no GPU: {GPU.fact if GPU else ''}")
def test_the_gpu_gives_what_the_cpu_gives(model_folder: Path) -> None:
    """A model has the same outputs on the GPU and on the CPU.

    If there is a GPU but the session cannot use it, this test fails.
    """
    ones = {"image": np.ones((1, 1, 4, 4), np.float32)}
    expected = open_session(model_folder / "m.onnx").run(ones)[0]
    np.testing.assert_allclose(
        open_session(model_folder / "m.onnx", "cuda").run(ones)[0], expected, rtol=1e-2, atol=1e-3
    )
