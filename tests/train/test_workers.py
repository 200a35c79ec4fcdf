"""Runs whose pictures are decoded by worker processes, and that signals or `kill -9` interrupt."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

import netdsl
from netdsl.train import checkpoint
from tests.support.paths import ROOT
from tests.support.photos import write_net, write_photos

if TYPE_CHECKING:
    from pathlib import Path


def start(folder: Path, out: str) -> subprocess.Popen[str]:
    """A process that trains with two workers, in a process group of its own."""
    command = [sys.executable, "-m", "netdsl", "train", "small.net", "--resume", "--out", out]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "NETDSL_MAX_DECODED_BYTES": "1000",
    }
    return subprocess.Popen(
        [*command, "--set", "train.workers=2", "--set", "train.epochs=30"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def children(number: int) -> list[int]:
    """The processes that a process has started, and those that these have started."""
    with open(f"/proc/{number}/task/{number}/children", encoding="ascii") as file:
        own = [int(text) for text in file.read().split()]
    return own + [deeper for child in own for deeper in children(child)]


def wait_for_epochs(process: subprocess.Popen[str], log: Path, count: int) -> None:
    """Wait until the log has as many epochs."""
    while process.poll() is None and not (
        log.exists() and len(log.read_text(encoding="utf-8").splitlines()) >= count
    ):
        time.sleep(0.01)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos, and a run without interruptions."""
    folder = tmp_path_factory.mktemp("workers")
    write_photos(folder / "photos")
    write_net(folder, 'folder("photos", size = 16)')
    process = start(folder, "whole")
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return folder


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="it finds processes in /proc")
@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGTERM, marks=pytest.mark.slow), signal.SIGKILL]
)
def test_a_run_with_workers_resumes_to_the_bit(whole: Path, number: signal.Signals) -> None:
    """After a signal to all its processes, none is left, and the resumed run has the same weights.

    The code is that of the signal, and the messages have no traceback of a worker.
    """
    out = f"run-{number.name}"
    process = start(whole, out)
    wait_for_epochs(process, whole / out / "log.jsonl", 2)
    family = children(process.pid)
    assert len(family) >= 2
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
    assert "Traceback" not in errors
    deadline = time.monotonic() + 30
    while any(os.path.exists(f"/proc/{child}") for child in family):
        assert time.monotonic() < deadline, "a worker is left"
        time.sleep(0.05)
    process = start(whole, out)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    expected = (whole / "whole" / "weights.safetensors").read_bytes()
    assert (whole / out / "weights.safetensors").read_bytes() == expected


def test_an_error_ends_the_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python would wait for them forever at its end, for they ignore its signal."""

    def fail(*_: object) -> None:
        raise OSError("no space left")

    np.save(tmp_path / "x.npy", np.zeros((8, 3), np.float32))
    np.save(tmp_path / "y.npy", np.arange(8) % 2)
    text = "net Small {\n    input x: 3\n    output y: dense(2)\n}\n"
    monkeypatch.setattr(checkpoint, "save", fail)
    before = multiprocessing.active_children()
    with pytest.raises(OSError, match="no space left") as caught:
        netdsl.loads(text).train(
            tmp_path / "run", data=f'npy("{tmp_path}")', workers=1, epochs=1, quiet=True
        )
    assert caught.tb is not None  # which refers to the readers
    assert multiprocessing.active_children() == before
