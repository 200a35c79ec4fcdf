"""One training run: the steps on its module, and the test of each epoch."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from netdsl.data.dataset import Dataset, Floats, Labels, Split
from netdsl.data.evaluate import predict
from netdsl.data.metrics import scores_of
from netdsl.errors import SettingError
from netdsl.train.checkpoint import Parts, Progress
from netdsl.train.config import TrainConfig
from netdsl.train.finite import Watch
from netdsl.train.freezing import Freezing, frozen_until
from netdsl.train.numerics import Scaler, autocast, averaged
from netdsl.train.objective import Objective
from netdsl.train.optimizers import RATE, build_optimizer, check_trainable
from netdsl.train.order import Step, seed_draws, steps_of
from netdsl.train.parts import build_input
from netdsl.train.rates import rate_factor
from netdsl.train.recipe.losses import TARGET, parts_of
from netdsl.train.records import NORM, Record
from netdsl.train.selection import ANY, NetNames, Selection

Indices = npt.NDArray[np.int64]
CHANNELS_LAST_AXES = 4  # of the images that PyTorch can store with their channels last
AfterStep = Callable[[], None]


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
        self.scores = scores_of(config.metrics)
        self.prepare = build_input(config.augment, dataset, device)
        self._build(ends)
        self.images = torch.from_numpy(dataset.train.images).to(device)
        self.labels = torch.from_numpy(dataset.train.labels).to(device)
        self.predicted: Labels | None = None  # the classes of the test images, by the last test
        self._probe()

    def _build(self, ends: NetNames) -> None:
        """Build the parts that the recipe names."""
        config, module = self.config, self.module
        if config.channels_last:
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        parameters = dict(module.named_parameters())
        selection = Selection({name: ends.kinds.get(name, "") for name in parameters})
        self.freezing = Freezing(module, frozen_until(config, selection))
        self.optimizer = build_optimizer(config.optimizer, parameters, selection)
        heads = getattr(module, "aux_weights", ())
        parts = parts_of(config.loss, ends.outputs)
        self.loss = Objective(parts, ends.outputs, [TARGET], heads)
        self.scaler = Scaler(config.precision, self.device)
        self.average = averaged(module, config.ema) if config.ema else None
        self.forward: Callable[..., Any] = torch.compile(module) if config.compile else module

    @property
    def tested(self) -> nn.Module:
        """The module that is tested and saved: that with averaged weights, if there is one."""
        return self.module if self.average is None else self.average.module

    @property
    def parts(self) -> Parts:
        """What the steps change."""
        return Parts(self.module, self.optimizer, self.average, self.scaler)

    def _probe(self) -> None:
        """Run two images, so that a mismatch of net, data and metrics is found at once."""
        logits = predict(self._logits, self.dataset.test.images[:2], self.dataset, 2)
        self.config.check_loss(self.dataset.class_count, self.dataset.name)
        for metric in self.scores:
            metric(logits, self.dataset.test.labels[:2])

    def steps(self, epoch: int) -> Sequence[Step]:
        """The steps of an epoch, counted from 0."""
        samples = self.config.batch * self.config.accumulate
        return steps_of(self.config.seed, epoch, len(self.images), samples)

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
        for index in range(progress.step, len(steps)):
            step = steps[index]
            self._set_rate(progress, index, len(steps))
            is_last = index + 1 == len(steps)
            loss, correct = self._step(step, progress if is_last else None)
            place = f"in step {index + 1} of epoch {epoch + 1}"
            if self.scaler.overflows:
                self.scaler.check(place)
            else:
                watch.check(loss, place, partial(self._repeat, step))
                progress.total += loss * len(step.indices)
                progress.correct += correct
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

    def _step(self, step: Step, progress: Progress | None = None) -> tuple[Tensor, Tensor]:
        """Train on a batch; gives the results of `_forward`.

        The norms of the gradients are noted in the progress, if it is given.
        """
        self.optimizer.zero_grad()
        seed_draws(step.seed, self.device)
        total, correct = torch.zeros(2, device=self.device)
        pieces = _pieces(step.indices, self.config.batch)
        for chosen in pieces:
            loss, own = self._forward(chosen)
            if len(pieces) > 1:
                loss = loss * (len(chosen) / len(step.indices))
            torch.autograd.backward(self.scaler.scaler.scale(loss))
            total += loss.detach()
            correct += own
        self.scaler.scaler.unscale_(self.optimizer)
        if progress is not None and self.config.gradient_norms:
            progress.norms = gradient_norms(self.module)
        self._clip()
        if self.scaler.take(self.optimizer) and self.average is not None:
            self.average.update_parameters(self.module)
        return total, correct

    def _clip(self) -> None:
        parameters = [p for p in self.module.parameters() if p.grad is not None]
        if self.config.clip_value is not None:
            nn.utils.clip_grad_value_(parameters, self.config.clip_value)
        if self.config.clip_norm is not None:
            nn.utils.clip_grad_norm_(parameters, self.config.clip_norm)

    def _repeat(self, step: Step) -> None:
        """Repeat the forward passes of a step, without compiled code, which has no layers."""
        seed_draws(step.seed, self.device)
        for chosen in _pieces(step.indices, self.config.batch):
            self._forward(chosen, self.module)

    def _forward(
        self, indices: Indices, module: Callable[..., Any] | None = None
    ) -> tuple[Tensor, Tensor]:
        """The mean loss of some images, and how many of them are classified correctly."""
        chosen = torch.from_numpy(indices).to(self.device)
        images = self.prepare(self.images[chosen])
        if self.config.channels_last and images.dim() == CHANNELS_LAST_AXES:
            images = images.contiguous(memory_format=torch.channels_last)
        with autocast(self.config.precision, self.device):
            results = (module or self.forward)(images)
        labels = self.labels[chosen]
        scores = results if isinstance(results, Tensor) else results[self.loss.main]
        correct = (scores.detach().argmax(1) == labels).sum()
        return self.loss(results, {TARGET: labels}), correct

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
        tested: Record = {"train_accuracy": progress.correct.item() / progress.seen}
        for prefix, split in self._splits():
            tested |= self._test(split, prefix, check_stop)
        tested["test_loss"] = tested.pop("loss")
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
        """The loss and the metrics of a split."""

        def forward(images: Floats) -> Floats:
            check_stop()
            return self._logits(images)

        logits = predict(forward, split.images, self.dataset, self.config.batch)
        metrics = {f"{prefix}{m.key}": m(logits, split.labels) for m in self.scores}
        if not prefix:
            self.predicted = logits.argmax(axis=1)
        if prefix == "train_":  # its loss is that of the steps
            return metrics
        targets = {TARGET: torch.from_numpy(split.labels)}
        loss = self.loss.of_main(torch.from_numpy(logits), targets).item()
        return {f"{prefix}loss": loss, **metrics}

    def _logits(self, images: Floats) -> Floats:
        module = self.tested.eval()
        with torch.inference_mode(), autocast(self.config.precision, self.device):
            outputs = module(torch.from_numpy(images).to(self.device))
        logits = outputs if isinstance(outputs, Tensor) else outputs[self.loss.main]
        return logits.float().cpu().numpy()


def _pieces(indices: Indices, most: int) -> list[Indices]:
    """A batch in pieces of nearly equal size, each of about `most` samples.

    No piece has a single sample unless `most` is 1 or there is only one: batch normalisation cannot
    be trained on it.
    """
    count = -(-len(indices) // most)
    if most > 1:
        count = max(1, min(count, len(indices) // 2))
    return np.array_split(indices, count)


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
