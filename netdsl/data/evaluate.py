"""Runs a net over a split and counts how often it is right; the net is a plain function on numpy arrays."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from netdsl.config import ConfigError
from netdsl.data.arguments import Count
from netdsl.data.dataset import Dataset, Floats, Images, Labels, Split, check_classes

Forward = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Accuracy:
    """The share of images whose class is among the `top` largest logits."""

    top: Count = 1

    @property
    def key(self) -> str:
        """Its name in logs and results: `accuracy`, or `top5_accuracy`."""
        return "accuracy" if self.top == 1 else f"top{self.top}_accuracy"

    def __call__(self, logits: Floats, labels: Labels) -> float:
        """Logits N x K, labels N: a value from 0 to 1. Of equal logits the first counts as larger."""
        classes = logits.shape[1]
        if self.top > classes:
            message = f"`top` of `accuracy` is {self.top}, the net has {classes} classes"
            raise ConfigError("bad-value", message, "metrics")
        own = logits[np.arange(len(labels)), labels][:, None]
        later = np.arange(classes) > labels[:, None]
        # Counting what is surely smaller lets a NaN, which compares with nothing, count as a miss.
        smaller = (logits < own) | ((logits == own) & later)
        return float((classes - 1 - smaller.sum(axis=1) < self.top).mean())


METRICS: dict[str, Callable[..., Accuracy]] = {"accuracy": Accuracy}


def predict(forward: Forward, images: Images, dataset: Dataset, batch: int) -> Floats:
    """Logits N x K for images N x C x H x W, normalised as `dataset` says and passed on `batch` at a time.

    Raises ConfigError `data-mismatch` where `forward` does not give one logit for each class.
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
    """Each metric of `forward` (float32 N x C x H x W to logits N x K) over `split`, by its `key`."""
    logits = predict(forward, split.images, dataset, batch)
    return {metric.key: metric(logits, split.labels) for metric in metrics}
