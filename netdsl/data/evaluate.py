"""Runs a net over samples and computes metrics; the net is a function on numpy arrays."""

from collections.abc import Callable, Sequence

import numpy as np

from netdsl.data.dataset import Dataset, Floats, Labels, Split, TargetData
from netdsl.data.images import check_outputs
from netdsl.data.metrics import Metric, scores_for

Sum = Callable[[np.ndarray], np.ndarray]
Forward = Callable[..., Floats]  # takes an array for each input


def evaluate(
    forward: Forward, split: Split, dataset: Dataset, metrics: Sequence[Metric], batch: int = 256
) -> dict[str, float]:
    """Each metric of `forward` over `split`, by its `key`.

    `forward` gives the output for a batch of inputs that are prepared as `dataset` describes, such
    as logits N x K. Raises SettingError `data-mismatch` if that does not fit the first target.
    """
    results = MetricResults(dataset.target, metrics)
    name, labels = next(iter(split.targets.items()))
    done = 0
    for inputs in split.batches(batch):
        outputs = np.asarray(forward(*dataset.prepared(inputs)), np.float32)
        check_outputs(dataset, outputs.shape[1:], name, one_score=True)
        results.add(outputs, labels.read(np.arange(done, done + len(outputs))))
        done += len(outputs)
    return results.values()


class MetricResults:
    """The metrics and the confusion of outputs that are added batch by batch.

    Each pixel of a mask is a sample, unless it is ignored. If `confused`, there are K classes, and
    `confusion` is K x K: how many samples of each class, in rows, were put into each class.
    """

    def __init__(
        self, target: TargetData, metrics: Sequence[Metric], *, confused: bool = False
    ) -> None:
        self._target = target
        classes = len(target.classes)
        scores = scores_for(metrics, classes=bool(classes))
        self._meters = {score.key: score.meter(classes) for score in scores}
        self.confusion: Labels | None = None
        if confused:
            self.confusion = np.zeros((classes, classes), np.int64)

    def add(self, outputs: np.ndarray, labels: np.ndarray) -> None:
        """Add the outputs of a batch and the values of its target."""
        outputs, labels = counted(outputs, labels, self._target)
        for meter in self._meters.values():
            meter.add(outputs, labels)
        if self.confusion is not None:
            np.add.at(self.confusion, (labels, outputs.argmax(axis=1)), 1)

    def merge(self, sum_: Sum) -> None:
        """Add the results of the other processes; `sum_` adds the numbers of all processes."""
        for meter in self._meters.values():
            meter.merge(sum_)
        if self.confusion is not None:
            self.confusion = sum_(self.confusion)

    def values(self) -> dict[str, float]:
        """Each metric over what was added, by its key."""
        return {key: meter.value() for key, meter in self._meters.items()}


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
