"""Runs a net over samples and computes metrics; the net is a function on numpy arrays."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from netdsl.data.dataset import Dataset, Floats, Split
from netdsl.data.images import check_outputs
from netdsl.data.metrics import Accuracy

Forward = Callable[..., Floats]  # takes an array for each input


def predict(
    forward: Forward, batches: Iterable[Mapping[str, np.ndarray]], dataset: Dataset
) -> Floats:
    """The outputs that `forward` gives for batches of inputs, such as logits N x K.

    The inputs are prepared as `dataset` describes. Raises SettingError `data-mismatch` if `forward`
    does not give one logit per class.
    """
    parts = []
    for batch in batches:
        outputs = np.asarray(forward(*dataset.prepared(batch)), np.float32)
        check_outputs(dataset, outputs.shape[1:])
        parts.append(outputs)
    return np.concatenate(parts)


def evaluate(
    forward: Forward, split: Split, dataset: Dataset, metrics: Sequence[Accuracy], batch: int = 256
) -> dict[str, float]:
    """Each metric of `forward` over `split`, by its `key`; raises as `predict`."""
    outputs = predict(forward, split.batches(batch), dataset)
    return measured(outputs, split.labels, dataset, metrics)


def measured(
    outputs: np.ndarray, labels: np.ndarray, dataset: Dataset, metrics: Sequence[Accuracy]
) -> dict[str, float]:
    """Each metric of outputs by its `key`; none without classes. Each pixel of a mask counts."""
    if not dataset.classes:
        return {}
    if labels.ndim > 1:
        counted = labels != dataset.target.ignored
        outputs, labels = np.moveaxis(outputs, 1, -1)[counted], labels[counted]
    return {metric.key: metric(outputs, labels) for metric in metrics}
