"""Class weights from the counts of the training set: `weights = balanced`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from netdsl.cli import run
from netdsl.data.columns import ArrayColumn
from netdsl.data.dataset import Dataset, InputData, Split, TargetData
from netdsl.errors import SettingError
from netdsl.train.balance import with_class_weights
from netdsl.train.objective import Objective
from netdsl.train.recipe.losses import (
    BALANCED,
    BinaryCrossEntropy,
    CrossEntropy,
    Loss,
    OutputLoss,
)

if TYPE_CHECKING:
    from pathlib import Path

LABELS = np.array([0] * 6 + [1] * 3 + [2])
MASKS = np.array([[[0, 0, 1], [255, 2, 2]], [[2, 2, 2], [1, 255, 2]]])


def data(labels: np.ndarray, classes: int = 3, ignored: int | None = None) -> Dataset:
    """Training samples with these labels; the test set has other shares."""
    names = tuple(map(str, range(classes)))
    target, test = TargetData(names, ignored), labels[-1:]
    x, y = ArrayColumn(np.zeros((len(labels), 2), np.float32)), ArrayColumn(labels)
    few = Split({"x": ArrayColumn(x.array[:1])}, {"y": ArrayColumn(test)})
    inputs = {"x": InputData(is_image=False)}
    return Dataset("tiny", "tiny", inputs, {"y": target}, Split({"x": x}, {"y": y}), few)


def weights(dataset: Dataset, loss: Loss) -> tuple[float, ...]:
    ((_, found, _),) = ((p.output, p.loss, p.weight) for p in balanced(dataset, loss))
    assert isinstance(found, CrossEntropy | BinaryCrossEntropy)
    assert isinstance(found.weights, tuple)
    return found.weights


def balanced(dataset: Dataset, loss: Loss) -> list[OutputLoss]:
    return with_class_weights([OutputLoss("y", loss)], dataset)


def test_the_weights_are_those_of_scikit_learn() -> None:
    """n / (K n_c), from the training set only; other weights stay as they are."""
    assert weights(data(LABELS), CrossEntropy(weights=BALANCED)) == (10 / 18, 10 / 9, 10 / 3)
    assert weights(data(LABELS), BinaryCrossEntropy(weights=BALANCED)) == (10 / 18, 10 / 9, 10 / 3)
    assert weights(data(LABELS), CrossEntropy(weights=(1.0, 2.0, 3.0))) == (1.0, 2.0, 3.0)


def test_pixels_without_a_class_do_not_count() -> None:
    """Neither those that the data ignores, nor those that the loss does."""
    loss = CrossEntropy(weights=BALANCED)
    assert weights(data(MASKS, ignored=255), loss) == (10 / 6, 10 / 6, 10 / 18)
    few = data(MASKS % 4, classes=4)  # 255 becomes 3
    ignoring = CrossEntropy(weights=BALANCED, ignore=3)
    with pytest.raises(SettingError, match="no training sample of tiny is of the class `3`"):
        weights(few, ignoring)


def test_the_loss_uses_the_weights() -> None:
    """It is PyTorch's with the same weights."""
    dataset = data(LABELS)
    parts = balanced(dataset, CrossEntropy(weights=BALANCED))
    objective = Objective(parts, ["y"], dataset.targets)
    scores = torch.arange(30.0).reshape(10, 3).sin()
    own = F.cross_entropy(scores, torch.from_numpy(LABELS), torch.tensor([10 / 18, 10 / 9, 10 / 3]))
    assert objective([scores], {"y": torch.from_numpy(LABELS)}).item() == pytest.approx(own.item())


def test_balanced_needs_classes() -> None:
    """Targets that are numbers have no classes to count."""
    dataset = data(LABELS.astype(np.float32)[:, None], classes=0)
    with pytest.raises(SettingError, match="is `balanced`, but the targets of tiny are numbers"):
        balanced(dataset, BinaryCrossEntropy(weights=BALANCED))


def test_a_rare_class_is_learned(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One sample in 25 is of a class that overlaps the other: only with weights is it found.

    The warning about the imbalance has the text of the loss, which works.
    """
    rng = np.random.default_rng(0)
    y = (np.arange(2000) % 25 == 0).astype(np.int64)
    np.savez(folder / "rare.npz", x=rng.normal(size=(2000, 1)).astype("f4") + y[:, None], y=y)
    (folder / "a.net").write_text("net A {\n input x: 1\n output y: dense(2)\n}\n")
    words = ["train", "a.net", "--data", 'npz("rare.npz")', "--set", "train.metrics=[recall]"]
    words += ["--set", "train.optimizer=adam(lr = 0.02, betas = [0.8, 0.99], eps = 1e-7)"]

    def recall(*more: str) -> float:
        assert run([*words, *more]) == 0
        captured = capsys.readouterr()
        assert "loss = cross_entropy(weights = balanced)" in captured.err
        return float(captured.out.rpartition("recall ")[2].split()[0])

    assert recall() == pytest.approx(50, abs=2)  # the mean over the classes: all and nothing
    assert recall("--overwrite", "--set", "train.loss=cross_entropy(weights = balanced)") > 60
