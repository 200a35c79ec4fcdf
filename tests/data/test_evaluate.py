"""Metrics, and the evaluation of a net on a data set."""

import weakref

import numpy as np
import pytest

from netdsl.config import SettingCall
from netdsl.data.catalog import open_dataset
from netdsl.data.columns import ArrayColumn
from netdsl.data.dataset import Dataset, InputData, Split, TargetData
from netdsl.data.evaluate import evaluate
from netdsl.data.metrics import F1, Accuracy, MeanIoU
from netdsl.errors import SettingError


def test_top_k_ranks_ties_in_order_and_nan_last() -> None:
    """Equal numbers are ranked in the order of the classes, and NaN after all numbers."""
    logits = np.array([[3, 2, 1], [1, 1, 1], [np.nan, 0, 0]], np.float32)
    labels = np.array([1, 2, 0])
    assert [Accuracy(top)(logits, labels) for top in (1, 2, 3)] == [0, pytest.approx(1 / 3), 1]
    assert Accuracy(1)(logits, np.array([0, 0, 1])) == pytest.approx(2 / 3)
    with pytest.raises(SettingError, match="is 4, but the net has 3 classes"):
        Accuracy(4)(logits, labels)


def test_no_more_than_one_batch_of_scores_is_kept() -> None:
    """However many masks are tested, the scores of the batches before the last are freed."""
    masks = np.random.default_rng(0).integers(0, 3, (40, 6, 5))
    images = ArrayColumn(np.zeros((40, 1, 6, 5), np.float32))
    split = Split({"image": images}, {"mask": ArrayColumn(masks)})
    target = {"mask": TargetData(("a", "b", "c"), 255)}
    data = Dataset("d", "d", {"image": InputData(is_image=False)}, target, split, split)
    alive: list[weakref.ref[np.ndarray]] = []
    counts: list[int] = []

    def forward(images: np.ndarray) -> np.ndarray:
        counts.append(sum(one() is not None for one in alive))
        scores = np.zeros((len(images), 3, 6, 5), np.float32)
        scores[:, 1] = 1
        alive.append(weakref.ref(scores))
        return scores

    results = evaluate(forward, split, data, [Accuracy(), MeanIoU(), F1()], batch=2)
    assert (len(counts), max(counts)) == (20, 1)
    assert results["accuracy"] == np.mean(masks == 1)
    assert results["mean_iou"] == pytest.approx(np.mean(masks == 1) / 3)


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
