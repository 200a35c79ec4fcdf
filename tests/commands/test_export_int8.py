"""`netdsl export --int8`: the model, what is recorded about it, and the commands that take it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from netdsl.cli import run
from netdsl.runtime.int8 import decibels, wilson
from netdsl.runtime.measure import Peak
from tests.support.commands import run_command

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT = """net Small {
    input image: 1x28x28
    conv(8, 3, stride = 2, bias = false) -> bn -> relu
    residual { conv(8, 3, pad = 1, bias = false) -> bn -> relu }
    flatten
    output logits: dense(10)
}

train Small {
    data   = fashion_mnist_sample
    epochs = 3
}
"""
DATA = "fashion_mnist_sample"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a trained net."""
    folder = tmp_path_factory.mktemp("int8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("small.net").write_text(TEXT)
        assert run(["train", "small.net", "--out", "run", "-q"]) == 0
        yield folder


@pytest.fixture
def here(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same folder, which is the current folder."""
    monkeypatch.chdir(trained)
    return trained


EXPORT = ["export", "small.net", "--weights", "run", "--int8", "--calibrate", DATA]


def weights_of(path: Path) -> list[np.ndarray]:
    """The int8 tensors of a model."""
    arrays = [numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer]
    return [array for array in arrays if array.dtype == np.int8 and array.ndim > 1]


def test_model(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The model has no batch norm, a scale for each channel, and quantised additions.

    What is printed is also in the metadata and the manifest, and all commands take the model.
    """
    out, _ = run_command(capsys, *EXPORT, "-o", "small8.onnx")
    model = onnx.load("small8.onnx")
    kinds = [node.op_type for node in model.graph.node]
    assert "BatchNormalization" not in kinds
    made = {node.output[0]: node for node in model.graph.node}
    (add,) = (node for node in model.graph.node if node.op_type == "Add")
    assert [made[name].op_type for name in add.input] == ["DequantizeLinear"] * 2
    tensors = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    scales = [tensors[made[node.input[1]].input[1]] for node in convolutions]
    assert [scale.shape for scale in scales] == [(8,), (8,)]
    (text,) = (p.value for p in model.metadata_props if p.key == "netdsl.int8")
    facts = json.loads(text)
    assert json.loads(Path("small8.onnx.manifest.json").read_text())["int8"] == facts
    assert (facts["test_images"], facts["calibration_images"]) == (2000, 512)
    assert facts["float32"]["accuracy"] > 0.7
    assert abs(facts["float32"]["accuracy"] - facts["int8"]["accuracy"]) < 0.02
    assert 0.95 < facts["agreement_at_least"] < facts["agreement"] <= 1
    assert 15 < facts["signal_to_noise_db"] < 60
    accuracy = f"{100 * facts['int8']['accuracy']:.2f} %"
    assert f"{accuracy} in int8" in out
    assert f"{100 * facts['agreement']:.2f} % of 2,000 test images" in out
    out, _ = run_command(capsys, "test", "small8.onnx", "--data", DATA, "--device", "cpu")
    assert out.endswith(f"small8 in onnxruntime: accuracy {accuracy}\n")
    words = ["test", "small8.onnx", "--data", DATA, "--device", "cpu", "--format", "json"]
    (found,) = json.loads(run_command(capsys, *words)[0])["nets"]
    assert found["metrics"] == facts["int8"]
    run_command(capsys, "verify", "small8.onnx")
    np.save("digits.npy", np.random.default_rng(0).random((3, 1, 28, 28), np.float32))
    run_command(capsys, "run", "small8.onnx", "digits.npy", "--device", "cpu")
    assert here.samefile(".")


def test_the_table_and_the_speed(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The layers of the model have the MACs of the net; `bench` counts them too."""
    run_command(capsys, *EXPORT, "-o", "table8.onnx")
    nets = []
    for name in ("small.net", "table8.onnx"):
        words = ["check", name, "--format", "json"]
        (net,) = json.loads(run_command(capsys, *words)[0])["nets"]
        nets.append(net)
    kinds = [layer["kind"] for layer in nets[1]["layers"]]
    assert {"QuantizeLinear", "DequantizeLinear", "conv", "dense", "add"} <= set(kinds)
    assert nets[0]["totals"]["macs"] == nets[1]["totals"]["macs"]
    # Measuring the peak of the machine takes seconds.
    monkeypatch.setattr("netdsl.commands.bench.peak", lambda *_: Peak(1e9, 1e9))
    words = ["bench", "table8.onnx", "--batch", "1", "--rounds", "1", "--format", "json"]
    (result,) = json.loads(run_command(capsys, *words, "--device", "cpu")[0])["results"]
    assert result["flops"] > 0
    assert here.samefile(".")


@pytest.mark.usefixtures("here")
def test_full_range(capsys: pytest.CaptureFixture[str]) -> None:
    """Weights have 7 bits, and 8 with --full-range."""
    run_command(capsys, *EXPORT, "-o", "seven.onnx")
    run_command(capsys, *EXPORT, "-o", "eight.onnx", "--full-range", "--calibration-images", "64")
    largest = [
        max(np.abs(w.astype(int)).max() for w in weights_of(Path(name)))
        for name in ("seven.onnx", "eight.onnx")
    ]
    assert largest[0] <= 64
    assert largest[1] >= 127


@pytest.mark.usefixtures("here")
def test_low_agreement(capsys: pytest.CaptureFixture[str]) -> None:
    """A model that agrees too little is an error with the figures, and nothing is written."""
    words = [*EXPORT, "-o", "low.onnx", "--min-agreement", "1"]
    _, err = run_command(capsys, *words, code=1)
    assert re.search(r"error\[low-agreement\]: .* at least 0\.9\d+ with 95 % confidence", err)
    assert list(Path().glob("low.onnx*")) == []
    run_command(capsys, *EXPORT, "-o", "high.onnx", "--min-agreement", "0.9")
    assert Path("high.onnx").exists()


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--int8"], "--int8 needs --weights W and --calibrate DATA, such as `--weights runs/NET"),
        (["--int8", "--calibrate", DATA], "--int8 needs --weights W, such as `--weights"),
        (["--int8", "--weights", "run"], "--int8 needs --calibrate DATA"),
        (["--calibrate", DATA], "--calibrate needs --int8"),
        (["--full-range"], "--full-range needs --int8"),
        (["--min-agreement", "0.9"], "--min-agreement needs --int8"),
        (["--min-agreement", "2"], "expected a number from 0 to 1, found 2"),
        (["--int8", "--weights", "run", "--calibrate", DATA, "--fp16"], "exclude each other"),
        (["--int8", "--weights", "run", "--calibrate", DATA, "--no-fold"], "remove --no-fold"),
        (
            ["--int8", "--weights", "run", "--calibrate", DATA, "--input", "1x28x28"],
            "--int8 and --input exclude each other",
        ),
    ],
)
def test_wrong_words(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Options that do not go together are a wrong command line."""
    _, err = run_command(capsys, "export", "small.net", "-o", "none.onnx", *words, code=2)
    assert message in err
    assert not Path("none.onnx").exists()


@pytest.mark.usefixtures("here")
def test_models_that_cannot_be_tested(capsys: pytest.CaptureFixture[str]) -> None:
    """A model needs data with its own classes; a net still needs weights."""
    run_command(capsys, "export", "small.net", "-o", "fresh.onnx", "--weights", "run")
    _, err = run_command(capsys, "test", "fresh.onnx", code=2)
    assert "a .onnx model needs --data" in err
    _, err = run_command(capsys, "test", "fresh.onnx", "--data", DATA, "--weights", "run", code=2)
    assert "a .onnx file contains its weights" in err
    _, err = run_command(capsys, "test", "small.net", code=2)
    assert "the following arguments are required: --weights" in err
    Path("names.txt").write_text("".join(f"class {n}\n" for n in range(10)))
    words = ["export", "small.net", "-o", "other.onnx", "--weights", "run", "--labels", "names.txt"]
    run_command(capsys, *words)
    _, err = run_command(capsys, "test", "other.onnx", "--data", DATA, "--device", "cpu", code=1)
    assert "error[data-mismatch]" in err
    np.savez("numbers.npz", x=np.zeros((8, 4), np.float32), y=np.zeros((8, 1), np.float32))
    words = ["test", "fresh.onnx", "--data", 'npz("numbers.npz")', "--device", "cpu"]
    _, err = run_command(capsys, *words, code=1)
    assert "error[data-mismatch]: " in err
    assert "has no classes" in err


def test_wilson() -> None:
    """The limits are those of Wilson's formula, worked by hand for 10 of 10 and 0 of 10."""
    assert wilson(10, 10) == pytest.approx(1 / (1 + 1.959964**2 / 10))
    assert wilson(0, 10) == pytest.approx(0, abs=1e-12)
    assert wilson(9902, 10000) == pytest.approx(0.9881, abs=5e-5)


def test_decibels() -> None:
    """A hundredth of the power is 20 dB."""
    assert decibels(100.0, 1.0) == pytest.approx(20)
    assert decibels(1.0, 0.0) == float("inf")
