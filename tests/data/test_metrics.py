"""Metrics, compared with values that are counted by hand."""

import subprocess
import sys

import numpy as np
import pytest

from netdsl.config import BareWord
from netdsl.data.metrics import (
    AUC,
    F1,
    AbsoluteError,
    Accuracy,
    Confusion,
    MeanIoU,
    Precision,
    Recall,
    Score,
    SquaredError,
    scores_for,
)

# Four images of class 0, three of them right; two of class 1, both right; one of class 2, wrong.
LABELS = np.array([0, 0, 0, 0, 1, 1, 2])
CHOSEN = np.array([0, 0, 0, 1, 1, 1, 0])
LOGITS = np.eye(3, dtype=np.float32)[CHOSEN] * 4 + np.float32(0.5)
PRECISION = (3 / 4 + 2 / 3 + 0) / 3
RECALL = (3 / 4 + 1 + 0) / 3
F1S = (3 / 4, 4 / 5, 0)


@pytest.mark.parametrize(
    ("metric", "expected", "key"),
    [
        (Accuracy(), 5 / 7, "accuracy"),
        (Precision(), PRECISION, "precision"),
        (Recall(), RECALL, "recall"),
        (F1(), sum(F1S) / 3, "f1"),
        (F1(BareWord("weighted")), (4 * F1S[0] + 2 * F1S[1]) / 7, "weighted_f1"),
        (F1(BareWord("micro")), 5 / 7, "micro_f1"),
    ],
)
def test_metrics_of_classes(metric: Accuracy | F1, expected: float, key: str) -> None:
    """The mean over the classes, all images, or the classes by their number of images."""
    assert metric(LOGITS, LABELS) == pytest.approx(expected)
    assert metric.key == key


def test_auc() -> None:
    """It is the share of pairs in order: an image of the class, and one of another class."""
    logits = np.array([[0.0, 1.0], [0.0, 0.2], [0.0, 0.5], [0.0, -1.0]], np.float32)
    labels = np.array([1, 1, 0, 0])  # class 1 has the scores 1.0 and 0.2, the other 0.5 and -1.0
    assert AUC()(logits, labels) == pytest.approx(3 / 4)


def test_mean_iou() -> None:
    """Intersection over union of each class, without the ignored pixels."""
    labels = np.array([[[0, 0], [1, 255]]])
    chosen = np.array([[0, 1], [1, 1]])
    logits = np.moveaxis(np.eye(2, dtype=np.float32)[chosen], -1, 0)[None]
    assert MeanIoU(255)(logits, labels) == pytest.approx((1 / 2 + 1 / 2) / 2)


def test_errors_of_values() -> None:
    """For classes the target is 1 for the class; for values it is the value."""
    logits = np.array([[0.5, 0.0], [1.0, 1.0]], np.float32)
    classes = np.array([0, 1])
    assert SquaredError()(logits, classes) == pytest.approx((0.25 + 0 + 1 + 0) / 4)
    assert AbsoluteError()(logits, classes) == pytest.approx((0.5 + 0 + 1 + 0) / 4)
    values = np.array([[0.0, 0.0], [3.0, 1.0]], np.float32)
    assert SquaredError()(logits, values) == pytest.approx((0.25 + 4) / 4)


@pytest.mark.parametrize(
    "metric",
    [
        *(Accuracy(), Accuracy(2), Precision(), Recall(), F1(BareWord("weighted")), AUC()),
        *(MeanIoU(), MeanIoU(1), SquaredError(), AbsoluteError()),
    ],
    ids=repr,
)
def test_batches_give_the_metric_of_all_samples(metric: Score) -> None:
    """Batches of any size, also an empty one, and one that lacks a class."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(200, 3)).astype(np.float32)
    labels = np.sort(rng.integers(0, 3, 200))
    meter = metric.meter(3)
    for start, end in ((0, 7), (7, 7), (7, 150), (150, 200)):
        meter.add(logits[start:end], labels[start:end])
    assert meter.value() == pytest.approx(metric(logits, labels), abs=1e-6)


def test_confusion_is_no_number() -> None:
    """It is a table, which every run with classes writes."""
    assert scores_for([Confusion(), Accuracy()], classes=True) == [Accuracy()]


def test_torchmetrics_is_imported_only_when_used() -> None:
    """A run with the accuracy does not wait for it."""
    code = (
        "import sys, netdsl.train.loop, numpy as np\n"
        "from netdsl.data.metrics import Accuracy\n"
        "Accuracy()(np.eye(2), np.array([0, 1]))\n"
        "sys.exit('torchmetrics' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
