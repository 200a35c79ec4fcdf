"""Trains the runs of a comparison, each in a process of its own, as many at once as are wanted."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from os import getpid
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from netdsl.files import scratch_folder
from netdsl.process.cores import cores
from netdsl.process.stops import Stopped
from netdsl.process.watch import end_with
from netdsl.train.compare.runs import THREADS, outcome_of
from netdsl.train.folder import LOG

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from signal import Signals

    from netdsl.train.compare.runs import Ended, Trial

PAUSE = 0.1  # seconds between two looks at the processes
STANDARD_INPUT = "-"
_ERROR = re.compile(r"^error\[[a-z-]+\]: (.+)$", re.MULTILINE)


class Execution(NamedTuple):
    """How runs are trained: on which device, how many at once, and `--data` for all.

    `workers` are the processes of a run that decode pictures, unless its section says how many.
    """

    device: str
    jobs: int
    data: str | None = None
    workers: int = 0


class _Process(NamedTuple):
    trial: Trial
    process: subprocess.Popen[str]
    complaints: Path  # what it prints to standard error


def usual_jobs(trials: Sequence[Trial], device: str) -> int:
    """How many runs fit on the cores at once; on a GPU, one."""
    if device != "cpu":
        return 1
    threads = max((trial.config.threads or THREADS for trial in trials), default=THREADS)
    return max(1, cores() // threads)


def usual_workers(jobs: int) -> int:
    """How many processes decode the pictures of each run: those that fit on the cores beside it."""
    return max(0, cores() // jobs - 1)


def train_all(
    trials: Sequence[Trial],
    how: Execution,
    on_end: Callable[[Ended], None],
    on_look: Callable[[int], None],
) -> None:
    """Train all runs, the longest first; `on_end` gets each outcome when it is there.

    `on_look` gets the number of epochs that the runs at hand have done. One that fails does not
    stop the others. After a signal, the runs at hand save their state, and `Stopped` is raised.
    """
    waiting = sorted(trials, key=_work, reverse=True)
    active: list[_Process] = []
    with scratch_folder() as scratch:
        try:
            while waiting or active:
                while waiting and len(active) < how.jobs:
                    trial = waiting.pop(0)
                    active.append(_started(trial, how, Path(scratch, trial.folder.name)))
                time.sleep(PAUSE)
                on_look(sum(map(_epochs_done, active)))
                for one in [one for one in active if one.process.poll() is not None]:
                    active.remove(one)
                    on_end(_ended(one))
        except Stopped as stopped:
            _stop(active, stopped.number)
            raise
        except BaseException:
            _stop(active, None)
            raise


def command_of(trial: Trial, how: Execution) -> list[str]:
    """The words of the command that trains a run."""
    variant = trial.variant
    words = ["train", "--out", str(trial.folder), "--device", how.device, "--resume", "--quiet"]
    for name, text in variant.subject.program.defines.items():
        words += ["-D", f"{name}={text}"]
    if how.data is not None:
        words += ["--data", how.data]
    fixed = {"seed": trial.config.seed, "threads": trial.config.threads}
    if trial.config.workers is None:
        fixed["workers"] = how.workers
    for name, value in {**variant.settings, **fixed}.items():
        words += ["--set", f"train.{name}={value}"]
    if variant.subject.file == STANDARD_INPUT:
        return [*words, STANDARD_INPUT]  # it has no second net that could be named
    return [*words, "--", f"{variant.subject.file}:{variant.subject.net}"]


def _work(trial: Trial) -> float:
    """How long a run takes, in no certain unit."""
    macs = trial.variant.figures.macs
    return trial.config.epochs * float(macs if isinstance(macs, int) else 0)


def _started(trial: Trial, how: Execution, complaints: Path) -> _Process:
    """Start the process of a run, which ends with this one."""
    subject = trial.variant.subject
    from_text = subject.file == STANDARD_INPUT
    with complaints.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "netdsl", *command_of(trial, how)],
            stdin=(subprocess.DEVNULL, subprocess.PIPE)[from_text],
            stdout=subprocess.DEVNULL,
            stderr=errors,
            encoding="utf-8",
            start_new_session=True,  # this process passes on the Control-C of a terminal
            preexec_fn=partial(end_with, getpid()),
        )
    if process.stdin is not None:
        with suppress(BrokenPipeError), process.stdin as pipe:
            pipe.write(subject.program.source.text)
    return _Process(trial, process, complaints)


def _ended(one: _Process) -> Ended:
    """The outcome of a process that has ended."""
    complaint = ""
    code = one.process.wait()
    if code:
        text = one.complaints.read_text(encoding="utf-8", errors="replace").strip()
        found = _ERROR.search(text)
        complaint = f"exit code {code}"
        if found is not None:
            complaint = found[1]
        elif text:
            complaint = text.splitlines()[-1]
    return outcome_of(one.trial, complaint)


def _stop(active: Sequence[_Process], number: int | Signals | None) -> None:
    """End all processes; after a signal of the user, they save their state first."""
    for one in active:
        if number is None:
            one.process.kill()
        else:
            one.process.send_signal(number)
    for one in active:
        one.process.wait()


def _epochs_done(one: _Process) -> int:
    """The epochs that a run has recorded so far."""
    try:
        return (one.trial.folder / LOG).read_bytes().count(b"\n")
    except OSError:
        return 0
