"""Trains a torch module on a dataset, and writes the files of the run."""

from __future__ import annotations

import time
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, cast

from rich.console import Console

from netdsl.advising import advises
from netdsl.errors import SettingError
from netdsl.process.stops import Stopped, stop_word
from netdsl.train import checkpoint
from netdsl.train.checkpoint import Progress
from netdsl.train.display import Display, epoch_line
from netdsl.train.finite import AT_ONCE, CALMER, Watch
from netdsl.train.folder import BEST, EPOCH, WEIGHTS, locked, prepare
from netdsl.train.identity import RunIdentity, check_equal, settings_of
from netdsl.train.journal import Journal, Subject, check_foreign
from netdsl.train.logs import check_logs
from netdsl.train.monitor import best_epoch, check_monitored, stops_early
from netdsl.train.numerics import options_of
from netdsl.train.parallel import check_sync
from netdsl.train.processes import ALONE, Processes
from netdsl.train.records import EpochRecord
from netdsl.train.run import Run, torch_device
from netdsl.train.run_file import DIVERGED, FAILED, FINISHED, STOPPED
from netdsl.train.selection import ANY, NetNames
from netdsl.train.staged import StagedRun
from netdsl.train.stopping import StopRequest
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import nn

    from netdsl.data.dataset import Dataset
    from netdsl.diagnostics import Diagnostic
    from netdsl.train.config import TrainConfig
    from netdsl.train.stages import Stage


LARGE = 1e6  # a loss in the first step that is worth a warning
RISEN = 1.1  # a loss that is so many times that of the first step at the end is too large


class StartMode(Enum):
    """What to do with the files of another run in the folder."""

    NEW = "refuse"
    OVERWRITE = "overwrite"
    RESUME = "resume"
    RESUME_CHANGED = "resume, although the net, its settings or the data have changed"

    @classmethod
    def of(cls, resume: bool, overwrite: bool, allow_changes: bool) -> StartMode:
        """The mode for the options of a user."""
        if overwrite:
            return cls.OVERWRITE
        if not resume:
            return cls.NEW
        return cls.RESUME_CHANGED if allow_changes else cls.RESUME

    @property
    def resumes(self) -> bool:
        """Whether the run goes on from the checkpoint in the folder."""
        return self in (StartMode.RESUME, StartMode.RESUME_CHANGED)


@advises(
    weights="path checkpoint file weights_path",
    history="records epochs losses log logs",
    final="last accuracy loss test_loss train_loss metrics result",
)
@dataclass(frozen=True)
class Result:
    """A finished run: a record for each epoch, and the file with the weights.

    A record contains `epoch`, `train_loss` and `train_accuracy` (of the batches as they were
    trained), `test_loss`, each metric by its key, `lr` (at the last batch), `seconds` (of training
    and test), and `images_per_second` (of the training only). `warnings` are those about the data
    and the recipe.
    """

    history: tuple[EpochRecord, ...]
    weights: Path
    warnings: tuple[Diagnostic, ...] = ()

    @property
    def final(self) -> EpochRecord:
        """The record of the last epoch."""
        return self.history[-1]


def train(
    module: nn.Module,
    dataset: Dataset,
    config: TrainConfig,
    out: Path,
    *,
    device: str = "cpu",
    start: StartMode = StartMode.NEW,
    layers: Mapping[str, str] | None = None,
    ends: NetNames = ANY,
    about: Mapping[str, str] | None = None,
    subject: Subject | None = None,
    console: Console | None = None,
    name: str | None = None,
    processes: Processes = ALONE,
    stage: Stage | None = None,
) -> Result:
    """Train `module` in place; write checkpoint, weights and reports to the folder `out`.

    `device` is `cpu`, `cuda` or `auto`. `name` is the name of the net for the files, and `layers`
    describes its layers by name, for the comparison with the run that is resumed. `ends` has its
    outputs, and the kinds of layers that the settings can name. `about` is what the weights carry
    besides, and `subject` is the net for the reports. In training mode, the module may return a
    tuple: the outputs, and the scores of auxiliary heads, whose losses are added with the weights
    `module.aux_weights`. The caller determines the initial weights: seed torch before building the
    module. Every step reseeds torch's generators.

    Each of `processes` trains on its share of every batch; the first one writes the files. If
    `module` is only a `stage` of the net, every batch passes through all processes instead. A
    signal that asks one of them to stop ends the run after the step at hand, with a checkpoint.

    Raises SettingError: `data-mismatch`, `bad-argument`, `no-device`, `nothing-to-train`,
    `diverged`, `missing-package`, `lost-process`, `different-processes`, and the codes of `folder`
    and of `checkpoint.load`. Raises OSError if a file cannot be written, and `Stopped` after a
    signal.
    """
    subject, name = subject or Subject(), name or type(module).__name__
    check_logs(subject.logs)
    dataset = config.adapt(dataset)
    check_monitored(config, dataset)
    identity: RunIdentity = {
        "net": dict(layers or {}),
        "settings": settings_of(config),
        "data": dataset.sum(),
    }
    check_equal(processes, identity, config)
    about = {**(about or {}), "net": name}
    with options_of(config):
        chosen = torch_device(device, processes.on_machine_rank)
        check_sync(config, chosen)
        if stage is None:
            run = Run(module, dataset, config, chosen, ends, processes)
        else:
            run = StagedRun(module, dataset, config, chosen, ends, processes, stage)
        journal = None
        if processes.is_first:
            journal = Journal(out, run, subject, name, identity["data"])
        files = _Files(out, run, identity, about, console or Console(), journal)
        lock = locked(out) if processes.is_first else nullcontext()
        with closing(run), lock, StopRequest() as stop:
            if processes.is_first:
                check_foreign(out, subject.texts)
            progress = _begin(files, start)
            _train(files, progress, stop)
    return Result(tuple(map(EpochRecord, progress.history)), out / WEIGHTS)


def _begin(files: _Files, start: StartMode) -> Progress:
    """The progress of the run in the folder, or that of a new one."""
    config, resumed = files.run.config, files.prepare(start)
    if resumed:
        progress = files.load(permits_changes=start is StartMode.RESUME_CHANGED)
    else:
        progress = Progress()
        if start.resumes:
            files.say(f"{files.out} has no checkpoint: the run starts at the beginning")
    progress.move_to(files.run.device)
    files.begin(progress, resumed=resumed)
    if progress.epoch >= config.epochs:
        files.say(f"{files.out} has all {config.epochs} epochs already")
    return progress


def _train(files: _Files, progress: Progress, stop: StopRequest) -> None:
    """Train the epochs that are not done; save at the end of each, and after a signal."""
    try:
        classes = files.run.has_classes
        with Display(files.console, files.run.config.epochs, classes=classes) as display:
            while not files.is_finished(progress):
                _train_epoch(files, progress, stop, display)
    except Stopped as stopped:
        files.save_checkpoint(progress)
        done = f"{counted(progress.step, 'step')} of epoch {progress.epoch + 1}"
        files.say(f"{files.out} has the state after {done}; `--resume` continues from there")
        files.end(progress, STOPPED, stop_word(stopped.number))
        raise
    except SettingError as error:
        state = DIVERGED if error.code == "diverged" else FAILED
        files.end(progress, state, error.message)
        raise
    except BaseException as error:
        cause = files.run.processes.lost(error)
        if cause is not error:
            files.save_alone(progress)
        with suppress(OSError):  # the user learns of the first error
            files.end(progress, FAILED, str(cause) or type(cause).__name__)
        raise cause from None
    files.warn_of_rise(progress)
    files.end(progress, FINISHED)


def _train_epoch(files: _Files, progress: Progress, stop: StopRequest, display: Display) -> None:
    run, number = files.run, progress.epoch + 1
    display.begin_epoch(progress, len(run.steps(progress.epoch)))
    run.begin_epoch(progress.epoch)
    watch = Watch(run.module, progress.first, run.layer_processes)

    def check_stop() -> None:
        [number] = run.processes.most(stop.number)
        if number:
            raise Stopped(number)

    def after_step() -> None:
        if progress.first is None and watch.first is not None:
            progress.first = watch.first
            files.warn_of_large(watch.first)
        display.after_step(progress)
        number, is_due = run.processes.most(stop.number, files.is_due())
        if number:
            raise Stopped(number)
        if is_due:
            files.save_checkpoint(progress)

    run.train_epoch(progress, watch, after_step)
    record = run.record(progress, check_stop)
    watch.check_tested(record, f"in epoch {number}")
    watch.check_stored(f"after epoch {number}")
    progress.end_epoch(record)
    display.end_epoch()
    files.save_epoch(progress)


class _Files:
    """The files of a run, and the lines that it prints; only the first process has a journal."""

    def __init__(
        self,
        out: Path,
        run: Run,
        identity: RunIdentity,
        about: Mapping[str, str],
        console: Console,
        journal: Journal | None,
    ) -> None:
        self.out, self.run, self.identity, self.about = out, run, identity, about
        self.console, self.journal = console, journal
        self._keys = run.keys
        self._saved = time.monotonic()

    def say(self, line: str) -> None:
        """Print a line as it is."""
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def prepare(self, start: StartMode) -> bool:
        """Whether the run goes on from a checkpoint; raises as `folder.prepare`."""
        resumed = False
        if self.run.processes.is_first:
            overwrite = start is StartMode.OVERWRITE
            resumed = prepare(self.out, resume=start.resumes, overwrite=overwrite)
        return bool(self.run.processes.most(resumed)[0])

    def load(self, *, permits_changes: bool) -> Progress:
        """The progress of the checkpoint, which is loaded into the run.

        With `permits_changes`, the run says what has changed; otherwise it is an error.
        """
        run = self.run
        tell = self.say if permits_changes else None
        return checkpoint.load(self.out, run.parts, self.identity, run.processes, tell=tell)

    def begin(self, progress: Progress, *, resumed: bool) -> None:
        """Begin the reports."""
        if self.journal is not None:
            self.journal.begin(progress.history, resumed=resumed)

    def end(self, progress: Progress, state: str, reason: str = "") -> None:
        """Report how the run ended, as `Journal.end`."""
        if self.journal is not None:
            self.journal.end(progress.history, state, reason)

    def is_finished(self, progress: Progress) -> bool:
        """Whether all epochs are done, or the run stops early; the latter is printed."""
        config = self.run.config
        if progress.epoch >= config.epochs:
            return True
        if not stops_early(config, progress.history, self._keys):
            return False
        waited = counted(cast("int", config.early_stopping), "epoch")
        best = cast("int", best_epoch(progress.history, self._keys))
        self.say(f"stopped early: {waited} without a better result than in epoch {best + 1}")
        return True

    def warn_of_large(self, first: float) -> None:
        """Print that the loss of the first step is far larger than 1, if it is."""
        if first > LARGE:
            fact = f"the training loss is {first:.3g} in the first step"
            self.say(f"warning: {fact}: {AT_ONCE}")

    def warn_of_rise(self, progress: Progress) -> None:
        """Print that the loss has risen during the run: it has learned nothing."""
        first, last = progress.first, progress.history[-1]["train_loss"]
        if first is not None and last > RISEN * first > 0:
            fact = f"the training loss has risen from {first:.4g} in the first step to {last:.4g}"
            self.say(f"warning: {fact}: {CALMER}")

    def save_epoch(self, progress: Progress) -> None:
        """Write the files after an epoch, and print its line.

        If the process ends before the checkpoint is written, the epoch is repeated. The reports
        come after it: they are written again when the run goes on.
        """
        run, history = self.run, progress.history
        every = run.config.checkpoint_epochs
        self._save_weights(WEIGHTS)
        if best_epoch(history, self._keys) == progress.epoch - 1:
            self._save_weights(BEST)
        if every is not None and progress.epoch % every == 0:
            width = len(str(run.config.epochs))
            self._save_weights(EPOCH.format(f"{progress.epoch:0{width}}"))
        self.save_checkpoint(progress)
        if self.journal is not None:
            self.journal.add(progress.history)
        self.say(epoch_line(progress.history[-1], run.config.epochs, self._keys))

    def save_checkpoint(self, progress: Progress) -> None:
        """Write the state of the run."""
        run = self.run
        checkpoint.save(self.out, run.parts, progress, self.identity, run.processes)
        self._saved = time.monotonic()

    def save_alone(self, progress: Progress) -> None:
        """Write the state after the last complete step, unless another process has parts of it."""
        run = self.run
        is_whole = not run.parallel.shards and not run.layer_processes.are_many
        if run.processes.is_first and is_whole:
            run.parallel.undo_step()
            self.save_checkpoint(progress)

    def is_due(self) -> bool:
        """Whether the state was written `checkpoint_minutes` ago."""
        minutes = self.run.config.checkpoint_minutes
        return minutes is not None and time.monotonic() - self._saved >= 60 * minutes

    def _save_weights(self, name: str) -> None:
        run = self.run
        path, module, holders = self.out / name, run.tested, run.layer_processes
        checkpoint.save_weights(path, module, run.dataset, self.about, run.processes, holders)
