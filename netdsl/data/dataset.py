"""A dataset in memory, and checks that it fits a net."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from netdsl.errors import SettingError
from netdsl.ir.types import Sym

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
    describes the dataset in one line.
    """

    name: str
    classes: tuple[str, ...]
    train: Split
    test: Split
    note: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        _, channels, height, width = self.train.images.shape
        return channels, height, width

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


def check_shape(dataset: Dataset, expects: tuple[int | Sym, ...], *, can_edit: bool = True) -> None:
    """Raise SettingError `data-mismatch` unless the images have the shape `expects`, (C, H, W).

    A size that is open fits any number. `can_edit` is whether the user can edit the net.
    """
    pairs = zip(expects, dataset.shape, strict=False)
    if len(expects) == len(dataset.shape) and all(
        size == actual or not isinstance(size, int) for size, actual in pairs
    ):
        return
    message = f"the images of {dataset.name} are {_by(dataset.shape)}, the net takes {_by(expects)}"
    advice = _shape_help(dataset, expects, can_edit=can_edit)
    raise SettingError("data-mismatch", message, "data", advice)


def check_classes(dataset: Dataset, outputs: tuple[int, ...]) -> None:
    """Raise SettingError `data-mismatch` unless a net gives one number per class.

    `outputs` is the shape of its output for one image.
    """
    classes = len(dataset.classes)
    if tuple(outputs) == (classes,):
        return
    message = (
        f"the net gives {_by(outputs)} numbers per image, {dataset.name} has {classes} classes"
    )
    end = f"dense({classes})"
    if len(outputs) != 1:
        end = f"flatten -> {end}"
    raise SettingError("data-mismatch", message, "data", f"end the net with `{end}`")


def _shape_help(dataset: Dataset, expects: tuple[int | Sym, ...], *, can_edit: bool) -> str:
    """Advice to pad the images where that is enough, else to change the net or the data."""
    sizes = "x".join(map(str, dataset.shape))
    if len(expects) == 3 and expects[0] == dataset.shape[0]:
        sides = zip(expects[1:], dataset.shape[1:], strict=True)
        gap, *others = {size - actual for size, actual in sides if isinstance(size, int)}
        if gap > 0 and gap % 2 == 0 and not others:
            return f"increase the `pad` of the dataset by {gap // 2}"
    if not can_edit:
        own = f"declare the input as {sizes} in your own copy of the net"
        return f"choose other data with `--data`, or {own}"
    return f"declare the input of the net as {sizes}, or choose other data with `--data`"


def _by(shape: tuple[int | Sym, ...]) -> str:
    return " x ".join(str(size) for size in shape)
