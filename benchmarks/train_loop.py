"""Times the training loop of netdsl against a bare loop in PyTorch, data included.

    python benchmarks/train_loop.py [--files]

Both train the same net on the same pictures: batches in random order, cross entropy, SGD with
momentum. The bare loop does nothing else; that of netdsl checks all numbers, keeps a record and can
stop after each step. They take turns. A ratio is the time of the bare loop divided by that of
netdsl.

The pictures are in memory. With `--files`, they are JPEG files, and both decode them in every epoch
in as many worker processes: the bare loop with a hand-written dataset for PyTorch's `DataLoader`.
"""

from __future__ import annotations

import copy
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

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
from netdsl.train.checkpoint import Progress
from netdsl.train.config import TrainConfig
from netdsl.train.finite import Watch
from netdsl.train.run import Run
from netdsl.train.stopping import StopRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

BOUND = 0.97
CLASSES = tuple("0123456789")


class Case(NamedTuple):
    """A net, the shape of its pictures, the samples of a batch, and how long it is timed."""

    name: str
    net: str
    shape: tuple[int, int, int]
    batch: int
    steps: int  # in each turn
    turns: int
    parameters: dict[str, int]


CASES = (
    Case("LeNet-5", "lenet5", (1, 32, 32), 128, 40, 25, {}),
    Case("ResNet-18", "resnet:ResNet18", (3, 64, 64), 32, 2, 15, {"classes": 10}),
)
FILES = Case("SqueezeNet", "squeezenet:SqueezeNet1_1", (3, 64, 64), 32, 12, 9, {"classes": 10})


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
        for chosen in torch.randperm(len(self.images)).split(self.batch):
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


def seconds(loop: Bare | Ours) -> float:
    """The time of one turn."""
    start = time.perf_counter()
    loop.epoch()
    return time.perf_counter() - start


def compared(case: Case, loops: tuple[Bare, Ours]) -> bool:
    """Print the medians and their ratio; returns whether the bound is met."""
    times: list[list[float]] = [[], []]
    for turn in range(case.turns + 2):
        for which in (0, 1) if turn % 2 else (1, 0):
            value = seconds(loops[which])
            if turn > 1:
                times[which].append(value)
    for name, values in zip(("by hand", "netdsl"), times, strict=True):
        step = 1000 * median(values) / case.steps
        print(f"{step:8.2f} ms  a step of {case.name}, {case.batch} pictures, {name}")
    ratio = median(a / b for a, b in zip(*times, strict=True))
    return verdict(f"{case.name}: median ratio of turns", ratio, BOUND, at_most=False)


def compared_in_memory(case: Case) -> bool:
    """Compare the loops on pictures in memory."""
    dataset = in_memory(case)
    module = netdsl.load(case.net, **case.parameters).torch()
    bare = Bare(copy.deepcopy(module), dataset, MemoryBatches(dataset, case.batch))
    return compared(case, (bare, Ours(module, dataset, case.batch, 0)))


def compared_on_files(case: Case) -> bool:
    """Compare the loops on JPEG files that do not fit into memory."""
    workers = max(1, cores() - 1)
    os.environ["NETDSL_MAX_DECODED_BYTES"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        write_files(case, Path(folder))
        dataset = open_dataset(SettingCall("folder", (folder,), {"size": case.shape[1]}))
        module = netdsl.load(case.net, **case.parameters).torch()
        loader = DataLoader(
            Pictures(Path(folder), case.shape),
            case.batch,
            shuffle=True,
            num_workers=workers,
            persistent_workers=True,
        )
        bare = Bare(copy.deepcopy(module), dataset, loader)
        return compared(case, (bare, Ours(module, dataset, case.batch, workers)))


def main() -> int:
    """Print the medians and the ratios; returns 1 if a bound is missed."""
    header("torch")
    if "--files" in sys.argv:
        return 0 if compared_on_files(FILES) else 1
    met = [compared_in_memory(case) for case in CASES]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
