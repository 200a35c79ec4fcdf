"""Weights on their way into a model: what cannot be held in its numbers, what a checkpoint may hold, what stays in its file."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from safetensors.numpy import save_file

from netdsl.cli import run

if TYPE_CHECKING:
    from pathlib import Path

NET = "net Tiny {\n input x: 4\n a: dense(3)\n output b: dense(2)\n}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.net").write_text(NET)
    return tmp_path


def state(**other: np.ndarray) -> dict[str, np.ndarray]:
    shapes = {"a.weight": (3, 4), "a.bias": (3,), "b.weight": (2, 3), "b.bias": (2,)}
    return {n: other.get(n.replace(".", "_"), np.ones(s, np.float32)) for n, s in shapes.items()}


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> tuple[str, str]:
    with warnings.catch_warnings(action="error"):
        assert run(["export", "tiny.net", "-o", "m.onnx", *arguments]) == code
    captured = capsys.readouterr()
    return captured.out, captured.err


# ---- numbers of 16 bits


@pytest.mark.parametrize("external", [False, True])
def test_a_number_too_large_for_half_precision_is_named(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, external: bool) -> None:
    """With its tensor and its largest number, wherever that stands; and nothing is left of the file."""
    if external:
        monkeypatch.setattr("netdsl.backends.onnx_file.LIMIT", 10)
    monkeypatch.setattr("netdsl.backends.weights.CHUNK", 2)
    save_file(state(b_weight=np.array([[1, 7e4, 3], [4, -2e5, 6]], np.float32)), "w.safetensors")
    err = said(capsys, "--weights", "w.safetensors", "--fp16", code=1)[1]
    assert "error[weights-overflow]: `b.weight` has numbers up to 200000, float16 ends at 65504" in err
    assert "--bf16" in err
    assert sorted(p.name for p in folder.iterdir()) == ["tiny.net", "w.safetensors"]
    said(capsys, "--weights", "w.safetensors", "--bf16")
    save_file(state(b_weight=np.full((2, 3), 3.4e38, np.float32)), "w.safetensors")
    assert "`b.weight` has numbers up to 3.4e+38, bfloat16 ends at" in said(capsys, "--weights", "w.safetensors", "--bf16", code=1)[1]


def test_the_largest_numbers_that_half_precision_holds(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What rounds to the largest number stays; infinities that the weights have already are theirs."""
    save_file(state(a_bias=np.array([65519, -65504, np.inf], np.float32)), "w.safetensors")
    said(capsys, "--weights", "w.safetensors", "--fp16")
    bias = next(t for t in onnx.load("m.onnx").graph.initializer if t.name == "a.bias")
    assert onnx.numpy_helper.to_array(bias).tolist() == [65504, -65504, np.inf]
