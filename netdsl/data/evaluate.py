"""Runs a net over samples and computes metrics; the net is a function on numpy arrays."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from netdsl.data.dataset import Dataset, Floats, Split, TargetData
from netdsl.data.images import check_outputs
from netdsl.data.metrics import Metric, scores_for

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
        check_outputs(dataset, outputs.shape[1:], next(iter(dataset.targets)), one_score=True)
        parts.append(outputs)
    return np.concatenate(parts)


def evaluate(
    forward: Forward, split: Split, dataset: Dataset, metrics: Sequence[Metric], batch: int = 256
) -> dict[str, float]:
    """Each metric of `forward` over `split`, by its `key`; raises as `predict`."""
    outputs = predict(forward, split.batches(batch), dataset)
    return measured(outputs, split.labels, dataset.target, metrics)


def measured(
    outputs: np.ndarray, labels: np.ndarray, target: TargetData, metrics: Sequence[Metric]
) -> dict[str, float]:
    """Each metric of outputs by its `key`; each pixel of a mask counts."""
    outputs, labels = counted(outputs, labels, target)
    return {m.key: m(outputs, labels) for m in scores_for(metrics, classes=bool(target.classes))}


def counted(
    outputs: np.ndarray, labels: np.ndarray, target: TargetData
) -> tuple[np.ndarray, np.ndarray]:
    """Outputs and labels as metrics take them: N x K and N for classes.

    The pixels of masks that are not ignored are the samples. A single score for two classes becomes
    two, whose softmax is the sigmoid of that score.
    """
    if not target.classes:
        return outputs, labels
    if outputs.shape[1] == 1:
        outputs = np.concatenate([np.zeros_like(outputs), outputs], 1)
    if labels.ndim > 1:
        chosen = labels != target.ignored
        outputs, labels = np.moveaxis(outputs, 1, -1)[chosen], labels[chosen]
    return outputs, labels
