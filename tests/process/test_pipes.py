"""A pipe that nobody writes to is refused wherever a file is named: reading it would never end."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from netdsl.cli import run
from tests.support.photos import write_net, write_photos

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT = 300  # seconds for all commands together; without a fault they take a few
PIPES = (
    *("pipe", "p.net", "p.npz", "p.npy", "p.png", "p.csv", "p.onnx", "p.safetensors", "p.pt"),
    *("arrays/x.npy", "photos/cat/pipe.png", "masks/00.png", "digits/digits.csv.gz"),
    *("idx/train-images-idx3-ubyte", "cifar/data_batch_1.bin", "cifar2/cifar-10-binary.tar.gz"),
    *("checkpoint/checkpoint.safetensors", "described/run.json", "confused/confusion.csv"),
    *("weights/weights.safetensors", "imports/other.net"),
)
SIZE = "size=16"
LONGER = "--resume --allow-changes --set train.epochs=13"
COMMANDS = {
    "a text": "check p.net",
    "a text to format": "fmt p.net",
    "a text to draw": "draw p.net -o a.svg",
    "an import": "check imports/net.net",
    "a text to train": "train p.net",
    "weights to test": "test small.net --weights p.safetensors",
    "weights to export": "export small.net --weights pipe -o a.onnx",
    "weights to verify": "verify small.net --weights p.npz",
    "weights to train": "train small.net --weights p.pt",
    "the weights of a run": "test small.net --weights weights",
    "a model": "run p.onnx photos/dog/00.png",
    "a model to measure": "bench p.onnx",
    "a model to verify": "verify p.onnx",
    "a picture": "run small.onnx p.png",
    "an array": "run small.onnx p.npy",
    "arrays by name": "run small.onnx p.npz",
    "labels": "run small.onnx photos/dog/00.png --labels pipe",
    "a table": f'data small.net --data csv("p.csv",images="photos",{SIZE})',
    "a picture in a table": f'data small.net --data csv("labels.csv",images="photos",{SIZE})',
    "a picture in a folder": f'train small.net --data folder("photos",{SIZE})',
    "a mask": f'data small.net --data segments("photos/dog","masks",{SIZE})',
    "an archive": 'data small.net --data npz("p.npz")',
    "a folder of arrays": 'data small.net --data npy("arrays")',
    "digits": 'data small.net --data digits(root="digits")',
    "MNIST": 'data small.net --data mnist(root="idx")',
    "CIFAR-10": 'data small.net --data cifar10(root="cifar")',
    "the archive of CIFAR-10": 'data small.net --data cifar10(root="cifar2")',
    "a checkpoint": "train small.net --out checkpoint --resume",
    "the file of a run": "runs described",
    "a run to continue": "train small.net --out described --resume",
    "a confusion matrix": f"train small.net --out confused {LONGER}",
    "a sheet of samples": "data small.net -o p.png",
}
SCRIPT = """
import json, sys
from netdsl.cli import run
for line in sys.stdin:
    print("begins", flush=True)
    print("ends", run(json.loads(line)), flush=True)
"""


def prepare(folder: Path) -> None:
    """Write a trained net, its model, its data and the pipes."""
    write_photos(folder / "good", count=4)
    write_net(folder, f'folder("good", {SIZE})')
    assert run(["train", "small.net", "--out", "confused"]) == 0
    assert run(["export", "small.net", "-o", "small.onnx"]) == 0
    shutil.copytree("confused", "checkpoint")
    shutil.copytree("confused", "described")
    shutil.copytree("good", "photos")
    (folder / "labels.csv").write_text("file,label\ncat/pipe.png,a\ndog/00.png,b\n")
    for name in PIPES:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        os.mkfifo(path)
    np.save(folder / "arrays" / "y.npy", np.zeros(4, np.int64))
    (folder / "imports" / "net.net").write_text(
        'import "other.net"\nnet N {\n    input x: 3\n    relu\n}\n'
    )


def test_no_command_waits_for_a_pipe(folder: Path) -> None:
    """Each command fails at once with an error, and creates no other file in place of the pipe."""
    prepare(folder)
    lines = [json.dumps(words.split()) for words in COMMANDS.values()]
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        printed, errors = process.communicate("\n".join(lines), TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        printed, _ = process.communicate()
        waiting = list(COMMANDS)[printed.count("begins\n") - 1]
        pytest.fail(f"a command waits for a pipe: {waiting}")
    codes = [line.split()[1] for line in printed.splitlines() if line.startswith("ends")]
    assert dict(zip(COMMANDS, codes, strict=True)) == dict.fromkeys(COMMANDS, "1"), errors
    assert "internal-error" not in errors
    assert all((folder / name).is_fifo() for name in PIPES)
