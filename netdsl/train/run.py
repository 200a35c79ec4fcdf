"""One training run: the steps on its module, and the test of each epoch."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from netdsl.data.dataset import Dataset, Labels, Split, TargetData
from netdsl.data.evaluate import MetricResults
from netdsl.data.images import check_outputs
from netdsl.data.metrics import scores_for
from netdsl.errors import SettingError
from netdsl.train.augment import build_input
from netdsl.train.balance import with_class_weights
from netdsl.train.checkpoint import Parts, Progress
from netdsl.train.config import TrainConfig
from netdsl.train.feed import CPU, Batch, Feed
from netdsl.train.finite import Watch
from netdsl.train.freezing import Freezing, frozen_until
from netdsl.train.numerics import Scaler, autocast, averaged
from netdsl.train.objective import Objective
from netdsl.train.optimizers import RATE, build_optimizer, check_trainable
from netdsl.train.order import TrainStep, seed_draws, steps_of
from netdsl.train.rates import rate_factor
from netdsl.train.recipe.losses import parts_of
from netdsl.train.recipe.options import FP16
from netdsl.train.records import NORM, Record
from netdsl.train.selection import ANY, NetNames, Selection

CHANNELS_LAST_AXES = 4  # of the images that PyTorch can store with their channels last
AfterStep = Callable[[], None]
Forward = Callable[..., Any]  # from the inputs to a tensor, or a tuple of tensors


class Run:
    """One run: the module, its loss and optimizer, and the dataset on the device."""

    def __init__(
        self,
        module: nn.Module,
        dataset: Dataset,
        config: TrainConfig,
        device: torch.device,
        ends: NetNames = ANY,
    ) -> None:
        self.module = module.to(device)
        self.dataset, self.config, self.device = dataset, config, device
        self.has_classes = bool(dataset.classes)
        self.confusion: Labels | None = None  # of the test samples in the last test
        self.prepare = build_input(config.augment, dataset, device)
        self.prepare_plain = build_input((), dataset, device)
        self._build(ends)
        self.feed = Feed(dataset.train, device, config.workers)
        self._tests: dict[str, Feed] = {}  # of the splits that are tested, by their prefix
        self._probe()

    def _build(self, ends: NetNames) -> None:
        """Build the parts that the recipe names."""
        config, module = self.config, self.module
        if config.channels_last:
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        parameters = dict(module.named_parameters())
        selection = Selection({name: ends.kinds.get(name, "") for name in parameters})
        self.freezing = Freezing(module, frozen_until(config, selection))
        fused = config.precision != FP16 and not config.freeze
        self.optimizer = build_optimizer(config.optimizer, parameters, selection, fused=fused)
        heads = getattr(module, "aux_weights", ())
        parts = with_class_weights(parts_of(config.loss, ends.outputs), self.dataset)
        self.loss = Objective(parts, ends.outputs, self.dataset.targets, heads, self.dataset.name)
        self.scaler = Scaler(config.precision, self.device)
        self.average = averaged(module, config.ema) if config.ema else None
        self.forward: Forward = torch.compile(module) if config.compile else module

    @property
    def keys(self) -> list[str]:
        """The keys of the metrics that are numbers."""
        return [m.key for m in scores_for(self.config.metrics, classes=self.has_classes)]

    @property
    def tested(self) -> nn.Module:
        """The module that is tested and saved: that with averaged weights, if there is one."""
        return self.module if self.average is None else self.average.module

    @property
    def parts(self) -> Parts:
        """What the steps change."""
        return Parts(self.module, self.optimizer, self.average, self.scaler)

    def _probe(self) -> None:
        """Run two samples, so that a mismatch of net, data and metrics is found at once."""
        split = self.dataset.test
        few = Feed(split.take(np.arange(min(2, len(split)))), CPU, workers=0)
        self._tested(few, "", lambda: None)

    def steps(self, epoch: int) -> Sequence[TrainStep]:
        """The steps of an epoch, counted from 0."""
        samples = self.config.batch * self.config.accumulate
        return steps_of(self.config.seed, epoch, len(self.dataset.train), samples)

    def begin_epoch(self, epoch: int) -> None:
        """Put the module into training mode, and its frozen parts into evaluation mode."""
        self.module.train()
        self.freezing.apply(epoch)
        check_trainable(dict(self.module.named_parameters()))

    def train_epoch(self, progress: Progress, watch: Watch, after_step: AfterStep) -> None:
        """Train the steps of the epoch at hand that are not done yet.

        `after_step` is called after each; what it raises ends the epoch.
        """
        epoch, steps = progress.epoch, self.steps(progress.epoch)
        start = time.perf_counter() - progress.seconds
        left = steps[progress.step :]
        batches = self.feed.batches([step.indices for step in left])
        for index, (step, batch) in enumerate(zip(left, batches, strict=True), progress.step):
            self._set_rate(progress, index, len(steps))
            is_last = index + 1 == len(steps)
            loss, hits = self._step(step, batch, progress if is_last else None)
            place = f"in step {index + 1} of epoch {epoch + 1}"
            if self.scaler.overflows:
                self.scaler.check(place)
            else:
                watch.check(loss, place, partial(self._repeat, step, batch))
                progress.total += loss * len(step.indices)
                progress.correct += hits
                progress.seen += len(step.indices)
            progress.step += 1
            progress.seconds = time.perf_counter() - start
            after_step()

    def _set_rate(self, progress: Progress, index: int, count: int) -> None:
        config, step = self.config, progress.epoch * count + index
        losses = [record.get("val_loss", record["train_loss"]) for record in progress.history]
        factor = rate_factor(config.schedule, step, count, config.epochs, losses)
        for group in self.optimizer.param_groups:
            group["lr"] = group[RATE] * factor

    def _step(
        self, step: TrainStep, batch: Batch, progress: Progress | None = None
    ) -> tuple[Tensor, Tensor]:
        """Train on a batch; gives the results of `_forward`.

        The norms of the gradients are noted in the progress, if it is given.
        """
        self.optimizer.zero_grad()
        seed_draws(step.seed, self.device)
        total, hits = torch.zeros(2, device=self.device)
        pieces = _pieces(batch, len(step.indices), self.config.batch)
        for count, piece in pieces:
            loss, own = self._forward(piece, self.forward)
            if len(pieces) > 1:
                loss = loss * (count / len(step.indices))
            torch.autograd.backward(self.scaler.scaler.scale(loss))
            total += loss.detach()
            hits += own
        self.scaler.scaler.unscale_(self.optimizer)
        if progress is not None and self.config.gradient_norms:
            progress.norms = gradient_norms(self.module)
        self._clip()
        if self.scaler.take(self.optimizer) and self.average is not None:
            self.average.update_parameters(self.module)
        return total, hits

    def _clip(self) -> None:
        parameters = [p for p in self.module.parameters() if p.grad is not None]
        if self.config.clip_value is not None:
            nn.utils.clip_grad_value_(parameters, self.config.clip_value)
        if self.config.clip_norm is not None:
            nn.utils.clip_grad_norm_(parameters, self.config.clip_norm)

    def _repeat(self, step: TrainStep, batch: Batch) -> None:
        """Repeat the forward passes of a step, without compiled code, which has no layers."""
        seed_draws(step.seed, self.device)
        for _, piece in _pieces(batch, len(step.indices), self.config.batch):
            self._forward(piece, self.module)

    def _forward(self, batch: Batch, forward: Forward) -> tuple[Tensor, Tensor]:
        """The mean loss of some samples, and how many of them are classified correctly."""
        inputs, targets = self.prepare(batch)
        outputs = self._outputs(inputs, forward)
        loss = self.loss(outputs, targets)
        if not self.has_classes:
            return loss, loss.new_zeros(())
        scores = outputs[self.loss.main].detach()
        return loss, _hits(scores, targets[self.loss.target], self.dataset.target)

    def _outputs(self, inputs: Sequence[Tensor], forward: Forward) -> tuple[Tensor, ...]:
        if self.config.channels_last:
            inputs = [_channels_last(values) for values in inputs]
        with autocast(self.config.precision, self.device):
            outputs = forward(*inputs)
        return (outputs,) if isinstance(outputs, Tensor) else outputs

    def record(self, progress: Progress, check_stop: AfterStep) -> Record:
        """Test the module, and give the record of the epoch whose steps are all done.

        `check_stop` is called before each batch; what it raises ends the test.
        """
        start = time.perf_counter()
        if not progress.seen:
            message = f"the gradients overflow fp16 in every step of epoch {progress.epoch + 1}"
            raise SettingError("diverged", message, "precision", "write `precision = bf16`")
        count = len(self.steps(progress.epoch))
        self._set_rate(progress, count - 1, count)  # a resumed run may have no step left
        tested: Record = {}
        if self.has_classes:
            tested["train_accuracy"] = progress.correct.item() / progress.seen
        for prefix, split in self._splits():
            tested |= self._test(split, prefix, check_stop)
        seconds = progress.seconds + time.perf_counter() - start
        return {
            "epoch": progress.epoch + 1,
            "train_loss": progress.total.item() / progress.seen,
            **tested,
            **{f"{NORM}{layer}": norm for layer, norm in progress.norms.items()},
            "lr": self.optimizer.param_groups[0]["lr"],
            "seconds": round(seconds, 3),
            "images_per_second": round(progress.seen / progress.seconds, 1),
        }

    def _splits(self) -> Iterator[tuple[str, Split]]:
        """The splits that are tested after an epoch, each with the prefix of its keys."""
        if self.config.train_metrics:
            yield "train_", self.dataset.train
        if self.dataset.val is not None:
            yield "val_", self.dataset.val
        yield "", self.dataset.test

    def _test(self, split: Split, prefix: str, check_stop: AfterStep) -> Record:
        """The loss and the metrics of a split, whose feed is kept for the next epoch."""
        if prefix not in self._tests:
            self._tests[prefix] = Feed(split, CPU, self.config.workers)
        return self._tested(self._tests[prefix], prefix, check_stop)

    def _tested(self, feed: Feed, prefix: str, check_stop: AfterStep) -> Record:
        """The loss and the metrics of a split; for training data, only the metrics.

        The loss is the mean over the batches, weighted by their numbers of samples.
        """
        module, split, size, total = self.tested.eval(), feed.split, self.config.batch, 0.0
        order = [np.arange(i, min(i + size, len(split))) for i in range(0, len(split), size)]
        is_test = not prefix and self.has_classes
        results = MetricResults(self.dataset.target, self.config.metrics, confused=is_test)
        labels = next(iter(split.targets.values()))
        for indices, batch in zip(order, feed.batches(order), strict=True):
            check_stop()
            with torch.inference_mode():
                inputs, targets = self.prepare_plain(batch.on(self.device))
                outputs = self._outputs(inputs, module)
                scores = outputs[self.loss.main].float()
                shape = tuple(scores.shape[1:])
                check_outputs(
                    self.dataset, shape, self.loss.target, one_score=self.loss.takes_one_score
                )
                total += self.loss(outputs, targets).item() * len(indices)
            results.add(scores.cpu().numpy(), labels.read(indices))
        if is_test:
            self.confusion = results.confusion
        tested = {f"{prefix}{key}": value for key, value in results.values().items()}
        if prefix == "train_":  # its loss is that of the steps
            return tested
        return {f"{prefix or 'test_'}loss": total / len(split), **tested}


def _channels_last(values: Tensor) -> Tensor:
    if values.dim() != CHANNELS_LAST_AXES:
        return values
    return values.contiguous(memory_format=torch.channels_last)


def _hits(scores: Tensor, targets: Tensor, target: TargetData) -> Tensor:
    """How many samples are classified correctly; for masks, the sum of the shares of their pixels.

    `scores` are N x K x ..., and `targets` classes N x ..., or the shares of the classes N x K.
    """
    guesses = scores.argmax(1) if scores.shape[1] > 1 else (scores[:, 0] > 0).long()
    if targets.is_floating_point():
        targets = targets.argmax(1)
    hits = guesses == targets
    if hits.dim() == 1:
        return hits.sum()
    pixels = torch.ones_like(hits) if target.ignored is None else targets != target.ignored
    pixels = pixels.flatten(1)
    return ((hits.flatten(1) & pixels).sum(1) / pixels.sum(1).clamp(min=1)).sum()


def _pieces(batch: Batch, samples: int, most: int) -> list[tuple[int, Batch]]:
    """A batch in pieces of nearly equal size, each with its number of about `most` samples.

    No piece has a single sample unless `most` is 1 or there is only one: batch normalisation cannot
    be trained on it.
    """
    count = -(-samples // most)
    if most > 1:
        count = max(1, min(count, samples // 2))
    if count == 1:
        return [(samples, batch)]
    ends = [samples * i // count for i in range(count + 1)]
    return [(end - start, batch.part(start, end)) for start, end in pairwise(ends)]


def gradient_norms(module: nn.Module) -> dict[str, float]:
    """The Euclidean norm of the gradients of each layer that has any."""
    layers: dict[str, list[Tensor]] = {}
    for name, parameter in module.named_parameters():
        if parameter.grad is not None:
            layers.setdefault(name.rpartition(".")[0], []).append(parameter.grad)
    return {layer: nn.utils.get_total_norm(own).item() for layer, own in layers.items()}


def torch_device(name: str) -> torch.device:
    """The device for `cpu`, `cuda` or `auto`.

    Raises SettingError `no-device` for `cuda` if torch finds no CUDA device.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        help = "use `--device cpu`, or `--device auto`, which uses a GPU if there is one"
        raise SettingError("no-device", "torch finds no CUDA device here", "device", help)
    return torch.device("cuda" if available and name != "cpu" else "cpu")
