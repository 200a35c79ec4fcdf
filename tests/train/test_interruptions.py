"""Real training processes that are killed or asked to stop, at any moment."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from netdsl.weights.sums import check_sums

ROOT = Path(__file__).parents[2]
NET = """net Small {
    input image: 1x28x28
    conv(4, 5, stride = 2) -> bn -> relu -> dropout(0.1) -> flatten
    output logits: dense(10)
}
train Small {
    data = fashion_mnist_sample
    augment = random_crop(28, pad = 2)
    optimizer = adam
    ema = 0.9
    accumulate = 2
    clip_norm = 1
    epochs = 3
    batch = 500
}
"""
EXIT = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGKILL: -9}
KILLS, STOPS = 60, 40


class Training:
    """A process that trains in a folder, resuming what is there."""

    def __init__(self, folder: Path, out: str) -> None:
        command = [sys.executable, "-m", "netdsl", "train", "small.net", "--out", out, "--resume"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def stop(self, number: int, after: float) -> int:
        """Send a signal some seconds after the start; returns the exit code."""
        try:
            self.process.communicate(timeout=after)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, number)
            self.process.communicate(timeout=300)
        return self.process.returncode

    def end(self) -> float:
        """Wait for the end of the run; returns the seconds that it took."""
        _, messages = self.process.communicate(timeout=600)
        assert self.process.returncode == 0, messages
        return time.monotonic() - self.started


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """A folder with a run without interruptions, and its seconds."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "small.net").write_text(NET)
    return folder, Training(folder, "whole").end()


def moments(seconds: float, count: int) -> Iterator[float]:
    """Random moments of a run, the first epoch included."""
    rng = random.Random(0)
    for _ in range(count):
        yield rng.uniform(0.2, 1.0) * seconds


def check_interrupted(folder: Path, seconds: float, number: int, count: int) -> None:
    """Interrupt runs at random moments; the weights at their end are those of the whole run."""
    expected = (folder / "whole" / "weights.safetensors").read_bytes()
    left = list(moments(seconds, count))
    run = 0
    while left:
        out, run = f"run-{number}-{run}", run + 1
        ended = False
        while not ended:
            training = Training(folder, out)
            if left:
                code = training.stop(number, left.pop())
                assert code in (0, EXIT[signal.Signals(number)])
                ended = code == 0
            else:
                training.end()
                ended = True
            checkpoint = folder / out / "checkpoint.safetensors"
            if checkpoint.exists():
                check_sums(checkpoint, required=True)
        assert (folder / out / "weights.safetensors").read_bytes() == expected


def test_a_few_interruptions(whole: tuple[Path, float]) -> None:
    """A run that is killed twice ends with the same bits."""
    check_interrupted(*whole, signal.SIGKILL, 2)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "count"), [(signal.SIGKILL, KILLS), (signal.SIGTERM, STOPS)])
def test_many_interruptions(whole: tuple[Path, float], number: int, count: int) -> None:
    """The same for many moments."""
    check_interrupted(*whole, number, count)
