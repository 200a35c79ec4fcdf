"""Runs a net over a split and counts how often it is right; the net is a plain function on numpy
arrays.
"""

from collections.abc import Callable, Sequence

import numpy as np

from netdsl.data.dataset import Dataset, Floats, Images, Split, check_classes
from netdsl.data.metrics import Accuracy

Forward = Callable[[Floats], Floats]


def predict(forward: Forward, images: Images, dataset: Dataset, batch: int) -> Floats:
    """Logits N x K for images N x C x H x W, normalised as `dataset` says and passed on `batch` at
    a time.

    Raises SettingError `data-mismatch` where `forward` does not give one logit for each class.
    """
    parts = []
    for start in range(0, len(images), batch):
        logits = np.asarray(forward(dataset.normalise(images[start : start + batch])), np.float32)
        check_classes(dataset, logits.shape[1:])
        parts.append(logits)
    return np.concatenate(parts)


def evaluate(
    forward: Forward, split: Split, dataset: Dataset, metrics: Sequence[Accuracy], batch: int = 256
) -> dict[str, float]:
    """Each metric of `forward` (float32 N x C x H x W to logits N x K) over `split`, by `key`."""
    logits = predict(forward, split.images, dataset, batch)
    return {metric.key: metric(logits, split.labels) for metric in metrics}
