"""A dataset in memory."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from netdsl.errors import SettingError

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Split:
    """N images, N x C x H x W with values 0 to 255, and the class index of each, N."""

    images: Images
    labels: Labels

    def padded(self, pad: int) -> "Split":
        """The split with `pad` zero pixels on each side of every image."""
        if not pad:
            return self
        sides = ((0, 0), (0, 0), (pad, pad), (pad, pad))
        return replace(self, images=np.pad(self.images, sides))


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training and test images with the names of their classes.

    `mean` and `std` have one value per channel and normalise pixels scaled to 0..1. `note`
    describes the dataset in one line. `pad` is the number of zero pixels on each side of the
    images. `val` is a part of the training images that is left out of training, or None.
    """

    name: str
    classes: tuple[str, ...]
    train: Split
    test: Split
    note: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    pad: int = 0
    val: Split | None = None

    @property
    def class_count(self) -> int:
        """The number of classes."""
        return len(self.classes)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        _, channels, height, width = self.train.images.shape
        return channels, height, width

    def sum(self) -> str:
        """A sum of the images and labels, which tells whether the data are the same."""
        digest = hashlib.blake2b(digest_size=16)
        for split in (self.train, self.test):
            for array in (split.images, split.labels):
                digest.update(str((array.shape, array.dtype)).encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def normalise(self, images: Images) -> Floats:
        """The images N x C x H x W as float32 of the same shape: (pixel / 255 - mean) / std."""
        std = np.asarray(self.std, np.float32)[:, None, None]
        mean = np.asarray(self.mean, np.float32)[:, None, None]
        return (images.astype(np.float32) / np.float32(255) - mean) / std


def check_labels(labels: Labels, classes: int, path: Path) -> None:
    """Raise SettingError `corrupt-data` for a label of the file `path` above classes - 1."""
    if labels.size and labels.max() >= classes:
        message = (
            f"{path} contains the label {labels.max()}; {classes} classes have the labels 0 to"
            f" {classes - 1}"
        )
        raise SettingError("corrupt-data", message, "data")
