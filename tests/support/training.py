"""A small data set, a small net, and training of it."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import nn

from netdsl.data.dataset import Dataset, Split
from netdsl.errors import SettingError
from netdsl.train import loop
from netdsl.train.config import TrainConfig
from netdsl.train.loop import train

CPU = torch.device("cpu")


def tiny(count: int = 96, channels: int = 1, seed: int = 0) -> Dataset:
    """8 x 8 images of three classes, told by which third of the rows is bright."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    images = rng.integers(0, 120, (count, channels, 8, 8), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[:, 3 * label : 3 * label + 2] += 90
    split = Split(images, labels)
    return Dataset("tiny", ("a", "b", "c"), split, split, "", (0.3,) * channels, (0.2,) * channels)


def net(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()),
        *(nn.Dropout(0.2), nn.Linear(144, 3)),
    )


def config(**entries: object) -> TrainConfig:
    return TrainConfig.from_section({"epochs": 2, "batch": 32, **entries})


def run(
    module: nn.Module, out: Path, setup: TrainConfig, data: Dataset | None = None, **options: Any
) -> loop.Result:
    console = options.pop("console", Console(file=io.StringIO()))
    return train(module, data or tiny(), setup, out, console=console, **options)


def fails(code: str, section: dict[str, object]) -> SettingError:
    with pytest.raises(SettingError) as caught:
        TrainConfig.from_section(section)
    assert caught.value.code == code
    assert caught.value.key == next(iter(section))
    return caught.value
