"""A class for each step of a sequence, as in a language model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from netdsl.cli import run
from tests.support.photos import write_net

if TYPE_CHECKING:
    from pathlib import Path

STEPS = {  # the end of a net, and the end that its error advises
    "embedding(9, 4) -> dense(3)": "permute([2, 1])",
    "embedding(9, 4)": "dense(3) -> permute([2, 1])",
    "embedding(9, 4) -> permute([2, 1])": "conv(3, 1)",
}


@pytest.mark.parametrize("end", STEPS)
def test_a_class_for_each_step_needs_the_classes_first(
    folder: Path, capsys: pytest.CaptureFixture[str], end: str
) -> None:
    """The error of T x K leads to a net that trains, and equal samples have their indices."""
    words = np.arange(60).reshape(12, 5) % 7
    arrays = {
        "x_train": words,
        "x_test": words[6:8],
        "y_train": words % 3,
        "y_test": words[6:8] % 3,
    }
    np.savez(folder / "data.npz", **arrays)
    net = (
        "net Small {\n input ids: T int64\n END\n}\n"
        "train Small {\n data = DATA\n epochs = 1\n batch = 4\n}\n"
    )
    write_net(folder, 'npz("data.npz")', net=net.replace("END", end))
    assert run(["train", "small.net"]) == 1
    printed = capsys.readouterr().err
    assert f"end the net with `{STEPS[end]}`" in printed
    twice = "2 of the 2 test samples of data.npz occur in the training set too: sample 0 of the"
    assert f"{twice} test set is sample 6 of the training set, counted from 0" in printed
    write_net(folder, 'npz("data.npz")', net=net.replace("END", f"{end} -> {STEPS[end]}"))
    assert run(["train", "small.net"]) == 0
