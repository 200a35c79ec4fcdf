"""What a user sees while a net trains: a bar on a terminal, and a line now and then elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Column

from netdsl.train.records import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from rich.console import Console

    from netdsl.train.checkpoint import Progress
    from netdsl.train.records import Record

EVERY = 0.1  # seconds between two changes of the bar
EVERY_LINE = 60.0  # seconds between two lines within an epoch


class Display:
    """Shows the loss, the accuracy, the images per second and the time left.

    `epochs` is the number of epochs of the run, and `clock` gives seconds. Without `classes`, no
    accuracy is shown.
    """

    def __init__(
        self,
        console: Console,
        epochs: int,
        clock: Callable[[], float] = time.monotonic,
        *,
        classes: bool = True,
    ) -> None:
        self._console, self._epochs, self._clock, self._classes = console, epochs, clock, classes
        self._bar = Bar(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None, table_column=Column(ratio=1)),
            TextColumn("{task.fields[figures]}", markup=False),
            console=console,
            transient=True,
            expand=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", figures="", visible=False)
        self._every = EVERY_LINE
        if console.is_terminal:
            self._every = EVERY
        self._shown = clock()
        self._steps = 0
        self._last_step = 0.0
        self._test = 0.0  # seconds of the last test

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def begin_epoch(self, progress: Progress, steps: int) -> None:
        """Begin an epoch that has so many steps, of which some may be done already."""
        self._steps, self._shown = steps, self._clock()
        epoch = f"epoch {progress.epoch + 1}/{self._epochs}"
        self._bar.reset(
            self._task,
            total=steps,
            completed=progress.step,
            description=epoch,
            figures="",
            visible=True,
        )

    def after_step(self, progress: Progress) -> None:
        """Show how far the run is, unless that was shown a moment ago."""
        self._last_step = self._clock()
        is_last = progress.step == self._steps and self._console.is_terminal
        if not is_last and self._last_step - self._shown < self._every:
            return
        self._shown = self._last_step
        figures = "  ".join(self._figures(progress))
        self._bar.update(self._task, completed=progress.step, figures=figures)
        if not self._console.is_terminal:
            epoch = f"epoch {progress.epoch + 1}/{self._epochs}"
            self.say(f"{epoch}  step {progress.step}/{self._steps}  {figures}")

    def end_epoch(self) -> None:
        """End an epoch after its test."""
        self._test = self._clock() - self._last_step
        self._bar.update(self._task, visible=False)

    def say(self, line: str) -> None:
        """Print a line as it is."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _figures(self, progress: Progress) -> list[str]:
        figures = [f"loss {shown('loss', progress.total.item() / progress.seen)}"]
        if self._classes:
            figures.append(f"accuracy {shown('accuracy', progress.correct.item() / progress.seen)}")
        return [
            *figures,
            f"{progress.seen / progress.seconds:,.0f} images/s",
            f"{clock_text(self._seconds_left(progress))} left",
        ]

    def _seconds_left(self, progress: Progress) -> float:
        """The time of all steps and tests that are left, at the pace of this epoch."""
        epochs = self._epochs - progress.epoch
        steps = epochs * self._steps - progress.step
        return steps * progress.seconds / progress.step + epochs * self._test


def epoch_line(record: Record, epochs: int, metrics: Sequence[str]) -> str:
    """One line, such as `epoch 3/10  train loss 0.4120  test loss 0.3980  accuracy 85.70 % ...`.

    With a validation set, its results take the place of those of the test.
    """
    width = len(str(epochs))
    prefix, name, loss = "", "test", record["test_loss"]
    if "val_loss" in record:
        prefix, name, loss = "val_", "validation", record["val_loss"]
    parts = [
        f"epoch {int(record['epoch']):{width}}/{epochs}",
        f"train loss {shown('loss', record['train_loss'])}",
        f"{name} loss {shown('loss', loss)}",
        *(f"{key} {shown(key, record[prefix + key])}" for key in metrics),
        f"{record['seconds']:.1f} s",
        f"{record['images_per_second']:,.0f} images/s",
    ]
    return "  ".join(parts)


def clock_text(seconds: float) -> str:
    """Seconds as `0:07`, `12:30`, `3:05:00` or `2 d 3:05:00`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours}:{minutes:02}:{rest:02}"
    if hours:
        return f"{hours}:{minutes:02}:{rest:02}"
    return f"{minutes}:{rest:02}"
