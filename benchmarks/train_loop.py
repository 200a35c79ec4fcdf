"""Times the training loop of netdsl against a bare loop in PyTorch, data included.

    python benchmarks/train_loop.py

Both train the same net on the same pictures in memory: batches in random order, cross entropy, SGD
with momentum. The bare loop does nothing else; that of netdsl checks all numbers, keeps a record
and can stop after each step. They take turns, a few steps each. A ratio is the time of the bare
loop divided by that of netdsl.
"""

from __future__ import annotations

import copy
import sys
import time
from statistics import median
from typing import NamedTuple

import numpy as np
import torch
from measure import header, verdict
from rich.progress import Progress as Bar
from torch import nn

import netdsl
from netdsl.data.dataset import Dataset, Split
from netdsl.train.checkpoint import Progress
from netdsl.train.config import TrainConfig
from netdsl.train.finite import Watch
from netdsl.train.run import Run
from netdsl.train.stopping import StopRequest

BOUND = 0.97


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


def dataset_of(case: Case) -> Dataset:
    """Random pictures, as many as a turn needs."""
    rng = np.random.default_rng(0)
    count = case.batch * case.steps
    split = Split(
        rng.integers(0, 256, (count, *case.shape), np.uint8), rng.integers(0, 10, count, np.int64)
    )
    channels = case.shape[0]
    return Dataset(
        "random", tuple("0123456789"), split, split, "", (0.5,) * channels, (0.25,) * channels
    )


class Bare:
    """The loop that people write by hand."""

    def __init__(self, module: nn.Module, dataset: Dataset, batch: int) -> None:
        self.module, self.batch = module, batch
        self.images = torch.from_numpy(dataset.train.images)
        self.labels = torch.from_numpy(dataset.train.labels)
        self.mean = torch.tensor(dataset.mean)[:, None, None]
        self.std = torch.tensor(dataset.std)[:, None, None]
        self.optimizer = torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9)

    def epoch(self) -> None:
        """Train on all pictures once."""
        self.module.train()
        for chosen in torch.randperm(len(self.images)).split(self.batch):
            x = (self.images[chosen].float() / 255 - self.mean) / self.std
            loss = nn.functional.cross_entropy(self.module(x), self.labels[chosen])
            self.optimizer.zero_grad()
            torch.autograd.backward(loss)
            self.optimizer.step()


class Ours:
    """The loop of `netdsl train`."""

    def __init__(self, module: nn.Module, dataset: Dataset, batch: int) -> None:
        config = TrainConfig(batch=batch, epochs=10_000)
        self.run = Run(module, dataset, config, torch.device("cpu"))
        self.progress = Progress()
        self.watch = Watch(module, None)
        self.stop = StopRequest()
        self.bar = Bar(disable=True)
        self.task = self.bar.add_task("")

    def epoch(self) -> None:
        """Train on all pictures once."""
        self.run.train_epoch(self.progress, self.watch, self._after_step)
        self.progress.end_epoch({"epoch": self.progress.epoch + 1})

    def _after_step(self) -> None:
        self.bar.advance(self.task)
        self.stop.check()


def seconds(loop: Bare | Ours) -> float:
    """The time of one turn."""
    start = time.perf_counter()
    loop.epoch()
    return time.perf_counter() - start


def main() -> int:
    """Print the medians and the ratios; returns 1 if a bound is missed."""
    header("torch")
    met = True
    for case in CASES:
        dataset = dataset_of(case)
        module = netdsl.load(case.net, **case.parameters).torch()
        loops = [
            Bare(copy.deepcopy(module), dataset, case.batch),
            Ours(module, dataset, case.batch),
        ]
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
        met &= verdict(f"{case.name}: median ratio of turns", ratio, BOUND, at_most=False)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
