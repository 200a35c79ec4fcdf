"""Runs a net over samples and computes metrics; the net is a function on numpy arrays."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from netdsl.data.dataset import Dataset, Floats, Split
from netdsl.data.images import check_classes
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
        check_classes(dataset, outputs.shape[1:])
        parts.append(outputs)
    return np.concatenate(parts)


def evaluate(
    forward: Forward, split: Split, dataset: Dataset, metrics: Sequence[Accuracy], batch: int = 256
) -> dict[str, float]:
    """Each metric of `forward` over `split`, by its `key`; raises as `predict`."""
    outputs = predict(forward, split.batches(batch), dataset)
    return {metric.key: metric(outputs, split.labels) for metric in metrics}
