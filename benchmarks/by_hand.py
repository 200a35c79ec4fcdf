"""Compares the recipe of CifarResNet20 with the same net and recipe written by hand in PyTorch.

    python benchmarks/by_hand.py DIR [--limit N] [--epochs 3]

`DIR` is the folder with CIFAR-10. Both trainings begin with the same weights, and see the same
pictures in the same order with the same random crops and flips: docs/runs.md has the rules, which
the loop below follows without netdsl. Prints the loss and the accuracy of each epoch of both.

Both compute the same sums in other orders. Such differences of the last bit grow by a factor of
about 100 in 10 steps, until the losses differ by one in a hundred. So the loop by hand also trains
a second time, with a weight changed in its last bit, and the differences are compared with those.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import kornia.augmentation as kornia
import numpy as np
import torch
from measure import header, verdict
from rich.console import Console
from torch import Tensor, nn
from torch.nn import functional as F

import netdsl
from netdsl.data.catalog import open_dataset
from netdsl.driver import compile_net, open_program
from netdsl.train.loop import train
from netdsl.train.section import read_config

if TYPE_CHECKING:
    from netdsl.data.dataset import Dataset
    from netdsl.train.config import TrainConfig

LIBRARY, NET = "resnet", "CifarResNet20"


class Block(nn.Module):
    """A residual block with a shortcut without parameters (option A of the paper)."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.stride, self.more = stride, (width - inputs) // 2

    def forward(self, x: Tensor) -> Tensor:
        """The block for N x C x H x W."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.more:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.more, self.more))
        return F.relu(x + y)


class ResNet20(nn.Module):
    """He et al., "Deep Residual Learning for Image Recognition", 2015, Section 4.2, n = 3."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(*(Block(16, 16, 1) for _ in range(3)))
        self.layer2 = nn.Sequential(Block(16, 32, 2), Block(32, 32, 1), Block(32, 32, 1))
        self.layer3 = nn.Sequential(Block(32, 64, 2), Block(64, 64, 1), Block(64, 64, 1))
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        """The logits N x 10 for N x 3 x 32 x 32."""
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))


class Epoch(NamedTuple):
    """The mean loss of the training, and the loss and the accuracy of the test."""

    train_loss: float
    test_loss: float
    accuracy: float


def by_hand(module: nn.Module, dataset: Dataset, epochs: int, seed: int = 0) -> list[Epoch]:
    """Train with the paper's recipe: SGD, crops and flips; the first step of the rate is later."""
    images, labels = (torch.from_numpy(v) for v in (dataset.train.images, dataset.train.labels))
    mean, std = (torch.tensor(v)[:, None, None] for v in (dataset.mean, dataset.std))
    crop = kornia.RandomCrop((32, 32), padding=4)
    flip = kornia.RandomHorizontalFlip(p=0.5)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    results = []
    for epoch in range(epochs):
        rng = np.random.default_rng([seed, epoch])
        order = torch.from_numpy(rng.permutation(len(images)))
        batches = [b for b in order.split(128) if len(b) > 1 or len(order) == 1]
        seeds = rng.integers(0, 2**63, len(batches))
        module.train()
        total = 0.0
        for chosen, own in zip(batches, seeds, strict=True):
            torch.manual_seed(int(own))
            x = (flip(crop(images[chosen].float() / 255)) - mean) / std
            loss = F.cross_entropy(module(x), labels[chosen])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            total += loss.item() * len(chosen)
        seen = sum(map(len, batches))
        results.append(Epoch(total / seen, *tested(module, dataset)))
    return results


def tested(module: nn.Module, dataset: Dataset) -> tuple[float, float]:
    """The loss and the accuracy of the test pictures."""
    module.eval()
    mean, std = (torch.tensor(v)[:, None, None] for v in (dataset.mean, dataset.std))
    images, labels = (torch.from_numpy(v) for v in (dataset.test.images, dataset.test.labels))
    with torch.inference_mode():
        logits = torch.cat([module((x.float() / 255 - mean) / std) for x in images.split(128)])
    accuracy = (logits.argmax(1) == labels).float().mean().item()
    return F.cross_entropy(logits, labels).item(), accuracy


def by_netdsl(module: nn.Module, dataset: Dataset, config: TrainConfig, out: Path) -> list[Epoch]:
    """Train with the loop of netdsl."""
    result = train(module, dataset, config, out, console=Console(quiet=True))
    return [Epoch(r["train_loss"], r["test_loss"], r["accuracy"]) for r in result.history]


def main() -> int:
    """Print the epochs of both; returns 1 if they differ more than by rounding."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("folder")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--epochs", type=int, default=3)
    arguments = parser.parse_args()
    header("torch", "kornia")
    compiled = compile_net(open_program(LIBRARY), NET)
    text = f'cifar10(root = "{arguments.folder}"'
    data = text + (")" if arguments.limit is None else f", limit = {arguments.limit})")
    config = read_config(compiled, data, {"epochs": str(arguments.epochs)})
    dataset = config.adapt(open_dataset(config.data))
    torch.manual_seed(0)
    module = netdsl.load(f"{LIBRARY}:{NET}").torch()
    hand, again = ResNet20(), ResNet20()
    hand.load_state_dict(module.state_dict())
    again.load_state_dict(module.state_dict())
    with torch.no_grad():
        weight = again.conv1.weight.view(-1)[0]
        weight.copy_(torch.nextafter(weight, torch.tensor(1.0)))
    first = by_hand(hand, dataset, arguments.epochs)
    with tempfile.TemporaryDirectory() as folder:
        ours = by_netdsl(module, dataset, config, Path(folder))
    second = by_hand(again, dataset, arguments.epochs)
    runs = {"by hand": first, "netdsl": ours, "again": second}
    for number in range(arguments.epochs):
        for name, epochs in runs.items():
            epoch = epochs[number]
            print(
                f"epoch {number + 1}  {name:8} train loss {epoch.train_loss:.4f}  test loss"
                f" {epoch.test_loss:.4f}  accuracy {100 * epoch.accuracy:.2f} %"
            )
    expected = difference(first, second)
    print(f"difference of training losses after a change of the last bit: {expected:.3g}")
    ratio = difference(first, ours) / expected
    return 0 if verdict("that of netdsl, divided by it", ratio, 3, at_most=True) else 1


def difference(first: list[Epoch], second: list[Epoch]) -> float:
    """The largest relative difference of the training losses of an epoch."""
    pairs = zip(first, second, strict=True)
    return max(abs(a.train_loss / b.train_loss - 1) for a, b in pairs)


if __name__ == "__main__":
    sys.exit(main())
