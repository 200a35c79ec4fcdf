"""One training run: the steps on its module, and the test of each epoch."""

import time
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from netdsl.data.dataset import Dataset, Floats, Labels
from netdsl.data.evaluate import predict
from netdsl.errors import SettingError
from netdsl.train.checkpoint import Progress
from netdsl.train.config import TrainConfig
from netdsl.train.finite import Watch
from netdsl.train.order import Step, seed_draws, steps_of
from netdsl.train.parts import build_input, build_loss, build_optimizer, rate_factor
from netdsl.train.records import Record

AfterStep = Callable[[], None]


class Run:
    """One run: the module, its loss and optimizer, and the dataset on the device."""

    def __init__(
        self, module: nn.Module, dataset: Dataset, config: TrainConfig, device: torch.device
    ) -> None:
        self.module = module.to(device)
        self.dataset, self.config, self.device = dataset, config, device
        self.loss = build_loss(config.loss)
        self.optimizer = build_optimizer(config.optimizer, module.parameters())
        self.prepare = build_input(config.augment, dataset, device)
        self.images = torch.from_numpy(dataset.train.images).to(device)
        self.labels = torch.from_numpy(dataset.train.labels).to(device)
        self.test_labels = torch.from_numpy(dataset.test.labels)
        self.predicted: Labels | None = None  # the classes of the test images, by the last test
        self._probe()

    def _probe(self) -> None:
        """Run two images, so that a mismatch of net, data and metrics is found at once."""
        logits = predict(self._logits, self.dataset.test.images[:2], self.dataset, 2)
        for metric in self.config.metrics:
            metric(logits, self.dataset.test.labels[:2])

    def steps(self, epoch: int) -> Sequence[Step]:
        """The steps of an epoch, counted from 0."""
        return steps_of(self.config.seed, epoch, len(self.images), self.config.batch)

    def train_epoch(self, progress: Progress, watch: Watch, after_step: AfterStep) -> None:
        """Train the steps of the epoch at hand that are not done yet.

        `after_step` is called after each; what it raises ends the epoch.
        """
        epoch, steps = progress.epoch, self.steps(progress.epoch)
        start = time.perf_counter() - progress.seconds
        self.module.train()
        for index in range(progress.step, len(steps)):
            step = steps[index]
            self._set_rate(epoch, index, len(steps))
            loss, correct = self._step(step)
            place = f"in step {index + 1} of epoch {epoch + 1}"
            watch.check(loss, place, partial(self._forward, step))
            progress.total += loss * len(step.indices)
            progress.correct += correct
            progress.seen += len(step.indices)
            progress.step += 1
            progress.seconds = time.perf_counter() - start
            after_step()

    def _set_rate(self, epoch: int, index: int, count: int) -> None:
        factor = rate_factor(self.config.schedule, epoch * count + index, count, self.config.epochs)
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.optimizer.lr * factor

    def _step(self, step: Step) -> tuple[Tensor, Tensor]:
        """Train on a batch; gives the results of `_forward`."""
        loss, correct = self._forward(step)
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        self.optimizer.step()
        return loss.detach(), correct

    def _forward(self, step: Step) -> tuple[Tensor, Tensor]:
        """The mean loss of a batch, and how many of its images are classified correctly."""
        seed_draws(step.seed, self.device)
        chosen = torch.from_numpy(step.indices).to(self.device)
        outputs = self.module(self.prepare(self.images[chosen]))
        labels = self.labels[chosen]
        logits = outputs if isinstance(outputs, Tensor) else outputs[0]
        correct = (logits.detach().argmax(1) == labels).sum()
        return self._total_loss(outputs, labels), correct

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

        def forward(images: Floats) -> Floats:
            check_stop()
            return self._logits(images)

        split = self.dataset.test
        logits = predict(forward, split.images, self.dataset, self.config.batch)
        self.predicted = logits.argmax(axis=1)
        loss = self.loss(torch.from_numpy(logits), self.test_labels).item()
        seconds = progress.seconds + time.perf_counter() - start
        return {
            "epoch": progress.epoch + 1,
            "train_loss": progress.total.item() / progress.seen,
            "train_accuracy": progress.correct.item() / progress.seen,
            "test_loss": loss,
            **{metric.key: metric(logits, split.labels) for metric in self.config.metrics},
            "lr": self.optimizer.param_groups[0]["lr"],
            "seconds": round(seconds, 3),
            "images_per_second": round(progress.seen / progress.seconds, 1),
        }

    def _logits(self, images: Floats) -> Floats:
        self.module.eval()
        with torch.inference_mode():
            outputs = self.module(torch.from_numpy(images).to(self.device))
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
