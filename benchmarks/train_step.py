"""Times a training step of netdsl's ResNet-50 and of a ResNet-50 written by hand in PyTorch.

    python benchmarks/train_step.py

The batch size is 4, on the CPU.
"""

from __future__ import annotations

import sys
import time
from statistics import median

import torch
from measure import header, verdict
from torch import nn

import netdsl

ROUNDS = 15


class Bottleneck(nn.Module):
    """The bottleneck block, written by hand."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU()
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != 4 * width:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        shortcut = x
        if self.downsample is not None:
            shortcut = self.downsample(x)
        result: torch.Tensor = self.relu(y + shortcut)
        return result


class ResNet50(nn.Module):
    """ResNet-50, written by hand."""

    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential
    layer4: nn.Sequential

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        inputs = 64
        for i, n in enumerate((3, 4, 6, 3)):
            blocks = []
            for j in range(n):
                blocks.append(Bottleneck(inputs, 64 * 2**i, 2 if i and not j else 1))
                inputs = 256 * 2**i
            self.add_module(f"layer{i + 1}", nn.Sequential(*blocks))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(2048, 1000)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        result: torch.Tensor = self.fc(torch.flatten(self.avgpool(x), 1))
        return result


def step(
    module: nn.Module, optimizer: torch.optim.Optimizer, images: torch.Tensor, labels: torch.Tensor
) -> float:
    """Run one training step; returns the seconds that it takes."""
    start = time.perf_counter()
    optimizer.zero_grad()
    torch.autograd.backward(nn.functional.cross_entropy(module(images), labels))
    optimizer.step()
    return time.perf_counter() - start


def main() -> int:
    """Print the medians and the ratio; returns 1 if the bound is missed."""
    header("torch")
    hand, ours = ResNet50(), netdsl.load("resnet:ResNet50").torch()
    ours.load_state_dict(hand.state_dict())
    images, labels = torch.randn(4, 3, 224, 224), torch.arange(4)
    torch.testing.assert_close(ours(images), hand(images))
    pairs = [(m, torch.optim.SGD(m.parameters(), lr=0.01, momentum=0.9)) for m in (ours, hand)]
    times: list[list[float]] = [[], []]
    order = [0, 1]
    for round_ in range(ROUNDS + 2):
        order.reverse()
        for which in order:
            value = step(*pairs[which], images, labels)
            if round_ > 1:
                times[which].append(value)
    ratio = median(a / b for a, b in zip(*times, strict=True))
    print(f"{1000 * median(times[0]):8.0f} ms  netdsl's ResNet-50, one training step of 4 images")
    print(f"{1000 * median(times[1]):8.0f} ms  the same by hand in PyTorch")
    return 0 if verdict("median ratio of pairs", ratio, 1.02, at_most=True) else 1


if __name__ == "__main__":
    sys.exit(main())
