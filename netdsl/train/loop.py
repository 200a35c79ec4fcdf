"""Trains a torch module on a dataset, and writes the files of the run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import torch
from rich.console import Console
from rich.progress import Progress as Bar

from netdsl.errors import SettingError
from netdsl.process.stops import Stopped
from netdsl.train import checkpoint, report
from netdsl.train.checkpoint import Progress, Record
from netdsl.train.finite import CALMER, Watch
from netdsl.train.folder import CURVES, LOG, WEIGHTS, locked, prepare
from netdsl.train.identity import Identity, settings_of
from netdsl.train.run import Run, torch_device
from netdsl.train.stopping import StopRequest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import nn

    from netdsl.data.dataset import Dataset
    from netdsl.train.config import TrainConfig


class Start(Enum):
    """What to do with the files of another run in the folder."""

    NEW = "refuse"
    OVERWRITE = "overwrite"
    RESUME = "resume"
    RESUME_CHANGED = "resume, although the net, its settings or the data have changed"

    @property
    def resumes(self) -> bool:
        """Whether the run goes on from the checkpoint in the folder."""
        return self in (Start.RESUME, Start.RESUME_CHANGED)


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
    start: Start = Start.NEW,
    layers: Mapping[str, str] | None = None,
    about: Mapping[str, str] | None = None,
    console: Console | None = None,
    name: str | None = None,
) -> Result:
    """Train `module` in place; write checkpoint, weights, log and curves to the folder `out`.

    `device` is `cpu`, `cuda` or `auto`. `name` is the name of the net for the files, and `layers`
    describes its layers by name, for the comparison with the run that is resumed. `about` is what
    the weights carry besides. In training mode, the module may return a tuple: the logits, and the
    logits of auxiliary heads, whose losses are added with the weights `module.aux_weights`. The
    caller determines the initial weights: seed torch before building the module. Every step reseeds
    torch's generators.

    A signal that asks the process to stop ends the run after the step at hand, with a checkpoint.

    Raises SettingError: `data-mismatch`, `bad-argument`, `no-device`, `nothing-to-train`,
    `diverged`, and the codes of `folder` and of `checkpoint.load`. Raises OSError if a file cannot
    be written, and `Stopped` after a signal.
    """
    run = Run(module, config.adapt(dataset), config, torch_device(device))
    identity: Identity = {
        "net": dict(layers or {}),
        "settings": settings_of(config),
        "data": dataset.sum(),
    }
    about = {**(about or {}), "net": name or type(module).__name__}
    files = _Files(out, run, identity, about, console or Console())
    with locked(out), StopRequest() as stop:
        if prepare(out, resume=start.resumes, overwrite=start is Start.OVERWRITE):
            progress = files.load(allow_changes=start is Start.RESUME_CHANGED)
        else:
            progress = Progress(total=torch.zeros((), device=run.device))
            if start.resumes:
                files.say(f"{out} has no checkpoint: the run starts at the beginning")
        if progress.epoch >= config.epochs:
            files.say(f"{out} has all {config.epochs} epochs already")
        _train(files, progress, stop)
    return Result(tuple(progress.history), out / WEIGHTS)


def _train(files: _Files, progress: Progress, stop: StopRequest) -> None:
    """Train the epochs that are not done; save at the end of each, and after a signal."""
    try:
        with Bar(
            console=files.console, transient=True, disable=not files.console.is_terminal
        ) as bar:
            while progress.epoch < files.run.config.epochs:
                _train_epoch(files, progress, stop, bar)
    except Stopped:
        files.save_checkpoint(progress)
        files.write_curves(progress)
        raise
    except SettingError:
        files.write_curves(progress)
        raise
    files.write_curves(progress)


def _train_epoch(files: _Files, progress: Progress, stop: StopRequest, bar: Bar) -> None:
    run, number = files.run, progress.epoch + 1
    count = len(run.steps(progress.epoch))
    task = bar.add_task(f"epoch {number}/{run.config.epochs}", total=count, completed=progress.step)
    watch = Watch(run.module, progress.first)

    def after_step() -> None:
        progress.first = watch.first
        bar.advance(task)
        stop.check()

    run.train_epoch(progress, watch, after_step)
    record = run.record(progress, stop.check)
    if not math.isfinite(record["test_loss"]):
        message = f"the test loss is {record['test_loss']} in epoch {number}"
        raise SettingError("diverged", message, "optimizer", CALMER)
    watch.check_stored(f"after epoch {number}")
    progress.end_epoch(record)
    bar.remove_task(task)
    files.save_epoch(progress)


class _Files:
    """The files of a run, and the lines that it prints."""

    def __init__(
        self, out: Path, run: Run, identity: Identity, about: Mapping[str, str], console: Console
    ) -> None:
        self.out, self.run, self.identity, self.about = out, run, identity, about
        self.console = console
        self._keys = [m.key for m in run.config.metrics] if run.dataset.classes else []

    def say(self, line: str) -> None:
        """Print a line as it is."""
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def load(self, *, allow_changes: bool) -> Progress:
        """The progress of the checkpoint, which is loaded into the run."""
        run = self.run
        return checkpoint.load(
            self.out, run.module, run.optimizer, self.identity, allow_changes=allow_changes
        )

    def save_epoch(self, progress: Progress) -> None:
        """Write the files after an epoch, and print its line.

        The checkpoint comes last: if the process ends before it, the epoch is repeated.
        """
        run = self.run
        checkpoint.save_weights(self.out / WEIGHTS, run.module, run.dataset, self.about)
        report.write_log(self.out / LOG, progress.history)
        self.save_checkpoint(progress)
        self.say(report.epoch_line(progress.history[-1], run.config.epochs, self._keys))

    def save_checkpoint(self, progress: Progress) -> None:
        """Write the state of the run."""
        run = self.run
        checkpoint.save(self.out, run.module, run.optimizer, progress, self.identity)

    def write_curves(self, progress: Progress) -> None:
        """Draw the epochs that are done."""
        if progress.history:
            title = f"{self.about['net']} on {self.run.dataset.name}"
            report.write_curves(self.out / CURVES, progress.history, self._keys, title)
