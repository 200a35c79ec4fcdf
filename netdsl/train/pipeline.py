"""Passes batches through the stages of a net, each of which is in another process.

PyTorch's schedules do the work: 1F1B in training, which stores the values of only as many
micro-batches as there are stages. All micro-batches of one pass have the same size, so a batch that
cannot be divided evenly takes two passes.
"""

from __future__ import annotations

from itertools import starmap
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from netdsl.train.numerics import outputs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from netdsl.ir.graph import Value
    from netdsl.train.config import TrainConfig
    from netdsl.train.processes import Processes
    from netdsl.train.stages import Stage

    # From the outputs of the net and the numbers of their samples in the batch.
    LossOf = Callable[[tuple[Tensor, ...], Tensor], Tensor]


class Pass(NamedTuple):
    """The samples from `start` to before `end` of a batch, in so many `micro_batches`."""

    start: int
    end: int
    micro_batches: int


def passes_of(samples: int, most: int) -> Iterator[Pass]:
    """The passes of a batch in at most so many micro-batches of nearly equal size.

    No micro-batch has a single sample unless it is the whole batch: batch normalisation cannot be
    trained on it.
    """
    count = max(1, min(most, samples // 2))
    size, larger = divmod(samples, count)
    middle = larger * (size + 1)
    if larger:
        yield Pass(0, middle, larger)
    yield Pass(middle, samples, count - larger)


class Pipeline:
    """The stages of a net, of which this process has `module`; all processes call it alike."""

    def __init__(
        self,
        stage: Stage,
        module: nn.Module,
        micro_batches: int,
        config: TrainConfig,
        processes: Processes,
        device: torch.device,
    ) -> None:
        self._stage, self._most = stage, micro_batches
        self._processes, self._device = processes, device
        self._module = _Computed(module, config, device)
        self._schedules: dict[tuple[int, int, bool], Any] = {}  # by number and size
        self._loss_of: LossOf | None = None

    def train(self, inputs: Sequence[Tensor], samples: int, loss_of: LossOf) -> None:
        """Add the gradients of a batch to those of the stage's weights.

        `inputs` are needed in the first stage. `loss_of` is called in the last stage, for each
        micro-batch; the gradients are those of the sum of what it gives.
        """
        self._loss_of = loss_of
        for part in passes_of(samples, self._most):
            self._processes.begins_to_talk()
            targets = {}
            if self._stage.is_last:
                targets["target"] = torch.arange(part.start, part.end, device=self._device)
            self._schedule(part, trains=True).step(*self._own(inputs, part), **targets)
        self._loss_of = None

    def outputs(self, inputs: Sequence[Tensor], samples: int) -> tuple[Tensor, ...] | None:
        """The outputs of the net for a batch, in the last stage; without gradients."""
        found: list[tuple[Tensor, ...]] = []
        with torch.no_grad():
            for part in passes_of(samples, self._most):
                self._processes.begins_to_talk()
                result = self._schedule(part, trains=False).step(*self._own(inputs, part))
                if result is not None:
                    found.append(result)
        if not found:
            return None
        return tuple(starmap(_joined, zip(*found, strict=True)))

    def _own(self, inputs: Sequence[Tensor], part: Pass) -> list[Tensor]:
        """The inputs that the first stage takes; the others get theirs from the stage before."""
        if not self._stage.is_first:
            return []
        return [values[part.start : part.end] for values in inputs]

    def _schedule(self, part: Pass, *, trains: bool) -> Any:
        """The schedule for a number of micro-batches of a size, which is made once."""
        size = (part.end - part.start) // part.micro_batches
        key = (part.micro_batches, size, trains)
        if key not in self._schedules:
            self._schedules[key] = self._made(part.micro_batches, size, trains=trains)
        return self._schedules[key]

    def _made(self, count: int, size: int, *, trains: bool) -> Any:
        from torch.distributed.pipelining import PipelineStage, Schedule1F1B, ScheduleGPipe

        stage = self._stage
        takes = _examples(stage.takes, size, trained=trains and not stage.is_first)
        gives = _examples(stage.gives, size, trained=trains)
        own = PipelineStage(self._module, stage.number, stage.stages, self._device, takes, gives)
        if not trains:
            return ScheduleGPipe(own, count)
        if count < stage.stages:  # which 1F1B does not take
            return ScheduleGPipe(own, count, loss_fn=self._loss, scale_grads=False)
        return Schedule1F1B(own, count, loss_fn=self._loss, scale_grads=False)

    def _loss(self, outputs: tuple[Tensor, ...], numbers: Tensor) -> Tensor:
        if self._loss_of is None:
            raise RuntimeError("a loss is computed outside of a training step")
        return self._loss_of(outputs, numbers)


class _Computed(nn.Module):
    """A stage in the precision of the recipe; its results are float32 and contiguous."""

    def __init__(self, module: nn.Module, config: TrainConfig, device: torch.device) -> None:
        super().__init__()
        self.module, self._config, self._device = module, config, device

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        outputs = outputs_of(self.module, inputs, self._config, self._device)
        return tuple(value.float().contiguous() for value in outputs)


def _joined(*parts: Tensor) -> Tensor:
    if len(parts) == 1:
        return parts[0]
    return torch.cat(parts)


def _examples(values: Sequence[Value], size: int, *, trained: bool) -> tuple[Tensor, ...]:
    """Tensors without numbers that have the shapes of values, for so many samples."""
    found = []
    for value in values:
        sizes: Any = (size, *value.type.shape)  # all are numbers: the data have been fitted
        example = torch.empty(sizes, dtype=getattr(torch, value.type.dtype), device="meta")
        found.append(example.requires_grad_(trained))
    return tuple(found)
