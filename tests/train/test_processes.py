"""Training in several real processes: the losses of one, and what happens when one is lost."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import distributed

from netdsl.config import SettingCall
from netdsl.errors import SettingError
from netdsl.train.augment import build_input
from netdsl.train.feed import Batch
from netdsl.train.portion import Portion
from netdsl.train.presence import Presence
from tests.support.together import together
from tests.support.training import CPU, config, tiny

ROOT = Path(__file__).parents[2]
WEIGHTS = "weights.safetensors"
KILLS = 30
NET = """net Small {
    input image: 1x28x28
    conv(4, 5, stride = 2) -> relu -> flatten
    output logits: dense(10)
}
train Small {
    data = fashion_mnist_sample(limit = 1500)
    augment = [random_crop(28, pad = 2), hflip]
    optimizer = adam
    accumulate = 2
    epochs = 2
    batch = 50
}
"""
AUGMENTATIONS = [
    SettingCall("random_crop", (8, 1)),
    SettingCall("random_resized_crop"),
    SettingCall("hflip"),
    SettingCall("rotation", (10,)),
    SettingCall("scale", ([0.5, 1.0],)),
    SettingCall("shift", (0.1,)),
    SettingCall("shear", (10,)),
    SettingCall("color_jitter", (0.1, 0.1, 0.1, 0.1)),
    SettingCall("gaussian_blur", (3,)),
    SettingCall("random_erasing"),
    SettingCall("rand_augment"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "small.net").write_text(NET)
    return tmp_path


def start(
    folder: Path, out: str, count: int, *words: str, **variables: str
) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "netdsl", "train", "small.net", "--out", out, *words]
    if count > 1:
        command += ["--nproc", str(count), "--timeout", "60"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **variables}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True
    )


def trained(folder: Path, out: str, count: int, *words: str) -> list[dict[str, float]]:
    """The records of the epochs of a run in so many processes."""
    for ended in together(folder, count, "train", "small.net", "--out", out, *words):
        assert ended.code == 0, ended.messages
        assert "Warning" not in ended.messages
    return [json.loads(line) for line in (folder / out / "log.jsonl").read_text().splitlines()]


def ranks(launcher: int) -> dict[int, int]:
    """The numbers of the training processes below a launcher, by their ranks."""
    found = {}
    children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text(encoding="ascii")
    for child in children.split():
        try:
            variables = Path(f"/proc/{child}/environ").read_bytes().decode().split("\0")
        except (FileNotFoundError, ProcessLookupError):  # it has just ended
            continue
        own = [v.removeprefix("RANK=") for v in variables if v.startswith("RANK=")]
        if own:
            found[int(own[0])] = int(child)
    return found


@pytest.mark.parametrize("augmentation", AUGMENTATIONS, ids=lambda call: call.name)
def test_a_share_of_a_batch_is_augmented_as_in_the_whole_one(augmentation: SettingCall) -> None:
    """The images of every share have the bits that they have in one process."""
    augment = config(augment=[augmentation]).augment
    data = tiny(7, channels=3)
    images = torch.from_numpy(data.train.inputs["image"].read(range(7)))
    labels = torch.arange(7) % 3
    portion = Portion()
    whole, part = build_input(augment, data, CPU), build_input(augment, data, CPU, portion)
    for seed in range(6):
        torch.manual_seed(seed)
        expected, _ = whole(Batch({"image": images}, {"label": labels}))
        for own in (slice(0, 1), slice(1, 4), slice(3, 7)):
            portion.whole, portion.own = 7, own
            torch.manual_seed(seed)
            actual, _ = part(Batch({"image": images[own]}, {"label": labels[own]}))
            assert torch.equal(expected[0][own], actual[0])


@pytest.mark.parametrize(
    ("count", "strategy", "optimizer"),
    [(3, "data", "adam"), (2, "sharded", "sgd(0.05, momentum = 0.9)")],
)
def test_several_processes_have_the_losses_of_one(
    folder: Path, count: int, strategy: str, optimizer: str
) -> None:
    """Without batch norm and dropout, only the order of sums differs."""
    words = ["--set", f"train.optimizer={optimizer}", "--set", "train.clip_norm=2"]
    words += ["--set", "train.clip_value=0.5", "--set", f"train.strategy={strategy}"]
    one = trained(folder, "one", 1, *words)
    many = trained(folder, "many", count, *words)
    for expected, actual in zip(one, many, strict=True):
        for key in ("train_loss", "test_loss"):
            assert actual[key] == pytest.approx(expected[key], rel=1e-4)
        assert actual["accuracy"] == pytest.approx(expected["accuracy"], abs=0.002)


IN_PROC = pytest.mark.skipif(sys.platform != "linux", reason="finds the processes in /proc")


def interrupted(folder: Path, out: str, number: int, *words: str) -> tuple[int, str, str]:
    """Send a signal to the second of two processes in the second epoch.

    Gives the exit code, the last line of the output, and the messages.
    """
    process = start(folder, out, 2, *words)
    assert process.stdout is not None
    for line in process.stdout:
        if line.split()[0] == "epoch":
            break
    os.kill(ranks(process.pid)[1], number)
    output, messages = process.communicate(timeout=120)
    return process.returncode, output.splitlines()[-1] if output else "", messages


@IN_PROC
def test_a_run_goes_on_in_one_process_after_a_signal_to_stop(folder: Path) -> None:
    """The checkpoint is that of the last complete step."""
    words = ["--set", "train.epochs=12"]
    whole = trained(folder, "whole", 1, *words)
    code, line, _ = interrupted(folder, "out", signal.SIGTERM, *words)
    assert code == 143
    assert line.startswith("out has the state after ")
    assert line.endswith("; `--resume` continues from there")
    rest = trained(folder, "out", 1, "--resume", *words)
    assert len(rest) == 12
    assert rest[-1]["train_loss"] == pytest.approx(whole[-1]["train_loss"], rel=1e-3)


@pytest.mark.slow
@IN_PROC
def test_two_processes_have_the_same_bits_after_one_was_killed(folder: Path) -> None:
    """The lost process is named. Buffers, averages and random numbers are as in a whole run."""
    words = ["--set", "train.epochs=4", "--set", "train.ema=0.9", "--set", "train.clip_norm=1"]
    text = NET.replace("-> relu", "-> bn -> relu -> dropout(0.1)")
    (folder / "small.net").write_text(text)
    trained(folder, "whole", 2, *words)
    code, _, messages = interrupted(folder, "out", signal.SIGKILL, *words)
    assert code == 1
    assert messages.count("error[lost-process]: process 1 of 2") == 1, messages
    trained(folder, "out", 2, "--resume", *words)
    expected, actual = ((folder / name / WEIGHTS).read_bytes() for name in ("whole", "out"))
    assert actual == expected


@IN_PROC
def test_a_process_that_is_killed_before_it_meets_the_others_is_named(folder: Path) -> None:
    process = start(folder, "out", 2)
    found: dict[int, int] = {}
    while 1 not in found and process.poll() is None:
        found = ranks(process.pid)
    os.kill(found[1], signal.SIGKILL)
    _, messages = process.communicate(timeout=120)
    assert process.returncode == 1
    fact = "signal 9 has ended process 1 of 2 (numbered from 0)"
    assert messages.count(f"error[lost-process]: {fact}") == 1, messages


@IN_PROC
@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3])
def test_a_random_process_is_killed_at_random_moments(folder: Path, count: int) -> None:
    """Each run resumes after every kill, and ends with the bits of a whole run."""
    words = ["--set", "train.epochs=12", "--set", "train.ema=0.9"]
    (folder / "small.net").write_text(NET.replace("-> relu", "-> bn -> relu -> dropout(0.1)"))
    began = time.monotonic()
    process = start(folder, "whole", count, *words)
    process.communicate(timeout=300)
    assert process.returncode == 0
    seconds = time.monotonic() - began
    expected = (folder / "whole" / WEIGHTS).read_bytes()
    rng, kills, run = random.Random(0), 0, 0
    while kills < KILLS:
        out, run = f"out{run}", run + 1
        ended = False
        while not ended and kills < KILLS:
            process = start(folder, out, count, "--resume", *words)
            try:
                process.communicate(timeout=rng.uniform(0.3, 1) * seconds)
            except subprocess.TimeoutExpired:
                found = [*ranks(process.pid).values()]  # none while the launcher starts or ends
                if found:
                    os.kill(rng.choice(found), signal.SIGKILL)
                    kills += 1
                _, messages = process.communicate(timeout=120)
                assert process.returncode == 0 or "error[lost-process]" in messages, messages
            ended = process.returncode == 0
        trained(folder, out, count, "--resume", *words)
        assert (folder / out / WEIGHTS).read_bytes() == expected


def test_an_error_is_printed_by_one_process() -> None:
    """The one with the lowest number that has it; no other one then calls that process lost."""
    store = distributed.HashStore()
    first, second = (Presence(store, rank, 2) for rank in range(2))
    own, lost = SettingError("folder-in-use", "in use"), SettingError("lost-process", "0 has ended")
    assert first.is_first_to_say(own)
    assert not second.is_first_to_say(own)
    assert not second.is_first_to_say(lost)
    third = Presence(distributed.HashStore(), 1, 2)
    assert third.is_first_to_say(lost)


def test_options_that_processes_cannot_share_are_refused(folder: Path) -> None:
    for setting, message in (
        ("batch=2", "`batch` is 2, but there are 3 processes to divide it among"),
        ("sync_bn=true", "`sync_bn` needs GPUs"),
    ):
        words = ("train", "small.net", "--out", "refused", "--set", f"train.{setting}")
        ended = together(folder, 3, *words)
        assert [1, 1, 1] == [process.code for process in ended]
        messages = "".join(process.messages for process in ended)
        assert messages.count(message) == 1, messages


def test_processes_with_different_settings_are_refused(folder: Path) -> None:
    """Started by hand, one with another seed: it is named once, before the first step."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    processes = [
        start(folder, "out", 1, "--set", f"train.seed={rank}", RANK=str(rank), **place)
        for rank in range(2)
    ]
    messages = "".join(process.communicate(timeout=120)[1] for process in processes)
    assert [process.returncode for process in processes] == [1, 1]
    fact = "the settings of process 1 of 2 (numbered from 0) differ from those of process 0"
    assert messages.count(f"error[different-processes]: {fact}") == 1, messages
    assert not (folder / "out").exists()
