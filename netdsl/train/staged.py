"""A run whose net is divided into stages: each process has the layers of one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from netdsl.backends.torch.module import lower
from netdsl.train.feed import CPU, Feed
from netdsl.train.order import seed_draws
from netdsl.train.pipeline import Pipeline
from netdsl.train.processes import ALONE, Processes
from netdsl.train.run import Run, hits_of
from netdsl.train.stages import Stage, graph_of, micro_batches_of
from netdsl.train.testing import Tester

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from netdsl.data.dataset import Dataset
    from netdsl.data.evaluate import MetricResults
    from netdsl.ir.graph import Graph
    from netdsl.train.config import TrainConfig
    from netdsl.train.feed import Batch
    from netdsl.train.objective import Objective
    from netdsl.train.order import TrainStep
    from netdsl.train.pieces import Microbatch
    from netdsl.train.selection import NetNames


def module_of(whole: nn.Module, graph: Graph, stage: Stage) -> nn.Module:
    """The module of a stage, with the tensors that it has in the module of the whole net."""
    module = lower(graph_of(graph, stage))
    tensors = whole.state_dict()
    module.load_state_dict({name: tensors[name] for name in module.state_dict()})
    return module


class StagedRun(Run):
    """A run in which each process has one stage of the net, and every batch passes through all."""

    def __init__(
        self,
        module: nn.Module,
        dataset: Dataset,
        config: TrainConfig,
        device: torch.device,
        ends: NetNames,
        processes: Processes,
        stage: Stage,
    ) -> None:
        self.stage = stage
        super().__init__(module, dataset, config, device, ends, processes)

    def _divide(self, processes: Processes) -> tuple[Processes, Processes]:
        return ALONE, processes

    def _kinds(self, ends: NetNames) -> Mapping[str, str]:
        return ends.kinds

    def _build(self, ends: NetNames) -> None:
        super()._build(ends)
        self._pipeline = self._pipeline_of(self.module)

    def _pipeline_of(self, module: nn.Module) -> Pipeline:
        count = micro_batches_of(self.config)
        config, processes = self.config, self.processes
        return Pipeline(self.stage, module, count, config, processes, self.device)

    def _tester(self) -> Tester:
        pipeline = self._pipeline
        if self.average is not None:
            pipeline = self._pipeline_of(self.tested)
        config, processes = self.config, self.processes
        return StagedTester(
            self.dataset, config, self.device, self.loss, processes, self.stage, pipeline
        )

    def _read(self, indices: np.ndarray) -> np.ndarray:
        """All samples in the first and the last stage; in the others a single one, for no use."""
        if self.stage.reads:
            return indices
        return indices[:1]

    def _prepared(
        self, step: TrainStep, piece: Microbatch, batch: Batch
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        if self.stage.reads:
            return super()._prepared(step, piece, batch)
        seed_draws(step.seed_of(piece.number, self.processes.rank), self.device)
        return [], {}

    def _train_piece(
        self, step: TrainStep, piece: Microbatch, batch: Batch, samples: int
    ) -> tuple[Tensor, Tensor]:
        inputs, targets = self._prepared(step, piece, batch)
        total, hits = torch.zeros(2, device=self.device)

        def loss_of(outputs: tuple[Tensor, ...], numbers: Tensor) -> Tensor:
            own = {name: values[numbers] for name, values in targets.items()}
            loss = self.loss(outputs, own) * (len(numbers) / samples)
            total.add_(loss.detach())
            if self.has_classes:
                scores = outputs[self.loss.main].detach()
                hits.add_(hits_of(scores, own[self.loss.target], self.dataset.target))
            return loss

        self._pipeline.train(inputs, piece.samples, loss_of)
        return total, hits

    def _repeat(self, step: TrainStep, batch: Batch) -> None:
        for piece in self._pieces(len(step.indices)):
            inputs, _ = self._prepared(step, piece, batch)
            self._pipeline.outputs(inputs, piece.samples)


class StagedTester(Tester):
    """Tests a net in stages; the last one has the results, and the others nothing to add."""

    def __init__(
        self,
        dataset: Dataset,
        config: TrainConfig,
        device: torch.device,
        loss: Objective,
        processes: Processes,
        stage: Stage,
        pipeline: Pipeline,
    ) -> None:
        super().__init__(dataset, config, device, loss, processes)
        self._stage, self._pipeline = stage, pipeline

    def probe(self, module: nn.Module) -> None:
        split = self.dataset.test
        few = Feed(split.take(np.arange(min(2, len(split)))), CPU, workers=0)
        results = self._results(confused=False)
        self._add(module, few, [np.arange(len(few.split))], results, lambda: None, ALONE)
        if self._stage.is_last:
            results.values()

    def _add(
        self,
        module: nn.Module,
        feed: Feed,
        order: Sequence[np.ndarray],
        results: MetricResults,
        check_stop: Callable[[], None],
        processes: Processes,
    ) -> float:
        module.eval()
        total, labels = 0.0, next(iter(feed.split.targets.values()))
        read = order
        if not self._stage.reads:
            read = [indices[:1] for indices in order]
        for indices, batch in zip(order, feed.batches(read), strict=True):
            check_stop()
            inputs, targets = self._prepare(batch.on(self.device))
            outputs = self._pipeline.outputs(inputs, len(indices))
            if outputs is not None:
                total += self.loss(outputs, targets).item() * len(indices)
                scores = outputs[self.loss.main].float()
                results.add(scores.cpu().numpy(), labels.read(indices))
        return total
