"""Sums of metrics over batches, so that no more than one batch of scores is in memory."""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import torchmetrics
    from torch import Tensor

    from netdsl.data.dataset import Floats, Labels

    Sum = Callable[[np.ndarray], np.ndarray]
    # From logits and labels to what a metric of torchmetrics takes.
    Prepare = Callable[[Floats, Labels | Floats], tuple[Tensor, Tensor]]


class BatchMeter(ABC):
    """What a metric has to know of the batches so far."""

    @abstractmethod
    def add(self, logits: Floats, labels: Labels | Floats) -> None:
        """Add a batch: logits N x K x ..., and labels N x ... or values."""

    @abstractmethod
    def merge(self, sum_: Sum) -> None:
        """Add what the other processes have; `sum_` adds the numbers of all processes."""

    @abstractmethod
    def value(self) -> float:
        """The metric over all batches."""


class HitMeter(BatchMeter):
    """Counts the samples whose class is among the `top` largest logits."""

    def __init__(self, top: int) -> None:
        self._top, self._hits, self._samples = top, 0, 0

    def add(self, logits: Floats, labels: Labels | Floats) -> None:
        classes = logits.shape[1]
        own = logits[np.arange(len(labels)), labels.astype(np.int64)][:, None]
        later = np.arange(classes) > labels[:, None]
        # A NaN is neither smaller nor larger. Counting the smaller logits makes it a miss.
        smaller = (logits < own) | ((logits == own) & later)
        self._hits += int((classes - 1 - smaller.sum(axis=1) < self._top).sum())
        self._samples += len(labels)

    def merge(self, sum_: Sum) -> None:
        self._hits, self._samples = map(int, sum_(np.array([self._hits, self._samples])))

    def value(self) -> float:
        return self._hits / self._samples if self._samples else math.nan


class TorchMeter(BatchMeter):
    """A metric of torchmetrics, which adds up what it needs of each batch."""

    def __init__(self, metric: torchmetrics.Metric, prepare: Prepare) -> None:
        self._metric, self._prepare = metric, prepare

    def add(self, logits: Floats, labels: Labels | Floats) -> None:
        if len(labels):
            self._metric.update(*self._prepare(logits, labels))

    def merge(self, sum_: Sum) -> None:
        """Do nothing: torchmetrics adds the results of all processes itself."""

    def value(self) -> float:
        with warnings.catch_warnings():  # about classes that a part of the data does not have
            warnings.simplefilter("ignore", UserWarning)
            return float(cast("Tensor", self._metric.compute()))
