"""One training run: the steps on its module, and the test of each epoch."""

import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from netdsl.data.dataset import Dataset, Floats, Split
from netdsl.data.evaluate import measured, predict
from netdsl.errors import SettingError
from netdsl.train.augment import as_target, build_input
from netdsl.train.checkpoint import Progress, Record
from netdsl.train.config import TrainConfig
from netdsl.train.feed import CPU, Batch, Feed
from netdsl.train.finite import Watch
from netdsl.train.order import Step, seed_draws, steps_of
from netdsl.train.parts import build_loss, build_optimizer, rate_factor

AfterStep = Callable[[], None]


class Run:
    """One run: the module, its loss and optimizer, and the dataset on the device."""

    def __init__(
        self, module: nn.Module, dataset: Dataset, config: TrainConfig, device: torch.device
    ) -> None:
        self.module = module.to(device)
        self.dataset, self.config, self.device = dataset, config, device
        self.loss = build_loss(config.loss, dataset.target)
        self.optimizer = build_optimizer(config.optimizer, module.parameters())
        self.prepare = build_input(config.augment, dataset, device)
        self.feed = Feed(dataset.train, device, config.workers)
        self._probe()

    def _probe(self) -> None:
        """Run two samples, so that a mismatch of net, data and metrics is found at once."""
        split = self.dataset.test.take(np.arange(min(2, len(self.dataset.test))))
        logits = predict(self._logits, split.batches(2), self.dataset)
        measured(logits, split.labels, self.dataset, self.config.metrics)

    def steps(self, epoch: int) -> Sequence[Step]:
        """The steps of an epoch, counted from 0."""
        return steps_of(self.config.seed, epoch, len(self.dataset.train), self.config.batch)

    def train_epoch(self, progress: Progress, watch: Watch, after_step: AfterStep) -> None:
        """Train the steps of the epoch at hand that are not done yet.

        `after_step` is called after each; what it raises ends the epoch.
        """
        epoch, steps = progress.epoch, self.steps(progress.epoch)
        start = time.perf_counter() - progress.seconds
        self.module.train()
        left = steps[progress.step :]
        batches = self.feed.batches([step.indices for step in left])
        for index, (step, batch) in enumerate(zip(left, batches, strict=True), progress.step):
            self._set_rate(epoch, index, len(steps))
            loss = self._step(step, batch)
            place = f"in step {index + 1} of epoch {epoch + 1}"
            watch.check(loss, place, partial(self._forward, step, batch))
            progress.total += loss * len(step.indices)
            progress.seen += len(step.indices)
            progress.step += 1
            progress.seconds = time.perf_counter() - start
            after_step()

    def _set_rate(self, epoch: int, index: int, count: int) -> None:
        factor = rate_factor(self.config.schedule, epoch * count + index, count, self.config.epochs)
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.optimizer.lr * factor

    def _step(self, step: Step, batch: Batch) -> Tensor:
        """Train on a batch and return its mean loss."""
        loss = self._forward(step, batch)
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        self.optimizer.step()
        return loss.detach()

    def _forward(self, step: Step, batch: Batch) -> Tensor:
        """The mean loss of a batch."""
        seed_draws(step.seed, self.device)
        inputs, targets = self.prepare(batch)
        return self._total_loss(self.module(*inputs), targets)

    def _total_loss(self, outputs: Tensor | tuple[Tensor, ...], labels: Tensor) -> Tensor:
        if isinstance(outputs, Tensor):
            return self.loss(outputs, labels)
        main, *heads = outputs
        weights = getattr(self.module, "aux_weights", ())
        total = self.loss(main, labels)
        for weight, head in zip(weights, heads, strict=True):
            total = total + weight * self.loss(head, labels)
        return total

    def record(self, progress: Progress, check_stop: AfterStep) -> Record:
        """Test the module, and give the record of the epoch whose steps are all done.

        `check_stop` is called before each batch; what it raises ends the test.
        """
        start = time.perf_counter()
        tested = self._evaluated(self.dataset.test, check_stop)
        record = {
            "epoch": progress.epoch + 1,
            "train_loss": progress.total.item() / progress.seen,
            "test_loss": tested.pop("loss"),
            **tested,
        }
        if self.dataset.val is not None:
            validated = self._evaluated(self.dataset.val, check_stop)
            record |= {f"val_{key}": value for key, value in validated.items()}
        seconds = progress.seconds + time.perf_counter() - start
        return {
            **record,
            "lr": self.optimizer.param_groups[0]["lr"],
            "seconds": round(seconds, 3),
            "images_per_second": round(progress.seen / progress.seconds, 1),
        }

    def _evaluated(self, split: Split, check_stop: AfterStep) -> dict[str, float]:
        """The `loss` over a split, and each metric by its key."""

        def forward(*inputs: np.ndarray) -> Floats:
            check_stop()
            return self._logits(*inputs)

        feed = Feed(split, CPU, self.config.workers)
        size = self.config.batch
        order = [np.arange(i, min(i + size, len(split))) for i in range(0, len(split), size)]
        batches = (
            {name: value.numpy() for name, value in batch.inputs.items()}
            for batch in feed.batches(order)
        )
        logits, labels = predict(forward, batches, self.dataset), split.labels
        loss = self.loss(torch.from_numpy(logits), as_target(torch.from_numpy(labels))).item()
        return {"loss": loss, **measured(logits, labels, self.dataset, self.config.metrics)}

    def _logits(self, *inputs: np.ndarray) -> Floats:
        self.module.eval()
        with torch.inference_mode():
            outputs = self.module(*(torch.from_numpy(i).to(self.device) for i in inputs))
        logits = outputs if isinstance(outputs, Tensor) else outputs[0]
        return logits.float().cpu().numpy()


def torch_device(name: str) -> torch.device:
    """The device for `cpu`, `cuda` or `auto`.

    Raises SettingError `no-device` for `cuda` if torch finds no CUDA device.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        help = "use `--device cpu`, or `--device auto`, which uses a GPU if there is one"
        raise SettingError("no-device", "torch finds no CUDA device here", "device", help)
    return torch.device("cuda" if available and name != "cpu" else "cpu")
