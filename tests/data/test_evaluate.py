"""Metrics, and the evaluation of a net on a data set."""

import numpy as np
import pytest

from netdsl.config import SettingCall
from netdsl.data.catalog import open_dataset
from netdsl.data.evaluate import evaluate
from netdsl.data.metrics import Accuracy
from netdsl.errors import SettingError


def test_top_k_ranks_ties_in_order_and_nan_last() -> None:
    """Equal numbers are ranked in the order of the classes, and NaN after all numbers."""
    logits = np.array([[3, 2, 1], [1, 1, 1], [np.nan, 0, 0]], np.float32)
    labels = np.array([1, 2, 0])
    assert [Accuracy(top)(logits, labels) for top in (1, 2, 3)] == [0, pytest.approx(1 / 3), 1]
    assert Accuracy(1)(logits, np.array([0, 0, 1])) == pytest.approx(2 / 3)
    with pytest.raises(SettingError, match="is 4, but the net has 3 classes"):
        Accuracy(4)(logits, labels)


def test_evaluate_passes_normalised_batches() -> None:
    data = open_dataset(SettingCall("fashion_mnist_sample"))
    seen: list[np.ndarray] = []

    def forward(images: np.ndarray) -> np.ndarray:
        start = sum(len(images) for images in seen)
        seen.append(images)
        logits = np.eye(10, dtype=np.float32)[data.test.labels[start : start + len(images)]]
        logits[::2] = np.roll(logits[::2], 1, axis=1)
        return np.asarray(logits)

    results = evaluate(forward, data.test, data, [Accuracy(), Accuracy(10)], batch=300)
    assert [len(images) for images in seen] == [300] * 6 + [200]
    assert np.array_equal(np.concatenate(seen), data.normalise(data.test.images))
    assert results == {"accuracy": 0.5, "top10_accuracy": 1.0}
