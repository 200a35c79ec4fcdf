"""The advice of errors in training works when it is followed."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import numpy as np

from netdsl.cli import run
from tests.support.photos import write_net, write_photos

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

AUTOENCODER = """net A {
    input image: 1x28x28
    flatten -> dense(16) -> relu
    output copy: dense(784)
}
"""


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The error and the advice of a command that fails."""
    capsys.readouterr()
    assert run([*arguments]) == 1
    return capsys.readouterr().err


def test_an_autoencoder_is_trained_on_pictures_as_targets(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Data with classes is refused; the arrays that the advice asks for are learned with `mse`."""
    (folder / "a.net").write_text(AUTOENCODER)
    error = refused(capsys, "train", "a.net", "--data", "fashion_mnist_sample(limit = 200)")
    assert "the net gives 784 numbers per image, but fashion_mnist_sample has 10" in error
    assert "the arrays `x` and `y`, the latter float32 of 784" in error
    data = re.search(r'`data = (npz\("FILE"\))`', error)
    assert data is not None and "`loss = mse`" in error
    rng = np.random.default_rng(0)
    x = rng.integers(0, 255, (4, 1, 28, 28), np.uint8)[np.arange(200) % 4]
    np.savez(folder / "pictures.npz", x=x, y=x.reshape(200, 784).astype(np.float32) / 255)
    given = data[1].replace("FILE", "pictures.npz")
    words = ["train", "a.net", "--data", given, "--set", "train.loss=mse"]
    assert run([*words, "--set", "train.optimizer=adam(lr = 0.01)"]) == 0
    log = (folder / "runs" / "A" / "log.jsonl").read_text().splitlines()
    first, *_, last = (json.loads(line)["test_loss"] for line in log)
    assert last < 0.8 * first


def test_a_validation_set_is_split_off_the_data_of_the_section(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The advice has all arguments of the data."""
    write_photos(folder / "photos")
    write_net(folder, 'folder("photos", size = 16)')
    words = ["train", "small.net", "--set", "train.early_stopping=3", "--set", "train.epochs=1"]
    error = refused(capsys, *words)
    data = re.search(r"split one off: `data = (.*)`", error)
    assert data is not None
    assert run([*words, "--data", data[1]]) == 0


def test_names_of_classes_are_given_beside_their_numbers(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Labels from 1 are explained as such; texts as labels are to be numbered."""
    (folder / "a.net").write_text("net A {\n input x: 2\n output y: dense(2)\n}\n")
    words = ["train", "a.net", "--data", 'npz("a.npz", classes = ["cat", "dog"])']
    x = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
    y = np.tile([1, 2], 20)
    np.savez(folder / "a.npz", x=x, y=y)
    error = refused(capsys, *words)
    assert "has the label 2 in sample 1, but the labels of 2 classes are 0 to 1" in error
    assert "labels begin at 0: subtract 1 from all of them" in error
    np.savez(folder / "a.npz", x=x, y=np.array(["cat", "dog"])[y - 1])
    assert "store the numbers of the classes, from 0, and name them" in refused(capsys, *words)
    np.savez(folder / "a.npz", x=x, y=y - 1)
    assert run([*words, "--set", "train.epochs=1"]) == 0
