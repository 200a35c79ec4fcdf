"""`netdsl export --train-step`: what it writes, and what it refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from safetensors.numpy import load_file

import netdsl
from tests.support.commands import run_command, shell

if TYPE_CHECKING:
    from pathlib import Path

NET = """net Small {
    input image: 3x8x8
    c: conv(4, 3) -> n: bn -> relu -> gap -> flatten
    output logits: dense(10)
}
"""
OPEN = NET.replace("3x8x8", "3xHxW")


@pytest.fixture
def small(folder: Path) -> Path:
    """A folder with a small net and one with open sizes, which is the current folder."""
    (folder / "small.net").write_text(NET)
    (folder / "open.net").write_text(OPEN)
    return folder


def export(
    capsys: pytest.CaptureFixture[str], *words: str, code: int = 0, file: str = "small.net"
) -> tuple[str, str]:
    """Export a step to `step.onnx`."""
    return run_command(capsys, "export", file, "--train-step", "-o", "step.onnx", *words, code=code)


def names_of(path: Path) -> dict[str, object]:
    """The names in the metadata of a step."""
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    names: dict[str, object] = json.loads(
        {e.key: e.value for e in model.metadata_props}["netdsl.step"]
    )
    return names


def test_files(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The model, the start, and a manifest with the sums of both, which `verify` checks."""
    out, _ = export(capsys, "--batch", "4", "--seed", "3")
    assert out.startswith("step.onnx: a training step of Small with fresh weights of seed 3, cross")
    assert {p.name for p in small.glob("step*")} == {
        "step.onnx",
        "step.safetensors",
        "step.onnx.manifest.json",
    }
    assert names_of(small / "step.onnx")["batch"] == 4
    start = load_file("step.safetensors")
    weights = netdsl.load("small.net").torch().state_dict()
    assert {name: array.shape for name, array in start.items()} == {
        name: tuple(tensor.shape) for name, tensor in weights.items()
    }
    assert run_command(capsys, "verify", "step.onnx")[0]
    (small / "step.safetensors").write_bytes(b"x" + (small / "step.safetensors").read_bytes())
    assert run_command(capsys, "verify", "step.onnx", code=1)[1]


def test_the_start_is_given(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The weights of `--weights` are those to begin with."""
    export(capsys)
    start = load_file("step.safetensors")
    changed = {name: array + 1 for name, array in start.items()}
    np.savez("given.npz", **changed)  # type: ignore[arg-type]
    export(capsys, "--weights", "given.npz")
    again = load_file("step.safetensors")
    for name, array in changed.items():
        np.testing.assert_array_equal(again[name], array)
    (small / "other.npz").write_bytes(b"")
    export(capsys, "--weights", "other.npz", code=1)


def test_the_start_of_shared_and_auxiliary_weights(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Heads have fresh weights, tied weights occur once, and constants do not occur."""
    (folder / "small.net").write_text(
        "net A {\n input x: 4\n a: dense(4)\n aux side { head: dense(3) }\n"
        " b: dense(4, weight = @a.weight)\n k: const([1, 2, 3, 4])\n mul(@b)\n"
        " output y: dense(3)\n}\n"
    )
    export(capsys)
    start = load_file("step.safetensors")
    assert {*start} == {
        *("a.weight", "a.bias", "side.head.weight", "side.head.bias"),
        *("b.bias", "y.weight", "y.bias"),
    }
    state = names_of(folder / "step.onnx")["state"]
    assert isinstance(state, dict)
    assert start.keys() <= state.keys()


REFUSED = {
    "--fp16": "--fp16 does not apply to --train-step: it computes in float32",
    "--bf16": "--bf16 does not apply to --train-step",
    "--keep-io": "--keep-io does not apply to --train-step",
    "--no-fold": "--no-fold does not apply to --train-step: it trains batch norms",
    "--fold": "--fold does not apply",
    "--functions": "--functions does not apply",
    "--verify": "--verify does not apply",
    "--with-preprocess": "--with-preprocess does not apply",
    "--batch 0": "--batch",
    "--opset 3": "opset 3 is not supported",
}


@pytest.mark.parametrize("option", REFUSED)
def test_options(option: str, small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Options of models for inference are wrong usage, and nothing is written."""
    _, error = export(capsys, *option.split(), code=2)
    assert REFUSED[option] in error
    assert not list(small.glob("step*"))


def test_standard_output_and_source(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two files cannot go to standard output, and PyTorch source has no step."""
    words = ["export", "small.net", "--train-step", "-o"]
    _, error = run_command(capsys, *words, "-", "--to", "onnx", code=2)
    assert "--train-step writes two files" in error
    _, error = run_command(capsys, *words, "small.py", code=2)
    assert "--train-step applies only to .onnx" in error


WRONG = {
    "frozen": (
        "net A {\n input x: 4\n output y: dense(2) -> frozen\n}\n",
        ("nothing-to-train", 1, "all weights of the net are frozen"),
    ),
    "no weights": (
        "net A {\n input x: 4\n output y: relu\n}\n",
        ("nothing-to-train", 1, "no weights"),
    ),
    "no gradient": (
        (
            "net A {\n input x: 3x9x9\n input b: 2x4\n @x -> conv(2, 3)\n roi_pool(2, 1, @b)\n"
            " gap -> flatten\n output y: dense(2)\n}\n"
        ),
        ("no-gradient", 5, "`roi_pool` has no gradient yet"),
    ),
    "muon": (
        "net A {\n input x: 4\n output y: dense(2)\n}\ntrain A {\n optimizer = muon\n}\n",
        ("bad-argument", 6, "`muon` cannot be exported as a training step yet"),
    ),
    "balanced": (
        (
            "net A {\n input x: 4\n output y: dense(2)\n}\n"
            "train A {\n loss = cross_entropy(weights = balanced)\n}\n"
        ),
        ("bad-argument", 6, "a training step reads no data"),
    ),
    "weights": (
        (
            "net A {\n input x: 4\n output y: dense(2)\n}\n"
            "train A {\n loss = cross_entropy(weights = [1, 2, 3])\n}\n"
        ),
        ("bad-argument", 6, "has 3 numbers, but `y` has 2 classes"),
    ),
    "two outputs": (
        "net A {\n input x: 4\n output y: dense(2)\n output z: dense(2)\n}\n",
        ("cannot-train", 4, "has 2 outputs, but `loss` names none of them"),
    ),
    "integers": (
        "net A {\n input x: 4\n dense(2)\n output y: const([1, 2], dtype = int64)\n}\n",
        ("cannot-train", 4, "`y` has elements of int64, but `cross_entropy` takes scores"),
    ),
    "batch of one": (
        "net A {\n input x: 4\n dense(2) -> bn\n output y: dense(2)\n}\ntrain A {\n batch = 1\n}\n",
        ("cannot-train", 3, "`bn` has one value of each channel"),
    ),
    "freeze": (
        "net A {\n input x: 4\n a: dense(2)\n output y: dense(2)\n}\ntrain A {\n freeze = [b]\n}\n",
        ("unknown-layer", 7, "`b`"),
    ),
}


@pytest.mark.parametrize("title", WRONG)
def test_wrong_nets(title: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A net or a recipe that a step cannot have is one diagnostic at its line."""
    text, (code, line, message) = WRONG[title]
    (folder / "wrong.net").write_text(text)
    _, error = export(capsys, file="wrong.net", code=1)
    assert error.count("error[") == 1
    assert f"error[{code}]" in error
    assert message in error
    assert f"wrong.net:{line}:" in error
    assert not list(folder.glob("step*"))


def test_open_sizes(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Open sizes are given by `--input`, or are those of the data that the section names."""
    _, error = export(capsys, file="open.net", code=1)
    assert "error[open-size]: a training step has fixed sizes, but `H` and `W` of `image`" in error
    assert "--input 3x64x64" in error
    export(capsys, "--input", "3x12x10", file="open.net")
    (small / "open.net").write_text(OPEN + "train Small {\n data = cifar10\n}\n")
    export(capsys, file="open.net")
    image = onnx.load(small / "step.onnx").graph.input[0]
    assert [d.dim_value for d in image.type.tensor_type.shape.dim] == [128, 3, 32, 32]


def test_what_stays_outside(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Settings that the step does not have are named."""
    (small / "small.net").write_text(NET + "train Small {\n accumulate = 4\n ema = 0.9\n}\n")
    _, error = export(capsys)
    assert "a step does not have `accumulate` and `ema` of the train section" in error


def test_no_heavy_imports(small: Path) -> None:
    """Neither PyTorch, onnxruntime nor onnx is imported."""
    done = shell("export small.net --train-step -o step.onnx", small, PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "numpy" in loaded
    assert loaded.isdisjoint({"torch", "onnx", "onnxruntime"})
