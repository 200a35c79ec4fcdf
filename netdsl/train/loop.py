"""Trains a torch module on a dataset in memory."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress as Bar
from torch import Tensor, nn

from netdsl.data.dataset import Dataset, Floats
from netdsl.data.evaluate import predict
from netdsl.errors import SettingError
from netdsl.files import make_folder
from netdsl.train import checkpoint, report
from netdsl.train.checkpoint import Progress, Record
from netdsl.train.config import TrainConfig
from netdsl.train.parts import build_input, build_loss, build_optimizer, rate_factor

WEIGHTS = "weights.safetensors"
CALMER = "lower `lr` of the optimizer, or give the schedule a warm-up, `cosine(warmup = 1)`"
CHECK_EVERY = 20  # batches between two checks of the loss: each check waits for the device


@dataclass(frozen=True)
class Result:
    """A finished run: a record for each epoch, and the file with the weights.

    A record contains `epoch`, `train_loss`, `test_loss`, `lr` (at the last batch), each metric by
    its key, `seconds` (of training and test), and `images_per_second` (of the training only).
    """

    history: tuple[Record, ...]
    weights: Path

    @property
    def final(self) -> Record:
        """The record of the last epoch."""
        return self.history[-1]


def train(
    module: nn.Module,
    dataset: Dataset,
    config: TrainConfig,
    out: Path,
    *,
    device: str = "cpu",
    resume: bool = False,
    console: Console | None = None,
    name: str | None = None,
) -> Result:
    """Train `module` in place; write checkpoint, weights, log and curves to the folder `out`.

    `device` is `cpu`, `cuda` or `auto`. `name` is the name of the net for the files. In training
    mode, the module may return a tuple: the logits, and the logits of auxiliary heads, whose losses
    are added with the weights `module.aux_weights`. The caller determines the initial weights: seed
    torch before building the module. Every epoch reseeds torch's generators.

    Raises SettingError: `data-mismatch`, `bad-argument`, `no-device`, `nothing-to-train`,
    `diverged`, and the codes of `checkpoint.load`. Raises OSError if a file cannot be written.
    """
    run = _TrainingRun(module, config.adapt(dataset), config, torch_device(device))
    progress = checkpoint.load(out, module, run.optimizer, config) if resume else Progress()
    make_folder(out)
    name = name or type(module).__name__
    keys = [metric.key for metric in config.metrics]
    console = console or Console()
    with Bar(console=console, transient=True, disable=not console.is_terminal) as bar:
        try:
            for record in run.epochs(progress.epoch, bar):
                progress.history.append(record)
                checkpoint.save_weights(out / WEIGHTS, module, run.dataset, name)
                report.write_log(out / "log.jsonl", progress.history)
                # This comes last: if the run stops before it, `--resume` repeats the epoch.
                checkpoint.save(out, module, run.optimizer, progress, config)
                line = report.epoch_line(record, config.epochs, keys)
                console.print(line, markup=False, highlight=False, soft_wrap=True)
        except OSError:
            raise  # the curves cannot be written either
        except BaseException:
            _write_curves(out, progress, keys, name, dataset)
            raise
        _write_curves(out, progress, keys, name, dataset)
    return Result(tuple(progress.history), out / WEIGHTS)


def _write_curves(
    out: Path, progress: Progress, keys: list[str], name: str, dataset: Dataset
) -> None:
    if progress.history:
        title = f"{name} on {dataset.name}"
        report.write_curves(out / "curves.png", progress.history, keys, title)


def torch_device(name: str) -> torch.device:
    """The device for `cpu`, `cuda` or `auto`.

    Raises SettingError `no-device` for `cuda` if torch finds no CUDA device.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        help = "use `--device cpu`, or `--device auto`, which uses a GPU if there is one"
        raise SettingError("no-device", "torch finds no CUDA device here", "device", help)
    return torch.device("cuda" if available and name != "cpu" else "cpu")


class _TrainingRun:
    """One run: the module, its loss and optimizer, and the dataset on the device."""

    def __init__(
        self,
        module: nn.Module,
        dataset: Dataset,
        config: TrainConfig,
        device: torch.device,
    ) -> None:
        self.module = module.to(device)
        self.dataset, self.config, self.device = dataset, config, device
        self.loss = build_loss(config.loss)
        self.optimizer = build_optimizer(config.optimizer, module.parameters())
        self.prepare = build_input(config.augment, dataset, device)
        self.images = torch.from_numpy(dataset.train.images).to(device)
        self.labels = torch.from_numpy(dataset.train.labels).to(device)
        self.test_labels = torch.from_numpy(dataset.test.labels)
        self._probe()

    def _probe(self) -> None:
        """Run two images, so that a mismatch of net, data and metrics is found at once."""
        logits = predict(self._logits, self.dataset.test.images[:2], self.dataset, 2)
        for metric in self.config.metrics:
            metric(logits, self.dataset.test.labels[:2])

    def epochs(self, done: int, bar: Bar) -> Iterator[Record]:
        """Train the epochs after the first `done`, and yield the record of each."""
        for epoch in range(done, self.config.epochs):
            start = time.perf_counter()
            train_loss = self._train_epoch(epoch, bar)
            seconds = time.perf_counter() - start
            measured = self._test()
            _check_finite("test", measured["test_loss"], epoch)
            _check_weights(self.module, epoch)
            yield {
                "epoch": epoch + 1,
                "train_loss": train_loss,
                **measured,
                "lr": self.optimizer.param_groups[0]["lr"],
                "seconds": round(time.perf_counter() - start, 3),
                "images_per_second": round(len(self.images) / seconds, 1),
            }

    def _train_epoch(self, epoch: int, bar: Bar) -> float:
        """Train one epoch and return its mean loss."""
        torch.manual_seed(_epoch_seed(self.config.seed, epoch))
        batches = self._batches()
        task = bar.add_task(f"epoch {epoch + 1}/{self.config.epochs}", total=len(batches))
        total, seen = torch.zeros((), device=self.device), 0
        self.module.train()
        for index, chosen in enumerate(batches):
            self._set_rate(epoch, index, len(batches))
            total += self._step(chosen) * len(chosen)
            seen += len(chosen)
            if index % CHECK_EVERY == 0 or index == len(batches) - 1:
                _check_finite("training", total.item(), epoch)
            bar.advance(task)
        bar.remove_task(task)
        return total.item() / seen

    def _batches(self) -> list[Tensor]:
        """The indices of the images of each batch, in random order."""
        order = torch.randperm(len(self.images)).to(self.device)
        batches = list(torch.split(order, self.config.batch))
        if len(batches) > 1 and len(batches[-1]) == 1:
            batches.pop()  # batch normalisation cannot be trained on a single image
        return batches

    def _set_rate(self, epoch: int, index: int, count: int) -> None:
        factor = rate_factor(self.config.schedule, epoch * count + index, count, self.config.epochs)
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.optimizer.lr * factor

    def _step(self, chosen: Tensor) -> Tensor:
        """Train on the images with these indices and return the mean loss."""
        outputs = self.module(self.prepare(self.images[chosen]))
        loss = self._total_loss(outputs, self.labels[chosen])
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        self.optimizer.step()
        return loss.detach()

    def _total_loss(self, outputs: Tensor | tuple[Tensor, ...], labels: Tensor) -> Tensor:
        if isinstance(outputs, Tensor):
            return self.loss(outputs, labels)
        main, *heads = outputs
        weights = getattr(self.module, "aux_weights", ())
        total = self.loss(main, labels)
        for weight, head in zip(weights, heads, strict=True):
            total = total + weight * self.loss(head, labels)
        return total

    def _test(self) -> Record:
        split = self.dataset.test
        logits = predict(self._logits, split.images, self.dataset, self.config.batch)
        loss = self.loss(torch.from_numpy(logits), self.test_labels).item()
        metrics = {metric.key: metric(logits, split.labels) for metric in self.config.metrics}
        return {"test_loss": loss, **metrics}

    def _logits(self, images: Floats) -> Floats:
        self.module.eval()
        with torch.inference_mode():
            outputs = self.module(torch.from_numpy(images).to(self.device))
        logits = outputs if isinstance(outputs, Tensor) else outputs[0]
        return logits.float().cpu().numpy()


def _epoch_seed(seed: int, epoch: int) -> int:
    """The seed of one epoch: a resumed run draws the same numbers as an uninterrupted one."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0])


def _check_finite(kind: str, loss: float, epoch: int) -> None:
    if not math.isfinite(loss):
        message = f"the {kind} loss is {loss} in epoch {epoch + 1}"
        raise SettingError("diverged", message, "optimizer", CALMER)


def _check_weights(module: nn.Module, epoch: int) -> None:
    """Refuse weights that are not finite; the loss can be finite all the same.

    The test loss, for example, does not depend on the weights of an auxiliary head.
    """
    for name, tensor in module.state_dict().items():
        if not tensor.isfinite().all():
            message = f"`{name}` has numbers that are not finite after epoch {epoch + 1}"
            raise SettingError("diverged", message, "optimizer", CALMER)
