"""Runs a net over a split and computes metrics; the net is a function on numpy arrays."""

from collections.abc import Callable, Sequence

import numpy as np

from netdsl.data.dataset import Dataset, Floats, Images, Split
from netdsl.data.images import check_classes
from netdsl.data.metrics import Metric, scores_of

Forward = Callable[[Floats], Floats]


def predict(forward: Forward, images: Images, dataset: Dataset, batch: int) -> Floats:
    """The logits N x K that `forward` gives for images N x C x H x W.

    The images are normalised with the constants of `dataset`, `batch` of them at a time. Raises
    SettingError `data-mismatch` if `forward` does not give one logit per class.
    """
    parts = []
    for start in range(0, len(images), batch):
        logits = np.asarray(forward(dataset.normalise(images[start : start + batch])), np.float32)
        check_classes(dataset, logits.shape[1:])
        parts.append(logits)
    return np.concatenate(parts)


def evaluate(
    forward: Forward, split: Split, dataset: Dataset, metrics: Sequence[Metric], batch: int = 256
) -> dict[str, float]:
    """Each metric of `forward` over `split`, by its `key`.

    `forward` maps normalised images, float32 N x C x H x W, to logits N x K. Raises as `predict`.
    """
    logits = predict(forward, split.images, dataset, batch)
    return {metric.key: metric(logits, split.labels) for metric in scores_of(metrics)}
