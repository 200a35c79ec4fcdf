"""What a user sees during training: the bar, the lines elsewhere, and the pace of drawings."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
import torch
from rich.console import Console

from netdsl.train.checkpoint import Progress
from netdsl.train.display import EVERY_LINE, Display, clock_text
from netdsl.train.journal import FIRST, SHARE, Pace
from tests.support.training import config, net, run


class Clock:
    """Seconds that pass only when a test lets them."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def progress(step: int, epoch: int = 0) -> Progress:
    """An epoch of batches of 10 images, each of which takes half a second."""
    history = [{"epoch": float(number)} for number in range(epoch)]
    total, correct = torch.tensor(5.0 * step), torch.tensor(8 * step)
    return Progress(history, step, total, correct, 10 * step, 0.5 * step)


def shown(*, terminal: bool) -> tuple[Display, io.StringIO, Clock]:
    output, clock = io.StringIO(), Clock()
    console = Console(file=output, force_terminal=terminal, width=100, highlight=False)
    return Display(console, 3, clock), output, clock


def test_the_bar_shows_loss_accuracy_speed_and_time_left() -> None:
    """Each figure is that of the epoch so far; the time left is that of all epochs."""
    display, output, clock = shown(terminal=True)
    with display:
        display.begin_epoch(progress(0), 100)
        clock.now = 10
        display.after_step(progress(20))
    line = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", output.getvalue())
    assert "epoch 1/3" in line
    # 280 steps of half a second are left.
    assert "loss 0.5000  accuracy 80.00 %  20 images/s  2:20 left" in line


def test_the_time_left_includes_the_tests() -> None:
    """After the first epoch, the seconds of its test are added for each epoch that is left."""
    display, output, clock = shown(terminal=True)
    with display:
        display.begin_epoch(progress(0), 100)
        display.after_step(progress(100))
        clock.now = 7
        display.end_epoch()
        display.begin_epoch(progress(0, epoch=1), 100)
        clock.now = 8
        display.after_step(progress(2, epoch=1))
    # 198 steps of half a second, and two tests of 7 seconds.
    assert "1:53 left" in output.getvalue()


def test_plain_lines_come_once_in_a_while() -> None:
    """Without a terminal, a long epoch has a line each minute, and a short one has none."""
    display, output, clock = shown(terminal=False)
    with display:
        display.begin_epoch(progress(0), 1000)
        for step in range(1, 1001):
            clock.now = step * EVERY_LINE / 400
            display.after_step(progress(step))
        display.end_epoch()
    lines = output.getvalue().splitlines()
    assert [line.split("  ")[:2] for line in lines] == [
        ["epoch 1/3", "step 400/1000"],
        ["epoch 1/3", "step 800/1000"],
    ]
    assert lines[0].endswith("loss 0.5000  accuracy 80.00 %  20 images/s  21:40 left")


def test_lines_of_a_run_without_a_terminal(tmp_path: Path) -> None:
    """A short run prints one line for each epoch, without colours or a bar."""
    output = io.StringIO()
    run(net(), tmp_path, config(), console=Console(file=output, width=200))
    lines = output.getvalue().splitlines()
    assert [line[:9] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    assert "\x1b" not in output.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (59.6, "1:00"), (754, "12:34"), (3_600, "1:00:00"), (183_845, "2 d 3:04:05")],
)
def test_clock(seconds: float, text: str) -> None:
    """Times have hours and days only if they need them."""
    assert clock_text(seconds) == text


def test_drawing_takes_a_small_share_of_the_time() -> None:
    """However long drawings and epochs take, at most the share is spent, at the ends of epochs."""
    for cost, epoch in ((0.3, 0.5), (0.3, 20.0), (5.0, 30.0), (0.01, 0.1)):
        clock = Clock()
        pace, spent, drawings = Pace(clock), 0.0, 0
        while clock.now < 20_000 * epoch:
            clock.now += epoch
            if pace.is_due():
                with pace.timed():
                    clock.now += cost
                spent, drawings = spent + cost, drawings + 1
        assert drawings
        assert spent <= SHARE * clock.now + cost
        assert drawings >= 0.9 * min(20_000, clock.now / (max(epoch, cost / SHARE) + cost + epoch))


def test_the_first_drawing_is_not_at_once() -> None:
    """A run of a few seconds is drawn only at its end."""
    clock = Clock()
    pace = Pace(clock)
    clock.now = 0.9 * FIRST / SHARE
    assert not pace.is_due()
    clock.now = 1.1 * FIRST / SHARE
    assert pace.is_due()
