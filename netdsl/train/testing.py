"""Tests a net after an epoch: its loss and its metrics on the splits of the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from netdsl.data.evaluate import MetricResults
from netdsl.data.images import check_outputs
from netdsl.train.augment import build_input
from netdsl.train.feed import CPU, Feed
from netdsl.train.numerics import outputs_of
from netdsl.train.processes import ALONE
from netdsl.train.recipe.options import SHARDED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import nn

    from netdsl.data.dataset import Dataset, Labels, Split
    from netdsl.train.config import TrainConfig
    from netdsl.train.objective import Objective
    from netdsl.train.processes import Processes
    from netdsl.train.records import Record


class Tester:
    """Tests modules on the splits of a dataset; each process computes its share of every batch.

    `confusion` is the confusion matrix of the last test on the test set, if there are classes.
    """

    def __init__(
        self,
        dataset: Dataset,
        config: TrainConfig,
        device: torch.device,
        loss: Objective,
        processes: Processes,
    ) -> None:
        self.dataset, self.config, self.device = dataset, config, device
        self.loss, self.processes = loss, processes
        self.confusion: Labels | None = None
        self._prepare = build_input((), dataset, device)
        self._without_gradients: type[torch.no_grad | torch.inference_mode] = torch.inference_mode
        if config.strategy == SHARDED:  # shards cannot be gathered in that mode
            self._without_gradients = torch.no_grad
        self._feeds: dict[str, Feed] = {}  # of the splits, by their prefix; kept for the next test

    def probe(self, module: nn.Module) -> None:
        """Run two samples, so that a mismatch of net, data and metrics is found at once."""
        split = self.dataset.test
        few = Feed(split.take(np.arange(min(2, len(split)))), CPU, workers=0)
        results = self._results(confused=False)
        self._add(module, few, [np.arange(len(few.split))], results, lambda: None, ALONE)
        results.values()

    def test(self, module: nn.Module, check_stop: Callable[[], None]) -> Record:
        """The results of all splits; `check_stop` is called before each batch, and may raise."""
        record: Record = {}
        for prefix, split in self._splits():
            record |= self._test(module, split, prefix, check_stop)
        return record

    def close(self) -> None:
        """End the processes that read the splits."""
        for feed in self._feeds.values():
            feed.close()

    def _splits(self) -> Iterator[tuple[str, Split]]:
        """The splits that are tested after an epoch, each with the prefix of its keys."""
        if self.config.train_metrics:
            yield "train_", self.dataset.train
        if self.dataset.val is not None:
            yield "val_", self.dataset.val
        yield "", self.dataset.test

    def _test(
        self, module: nn.Module, split: Split, prefix: str, check_stop: Callable[[], None]
    ) -> Record:
        """The loss and the metrics of a split; for training data, only the metrics.

        The loss is the mean over the batches, weighted by their numbers of samples.
        """
        if prefix not in self._feeds:
            self._feeds[prefix] = Feed(split, CPU, self.config.workers)
        size = self.config.batch
        order = [np.arange(i, min(i + size, len(split))) for i in range(0, len(split), size)]
        results = self._results(confused=not prefix and bool(self.dataset.classes))
        feed, processes = self._feeds[prefix], self.processes
        total = self._add(module, feed, order, results, check_stop, processes)
        if processes.are_many:
            results.merge(self._sum)
            total = float(self._sum(np.array([total]))[0])
        if results.confusion is not None:
            self.confusion = results.confusion
        tested = {f"{prefix}{key}": value for key, value in results.values().items()}
        if prefix == "train_":  # its loss is that of the steps
            return tested
        return {f"{prefix or 'test_'}loss": total / len(split), **tested}

    def _add(
        self,
        module: nn.Module,
        feed: Feed,
        order: Sequence[np.ndarray],
        results: MetricResults,
        check_stop: Callable[[], None],
        processes: Processes,
    ) -> float:
        """Add the results of the shares of this process; gives the sum of their losses."""
        module.eval()
        total, labels = 0.0, next(iter(feed.split.targets.values()))
        shares = [processes.share(len(indices)) for indices in order]
        own = [indices[share.read] for indices, share in zip(order, shares, strict=True)]
        for indices, share, batch in zip(own, shares, feed.batches(own), strict=True):
            check_stop()
            with self._without_gradients():
                inputs, targets = self._prepare(batch.on(self.device))
                outputs = outputs_of(module, inputs, self.config, self.device)
                scores = outputs[self.loss.main].float()
                shape = tuple(scores.shape[1:])
                check_outputs(
                    self.dataset, shape, self.loss.target, one_score=self.loss.takes_one_score
                )
                total += self.loss(outputs, targets).item() * share.samples
            if share.samples:
                results.add(scores.cpu().numpy(), labels.read(indices))
        return total

    def _results(self, *, confused: bool) -> MetricResults:
        return MetricResults(self.dataset.target, self.config.metrics, confused=confused)

    def _sum(self, values: np.ndarray) -> np.ndarray:
        return self.processes.sum(torch.from_numpy(values)).numpy()
