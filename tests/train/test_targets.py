"""Nets with several outputs, one score for two classes, and the lines of a run with validation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from netdsl.cli import run

COUNT = 400
X = np.random.default_rng(0).normal(size=(COUNT, 8)).astype(np.float32)
KIND = (X[:, 0] > 0).astype(np.int64) + (X[:, 1] > 1)
SIZE = X[:, 2:3] * 2 + 1
NET = """net Two {
    input x: 8
    dense(32)
    shared: relu
    output kind: dense(3)
    output size: @shared -> dense(1)
}
"""
SECTION = """train Two {{
    data = npz("two.npz", targets = ["kind", "size"])
    loss = [{loss}]
    optimizer = adam(lr = 0.02)
    epochs = 12
    batch = 32
    {more}
}}
"""


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two targets in the order of their names, and a net with two outputs."""
    np.savez(tmp_path / "two.npz", x=X, kind=KIND, size=SIZE)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "two.net"


def records(folder: str = "runs/Two") -> list[dict[str, float]]:
    return [json.loads(line) for line in Path(folder, "log.jsonl").read_text().splitlines()]


def trained(two: Path, loss: str, more: str = "") -> list[dict[str, float]]:
    two.write_text(NET + SECTION.format(loss=loss, more=more))
    assert run(["check", "two.net"]) == 0
    assert run(["train", "two.net", "--overwrite"]) == 0
    return records()


def test_two_outputs_have_their_own_targets(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both losses fall, and `test` gives the metrics of the first, in PyTorch and onnxruntime."""
    history = trained(two, "(kind, cross_entropy), (size, mse, 0.5)")
    assert history[-1]["train_loss"] < 0.3 * history[0]["train_loss"]
    assert history[-1]["test_loss"] < 0.5 * history[0]["test_loss"]
    accuracy = history[-1]["accuracy"]
    assert accuracy > 0.8
    capsys.readouterr()
    for engine in ("torch", "onnxruntime"):
        assert run(["test", "two.net", "--weights", "runs/Two", "--engine", engine]) == 0
        assert f"accuracy {100 * accuracy:.2f} %" in capsys.readouterr().out


def test_weights_record_what_was_trained(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A test takes loss and metrics from the weights if the command gave them in training."""
    two.write_text(NET)
    data = 'npz("two.npz", targets = ["kind", "size"])'
    loss = "train.loss=[(size, mse), (kind, cross_entropy)]"
    words = ["--set", loss, "--set", "train.metrics=[mae]", "--set", "train.epochs=1"]
    assert run(["train", "two.net", "--data", data, *words]) == 0
    capsys.readouterr()
    assert run(["test", "two.net", "--weights", "runs/Two"]) == 0
    assert f"in torch: mae {records()[-1]['mae']:.4f}\n" in capsys.readouterr().out
    two.write_text(f"{NET}train Two {{\n    metrics = mse\n}}\n")
    assert run(["test", "two.net", "--weights", "runs/Two"]) == 0
    assert "in torch: mse " in capsys.readouterr().out


def test_the_first_pair_decides_what_the_metrics_are_about(
    two: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the numbers first there is no accuracy; the order of the data does not matter."""
    pairs = "(size, mse), (kind, cross_entropy, 0.1)"
    history = trained(two, pairs, "metrics = mae, mse")
    assert history[-1]["mae"] < 0.5 * history[0]["mae"]
    assert not {"accuracy", "train_accuracy"} & history[-1].keys()
    assert run(["train", "two.net", "--overwrite", "--set", "train.metrics=[f1]"]) == 1
    assert (
        "`f1` is about classes, but the targets of two.npz are numbers" in capsys.readouterr().err
    )


def test_outputs_and_targets_need_the_same_names(
    two: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message lists the outputs and the targets."""
    section = SECTION.format(loss="(kind, cross_entropy), (size, mse)", more="")
    two.write_text(NET.replace("size:", "length:") + section.replace("(size", "(length"))
    assert run(["train", "two.net"]) == 1
    message = "`loss` trains `kind`, `length`, but the targets of two.npz are `kind`, `size`"
    assert message in capsys.readouterr().err


def test_one_score_for_two_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`bce` takes a single score, whose sign is the class; `cross_entropy` needs two."""
    monkeypatch.chdir(tmp_path)
    np.savez("one.npz", x=X, y=(X[:, 3] > 0).astype(np.int64))
    Path("one.net").write_text(
        "net One {\n    input x: 8\n    output yes: dense(1)\n}\n"
        'train One {\n    data = npz("one.npz")\n    loss = bce\n    metrics = accuracy, auc, f1\n'
        "    optimizer = adam(lr = 0.05)\n    epochs = 15\n    batch = 32\n}\n"
    )
    assert run(["train", "one.net", "--quiet"]) == 0
    last = records("runs/One")[-1]
    assert min(last["accuracy"], last["train_accuracy"], last["auc"], last["f1"]) > 0.9
    capsys.readouterr()
    for engine in ("torch", "onnxruntime"):
        assert run(["test", "one.net", "--weights", "runs/One", "--engine", engine]) == 0
        assert f"accuracy {100 * last['accuracy']:.2f} %" in capsys.readouterr().out
    for loss in ("cross_entropy", "mse"):  # the sign of a score for `mse` is not its class
        assert run(["train", "one.net", "--overwrite", "--set", f"train.loss={loss}"]) == 1
        assert "gives 1 number per sample, but one.npz has 2 classes" in capsys.readouterr().err


def test_a_validation_set_is_shown_in_place_of_the_test(
    two: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line of an epoch has the validation's numbers; the log has those of the test too."""
    two.write_text(
        NET
        + SECTION.format(loss="(kind, cross_entropy), (size, mse)", more="").replace(
            '"size"])', '"size"], val = 0.25)'
        )
    )
    assert run(["train", "two.net", "--set", "train.epochs=1"]) == 0
    last = records()[-1]
    shown = f"validation loss {last['val_loss']:.4f}  accuracy {100 * last['val_accuracy']:.2f} %"
    assert shown in capsys.readouterr().out
    assert {"test_loss", "accuracy"} <= last.keys()
