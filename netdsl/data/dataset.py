"""A dataset: splits of samples, whose inputs and targets are columns with names."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from netdsl.data.columns import ArrayColumn
from netdsl.data.labels import range_text
from netdsl.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from netdsl.data.columns import Column, Indices

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
Constants = tuple[tuple[float, ...], tuple[float, ...]]  # mean and deviation of each channel
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Split:
    """N samples: the columns of the inputs and of the targets, by name."""

    inputs: Mapping[str, Column]
    targets: Mapping[str, Column]

    @classmethod
    def of(cls, images: Images, labels: Labels) -> Split:
        """A split in memory: images N x C x H x W, and the class index of each, N."""
        return cls({"image": ArrayColumn(images)}, {"label": ArrayColumn(labels)})

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    @property
    def columns(self) -> dict[str, Column]:
        """All columns by name."""
        return {**self.inputs, **self.targets}

    @property
    def images(self) -> np.ndarray:
        """All values of the first input, in memory."""
        return _whole(next(iter(self.inputs.values())))

    @property
    def labels(self) -> np.ndarray:
        """All values of the first target, in memory."""
        return _whole(next(iter(self.targets.values())))

    def take(self, indices: Indices) -> Split:
        """The samples with these indices."""
        return Split(
            {name: column.take(indices) for name, column in self.inputs.items()},
            {name: column.take(indices) for name, column in self.targets.items()},
        )

    def batches(self, size: int) -> Iterator[dict[str, np.ndarray]]:
        """The inputs of all samples in order, `size` samples at a time."""
        for start in range(0, len(self), size):
            indices = np.arange(start, min(start + size, len(self)))
            yield {name: column.read(indices) for name, column in self.inputs.items()}


@dataclass(frozen=True)
class InputData:
    """How the values of an input are prepared.

    Images, C x H x W with bytes, are scaled to 0..1. Then the `mean` is subtracted, and the result
    divided by `std`, which have one number for each channel. Without these, other values are used
    as they are.
    """

    is_image: bool = True
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def prepare(self, values: np.ndarray) -> np.ndarray:
        """The values N x shape as float32, or int64 for integers that are no image."""
        if self.is_image:
            mean, std = (np.asarray(v, np.float32)[:, None, None] for v in (self.mean, self.std))
            return (values.astype(np.float32) / np.float32(255) - mean) / std
        return values.astype(np.float32 if values.dtype.kind == "f" else np.int64)


@dataclass(frozen=True)
class TargetData:
    """What the values of a target are.

    With `classes`, they are class indices: one for each sample, or for each pixel of a mask. Pixels
    of a mask with the class `ignored` do not count. Without classes, they are any numbers.
    """

    classes: tuple[str, ...] = ()
    ignored: int | None = None


@dataclass(frozen=True, eq=False)
class Dataset:
    """The training and test samples, those of the validation if there are any, and their meaning.

    `note` describes the dataset in one line. `pad` is the number of zero pixels on each side of the
    images. The short cuts `shape`, `mean`, `std` and `classes` are those of the first input,
    image and target; most datasets have no others.
    """

    name: str
    note: str
    inputs: Mapping[str, InputData]
    targets: Mapping[str, TargetData]
    train: Split
    test: Split
    val: Split | None = None
    pad: int = 0
    is_resized: bool = False  # pictures that are decoded to the size that the section gives
    skipped: tuple[str, ...] = field(default=())  # why files were left out, a line for each

    @property
    def splits(self) -> dict[str, Split]:
        """The splits by name, in the order of their use."""
        found = {"training": self.train, "validation": self.val, "test": self.test}
        return {name: split for name, split in found.items() if split is not None}

    @property
    def image(self) -> InputData:
        """The first input that is an image, or the first input."""
        images = [given for given in self.inputs.values() if given.is_image]
        return (images or list(self.inputs.values()))[0]

    @property
    def target(self) -> TargetData:
        """The first target."""
        return next(iter(self.targets.values()))

    @property
    def mean(self) -> tuple[float, ...]:
        """The mean of each channel of the images, scaled to 0..1."""
        return self.image.mean

    @property
    def std(self) -> tuple[float, ...]:
        """The standard deviation of each channel of the images, scaled to 0..1."""
        return self.image.std

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes."""
        return self.target.classes

    @property
    def class_count(self) -> int | None:
        """The number of classes, or None for targets that are any numbers."""
        return len(self.classes) or None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample: channels, height and width of an image."""
        return next(iter(self.train.inputs.values())).shape

    @property
    def target_classes(self) -> dict[str, int | None]:
        """The number of classes of each target, or None if it has numbers."""
        return {name: len(target.classes) or None for name, target in self.targets.items()}

    def wanted_for(self, target: str) -> tuple[int, ...]:
        """The shape that an output for one sample has to have for a target."""
        classes = self.target_classes[target]
        return (*((classes,) if classes else ()), *self.train.targets[target].shape)

    @property
    def wanted(self) -> tuple[int, ...]:
        """The shape that the net's output for one sample has to have, for the first target."""
        return self.wanted_for(next(iter(self.targets)))

    def with_first(self, target: str) -> Dataset:
        """The dataset with this target as its first, which the metrics are about."""
        names = [target, *(name for name in self.targets if name != target)]

        def ordered(split: Split) -> Split:
            return Split(split.inputs, {name: split.targets[name] for name in names})

        return replace(
            self,
            targets={name: self.targets[name] for name in names},
            train=ordered(self.train),
            test=ordered(self.test),
            val=None if self.val is None else ordered(self.val),
        )

    def sum(self) -> str:
        """A sum of all samples, which tells whether the data are the same."""
        digest = hashlib.blake2b(digest_size=16)
        for split in self.splits.values():
            for name, column in split.columns.items():
                digest.update(str((name, len(column), column.shape, column.dtype)).encode())
                for value in column.sums():
                    digest.update(value)
        return digest.hexdigest()

    @property
    def constants(self) -> dict[str, Constants]:
        """The mean and the deviation of each input that is an image, by name."""
        return {name: (i.mean, i.std) for name, i in self.inputs.items() if i.is_image}

    def with_constants(self, constants: Mapping[str, Constants]) -> Dataset:
        """The dataset with other constants for the inputs of these names."""
        inputs = dict(self.inputs)
        for name, (mean, std) in constants.items():
            inputs[name] = InputData(mean=mean, std=std)
        return replace(self, inputs=inputs)

    def normalised_by(self, mean: tuple[float, ...], std: tuple[float, ...]) -> Dataset:
        """The dataset with other constants for all its images."""
        return self.with_constants(dict.fromkeys(self.constants, (mean, std)))

    def normalise(self, images: np.ndarray) -> np.ndarray:
        """Values of the first input, N x shape, as the net takes them."""
        return self.image.prepare(images)

    def prepared(self, batch: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The inputs of a batch as the net takes them, in the order of `inputs`."""
        return [given.prepare(batch[name]) for name, given in self.inputs.items()]


def _whole(column: Column) -> np.ndarray:
    return column.read(np.arange(len(column)))


def check_labels(labels: Labels, classes: int, path: Path) -> None:
    """Raise SettingError `corrupt-data` for a label of the file `path` above classes - 1."""
    if labels.size and labels.max() >= classes:
        message = f"{path} contains the label {labels.max()}, but {range_text(classes)}"
        raise SettingError("corrupt-data", message, "data")
