"""Times the training loop of netdsl against a bare loop in PyTorch, data included.

    python benchmarks/train_loop.py [--files]

Both train the same net on the same pictures: batches in random order, cross entropy, SGD with
momentum. The bare loop does nothing else; that of netdsl checks all numbers, keeps a record and can
stop after each step. Each has a process of its own, as it has in practice: how the C library lays
out the memory of a process decides how long its steps take. They take turns, and begin several
times. The ratio is the median time of the bare loop divided by that of netdsl.

The pictures are in memory. With `--files`, they are JPEG files, and both decode them in every epoch
in as many worker processes: the bare loop with a hand-written dataset for PyTorch's `DataLoader`.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from measure import header, verdict
from PIL import Image
from rich.progress import Progress as Bar
from torch import Tensor, nn
from torch.utils.data import DataLoader

import netdsl
from netdsl.config import SettingCall
from netdsl.data.catalog import open_dataset
from netdsl.data.dataset import Dataset, InputData, Split, TargetData
from netdsl.process.cores import cores
from netdsl.process.heap import keep_freed_memory
from netdsl.train.checkpoint import Progress
from netdsl.train.config import TrainConfig
from netdsl.train.finite import Watch
from netdsl.train.run import Run
from netdsl.train.stopping import StopRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

BOUND = 0.97
LOOPS = BY_HAND, OURS = "by hand", "netdsl"
CLASSES = tuple("0123456789")


class Case(NamedTuple):
    """A net, the shape of its pictures, the samples of a batch, and how long it is timed.

    The processes begin `starts` times, and take `turns` of `steps` each time.
    """

    name: str
    net: str
    shape: tuple[int, int, int]
    batch: int
    steps: int
    turns: int
    starts: int
    parameters: dict[str, Any]


CASES = (
    Case("LeNet-5", "lenet5", (1, 32, 32), 128, 40, 8, 6, {}),
    Case("ResNet-18", "resnet:ResNet18", (3, 64, 64), 32, 4, 6, 3, {"classes": 10}),
)
FILES = Case("SqueezeNet", "squeezenet:SqueezeNet1_1", (3, 64, 64), 32, 12, 5, 2, {"classes": 10})


def in_memory(case: Case) -> Dataset:
    """Random pictures, as many as a turn needs."""
    rng = np.random.default_rng(0)
    count = case.batch * case.steps
    split = Split.of(
        rng.integers(0, 256, (count, *case.shape), np.uint8), rng.integers(0, 10, count, np.int64)
    )
    channels = case.shape[0]
    image = InputData(mean=(0.5,) * channels, std=(0.25,) * channels)
    return Dataset("random", "", {"image": image}, {"label": TargetData(CLASSES)}, split, split)


def write_files(case: Case, folder: Path) -> None:
    """Write JPEG files of 256 x 256 pixels for training, and a few for the test."""
    rng = np.random.default_rng(0)
    for part, count in (("train", case.batch * case.steps), ("test", 20)):
        for number in range(count):
            path = folder / part / CLASSES[number % 10] / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            small = Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8))
            small.resize((256, 256), Image.Resampling.BICUBIC).save(path, quality=90)


class MemoryBatches:
    """Batches of pictures in memory, as people write them."""

    def __init__(self, dataset: Dataset, batch: int) -> None:
        self.images = torch.from_numpy(dataset.train.images)
        self.labels = torch.from_numpy(dataset.train.labels)
        self.batch = batch

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for chosen in torch.split(torch.randperm(len(self.images)), self.batch):
            yield self.images[chosen], self.labels[chosen]


class Pictures(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """Decodes files, as people write it."""

    def __init__(self, folder: Path, shape: tuple[int, int, int]) -> None:
        self.paths = sorted((folder / "train").rglob("*.jpg"))
        self.shape = shape

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        path = self.paths[index]
        with Image.open(path) as picture:
            small = picture.convert("RGB").resize(self.shape[:0:-1], Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(small)).permute(2, 0, 1), int(path.parent.name)


class Bare:
    """The loop that people write by hand."""

    def __init__(
        self,
        module: nn.Module,
        dataset: Dataset,
        batches: MemoryBatches | DataLoader[tuple[Tensor, int]],
    ) -> None:
        self.module, self.batches = module, batches
        self.mean = torch.tensor(dataset.mean)[:, None, None]
        self.std = torch.tensor(dataset.std)[:, None, None]
        self.optimizer = torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9)

    def epoch(self) -> None:
        """Train on all pictures once."""
        self.module.train()
        for images, labels in self.batches:
            x = (images.float() / 255 - self.mean) / self.std
            loss = nn.functional.cross_entropy(self.module(x), labels)
            self.optimizer.zero_grad()
            torch.autograd.backward(loss)
            self.optimizer.step()


class Ours:
    """The loop of `netdsl train`."""

    def __init__(self, module: nn.Module, dataset: Dataset, batch: int, workers: int) -> None:
        config = TrainConfig(batch=batch, epochs=10_000, workers=workers)
        self.run = Run(module, dataset, config, torch.device("cpu"))
        self.progress = Progress()
        self.watch = Watch(module, None)
        self.stop = StopRequest()
        self.bar = Bar(disable=True)
        self.task = self.bar.add_task("")

    def epoch(self) -> None:
        """Train on all pictures once."""
        self.run.begin_epoch(self.progress.epoch)
        self.run.train_epoch(self.progress, self.watch, self._after_step)
        self.progress.end_epoch({"epoch": self.progress.epoch + 1, "train_loss": 0.0})

    def _after_step(self) -> None:
        self.bar.advance(self.task)
        self.stop.check()


def loop_of(which: str, case: Case, folder: Path | None) -> Bare | Ours:
    """One of the loops, on the pictures of a folder or on pictures in memory."""
    module = netdsl.load(case.net, **case.parameters).torch()
    workers = 0 if folder is None else max(1, cores() - 1)
    if folder is None:
        dataset = in_memory(case)
    else:
        os.environ["NETDSL_MAX_DECODED_BYTES"] = "1"
        dataset = open_dataset(SettingCall("folder", (str(folder),), {"size": case.shape[1]}))
    if which == OURS:
        keep_freed_memory()
        return Ours(module, dataset, case.batch, workers)
    if folder is None:
        return Bare(module, dataset, MemoryBatches(dataset, case.batch))
    loader = DataLoader(
        Pictures(folder, case.shape),
        case.batch,
        shuffle=True,
        num_workers=workers,
        persistent_workers=True,
    )
    return Bare(module, dataset, loader)


def serve(which: str, case: Case, folder: Path | None, pipe: Connection) -> None:
    """Take a turn whenever the other end of the pipe asks for one, and send its time in seconds."""
    loop = loop_of(which, case, folder)
    while pipe.recv():
        start = time.perf_counter()
        loop.epoch()
        pipe.send(time.perf_counter() - start)


@contextmanager
def started(which: str, case: Case, folder: Path | None) -> Iterator[Callable[[], float]]:
    """A process with a loop; each call is a turn, and gives its time in seconds."""
    context = get_context("spawn")
    pipe, theirs = context.Pipe()
    process = context.Process(target=serve, args=(which, case, folder, theirs))
    process.start()

    def turn() -> float:
        pipe.send(True)
        return float(pipe.recv())

    yield turn
    pipe.send(False)
    process.join()


def compared(case: Case, folder: Path | None = None) -> bool:
    """Print the medians and their ratio; returns whether the bound is met."""
    times: dict[str, list[float]] = {which: [] for which in LOOPS}
    for _ in range(case.starts):
        with ExitStack() as stack:
            turns = {w: stack.enter_context(started(w, case, folder)) for w in LOOPS}
            for number in range(case.turns + 2):
                for which in LOOPS if number % 2 else reversed(LOOPS):
                    value = turns[which]()
                    if number > 1:
                        times[which].append(value)
    for which, values in times.items():
        step = 1000 * median(values) / case.steps
        print(f"{step:8.2f} ms  a step of {case.name}, {case.batch} pictures, {which}")
    ratio = median(times[BY_HAND]) / median(times[OURS])
    return verdict(f"{case.name}: ratio of the medians", ratio, BOUND, at_most=False)


def main() -> int:
    """Print the medians and the ratios; returns 1 if a bound is missed."""
    header("torch")
    if "--files" in sys.argv:
        with tempfile.TemporaryDirectory() as folder:
            write_files(FILES, Path(folder))
            return 0 if compared(FILES, Path(folder)) else 1
    met = [compared(case) for case in CASES]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
