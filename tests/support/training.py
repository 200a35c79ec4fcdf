"""A small dataset, a small net, and the training of that net."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import nn

from netdsl.data.dataset import Dataset, InputData, Split, TargetData
from netdsl.errors import SettingError
from netdsl.train import journal, loop
from netdsl.train.config import TrainConfig, check_entry
from netdsl.train.loop import train

CPU = torch.device("cpu")


def tiny(count: int = 96, channels: int = 1, seed: int = 0) -> Dataset:
    """8 x 8 images of three classes; the class is the third of the rows that is bright."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    images = rng.integers(0, 120, (count, channels, 8, 8), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[:, 3 * label : 3 * label + 2] += 90
    split = Split.of(images, labels)
    image = InputData(mean=(0.3,) * channels, std=(0.2,) * channels)
    classes = TargetData(("a", "b", "c"))
    return Dataset("tiny", "", {"image": image}, {"label": classes}, split, split)


def net(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()),
        *(nn.Dropout(0.2), nn.Linear(144, 3)),
    )


def checked(section: dict[str, object]) -> TrainConfig:
    """The configuration that a section gives; entries that it leaves out have their defaults."""
    values: dict[str, Any] = {key: check_entry(key, value) for key, value in section.items()}
    return TrainConfig(**values)


def config(**entries: object) -> TrainConfig:
    return checked({"epochs": 2, "batch": 32, **entries})


def run(
    module: nn.Module,
    out: Path,
    setup: TrainConfig,
    data: Dataset | None = None,
    *,
    drawn: bool = False,
    **options: Any,
) -> loop.Result:
    """Train; the curves, which take longer than the epochs, are drawn only if a test asks."""
    console = options.pop("console", Console(file=io.StringIO()))
    with pytest.MonkeyPatch.context() as patch:
        if not drawn:
            patch.setattr(journal, "draw_curves", lambda *_: None)
            patch.setattr(journal, "write_png", lambda _, path: path.touch())
            patch.setattr(journal, "svg_of", lambda _: "")
        return train(module, data or tiny(), setup, out, console=console, **options)


def fails(code: str, section: dict[str, object]) -> SettingError:
    with pytest.raises(SettingError) as caught:
        checked(section)
    assert caught.value.code == code
    assert caught.value.key == next(iter(section))
    return caught.value
