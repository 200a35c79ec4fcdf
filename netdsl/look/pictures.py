"""The pictures that a net looks at: those of a data set, or one of the user's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from netdsl.look.labels import short

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

    from netdsl.data.dataset import Dataset, InputData
    from netdsl.look.net import Box

NO_CLASS = -1  # in masks
MOST_TOGETHER, PIXELS = 64, 1 << 18  # pictures that run at once, and their rows times columns


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures, N x C x H x W with bytes, and the index of the class of each, if it is known.

    `classes` are the names of the classes that a net gives pictures, and `own_classes` those that
    the labels count, if they are others. `masks`, N x H x W, are the classes of pixels, if they are
    known instead; a pixel that does not count has `NO_CLASS`.
    """

    name: str
    pixels: np.ndarray
    labels: np.ndarray | None
    classes: tuple[str, ...]
    given: InputData
    own_classes: tuple[str, ...] | None = None
    masks: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def is_classified(self) -> bool:
        """Whether the class of each picture or of each pixel is known."""
        return self.labels is not None or self.masks is not None

    @property
    def truth(self) -> np.ndarray:
        """The classes of the pictures, N, or of their pixels, N x H x W, which must be known."""
        found = self.labels if self.masks is None else self.masks
        assert found is not None
        return found

    def take(self, numbers: np.ndarray) -> Pictures:
        """The pictures of these numbers."""
        labels = None if self.labels is None else self.labels[numbers]
        masks = None if self.masks is None else self.masks[numbers]
        return replace(self, pixels=self.pixels[numbers], labels=labels, masks=masks)

    def prepared(self, numbers: Sequence[int] | slice) -> Tensor:
        """The pictures of these numbers as the net takes them."""
        return torch.from_numpy(self.given.prepare(self.pixels[numbers]))

    def batches(self) -> list[slice]:
        """The numbers of all pictures, as many at a time as a net takes."""
        height, width = self.pixels.shape[2:]
        together = max(1, min(MOST_TOGETHER, PIXELS // (height * width)))
        return [slice(start, start + together) for start in range(0, len(self), together)]

    def shown(self, number: int, box: Box | None = None) -> np.ndarray:
        """A picture, or a part of it, H x W x 3 from 0 to 1."""
        pixels = self.pixels[number]
        if box is not None:
            top, bottom, left, right = box
            pixels = pixels[:, top:bottom, left:right]
        return as_colours(pixels / 255)

    def class_of(self, index: int) -> str:
        """The name of a class, shortened, or its number if the classes have no names."""
        if index < len(self.classes):
            return short(self.classes[index])
        return f"class {index}"

    def true_class(self, number: int) -> str:
        """The name of the true class of a picture, or an empty text."""
        if self.labels is None:
            return ""
        index = int(self.labels[number])
        return self.class_of(index) if self.own_classes is None else short(self.own_classes[index])

    def of_each_class(self, most: int) -> list[int]:
        """The first picture of each class, or the first pictures."""
        if self.labels is None:
            return list(range(min(most, len(self))))
        _, first = np.unique(self.labels, return_index=True)
        return [int(i) for i in first[:most]]


def as_colours(values: np.ndarray) -> np.ndarray:
    """C x H x W from 0 to 1 as H x W x 3: grey for one channel; of others, the first three."""
    channels = values[:3]
    if len(values) == 2:
        channels = values[:1]
    moved = channels.transpose(1, 2, 0)
    return np.broadcast_to(moved, (*moved.shape[:2], 3)).astype(np.float64)


def of_dataset(dataset: Dataset, most: int) -> Pictures:
    """At most so many test pictures of a data set, evenly spread over all."""
    count = len(dataset.test)
    numbers = np.arange(min(most, count)) * count // min(most, count)
    (name, column), *_ = dataset.test.inputs.items()
    labels = masks = None
    target = next(iter(dataset.test.targets.values()))
    if dataset.classes and not target.shape:
        labels = target.read(numbers)
    elif dataset.classes and len(target.shape) == 2:
        masks = target.read(numbers).astype(np.int64)
        if dataset.target.ignored is not None:
            masks[masks == dataset.target.ignored] = NO_CLASS
    pixels = column.read(numbers)
    given = dataset.inputs[name]
    return Pictures(dataset.name, pixels, labels, dataset.classes, given, masks=masks)


def of_picture(
    path: Path, pixels: np.ndarray, classes: tuple[str, ...], given: InputData
) -> Pictures:
    """One picture of the user, C x H x W with bytes."""
    return Pictures(path.name, pixels[None], None, classes, given)
