"""Columns of pictures in files, which are decoded to one size as `netdsl run` decodes them."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from netdsl.data.columns import ArrayColumn, Column, sum_of
from netdsl.data.dataset import Dataset, InputData, Split
from netdsl.data.source import tracked
from netdsl.errors import NetdslError, SettingError
from netdsl.limits import limit
from netdsl.missing import similar
from netdsl.pictures import MODES, SUFFIXES, decode
from netdsl.process.cores import cores
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from netdsl.data.columns import Indices
    from netdsl.data.dataset import TargetData

MOST_UNREADABLE = 0.5  # a larger share is not advised
SHOWN = 3  # unreadable files that an error names
TOGETHER = 64  # pictures that are examined between two looks at signals


class PictureForm(NamedTuple):
    """The channels of decoded pictures, 1 or 3, their height and their width."""

    channels: int
    height: int
    width: int


class DecodedPicture(NamedTuple):
    """A picture that can be decoded: a sum of its pixels, and their moments.

    The moments are the sum of the pixels and the sum of their squares for each channel, 2 x C.
    """

    path: Path
    sum: bytes
    moments: np.ndarray


@dataclass(frozen=True, eq=False)
class PictureColumn(Column):
    """Pictures that are decoded whenever they are read, as C x H x W with bytes."""

    pictures: tuple[DecodedPicture, ...]
    form: PictureForm

    @property
    def shape(self) -> tuple[int, ...]:
        return self.form

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.uint8)

    def __len__(self) -> int:
        return len(self.pictures)

    def read(self, indices: Indices) -> np.ndarray:
        return np.stack([pixels(self.pictures[i].path, self.form) for i in indices])

    def take(self, indices: Indices) -> PictureColumn:
        return PictureColumn(tuple(self.pictures[i] for i in indices), self.form)

    def sums(self) -> list[bytes]:
        return [picture.sum for picture in self.pictures]

    def file(self, index: int) -> Path:
        return self.pictures[index].path


@dataclass(frozen=True, eq=False)
class PictureArray(ArrayColumn):
    """Decoded pictures in memory, which know their files."""

    paths: tuple[Path, ...]

    def take(self, indices: Indices) -> PictureArray:
        return PictureArray(self.array[indices], tuple(self.paths[i] for i in indices))

    def file(self, index: int) -> Path:
        return self.paths[index]


class Examined(NamedTuple):
    """The pictures that can be decoded, why others cannot, and the pixels if they fit in memory.

    `errors` are by the number of the file.
    """

    pictures: tuple[DecodedPicture, ...]
    errors: dict[int, str]
    array: np.ndarray | None
    form: PictureForm

    def column(self, kept: Indices) -> Column:
        """The column of the pictures with these numbers, of those that can be decoded."""
        if self.array is not None:
            return PictureArray(self.array[kept], tuple(self.pictures[i].path for i in kept))
        return PictureColumn(tuple(self.pictures[i] for i in kept), self.form)

    def constants(self, kept: Indices) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The mean and the deviation of each channel over these pictures, scaled to 0..1."""
        return constants_of(np.stack([self.pictures[i].moments for i in kept]), self.form)


def picture_dataset(
    name: str,
    examined: Examined,
    target: tuple[str, TargetData],
    values: np.ndarray,
    numbers: Mapping[str, Indices],
) -> Dataset:
    """The dataset of examined pictures with the `values` of a target, by its name.

    `numbers` are those of the pictures in `train`, `test` and perhaps `val`.
    """
    label, meaning = target
    splits = {
        part: Split({"image": examined.column(own)}, {label: ArrayColumn(values[own])})
        for part, own in numbers.items()
    }
    mean, std = examined.constants(numbers["train"])
    return Dataset(
        name,
        name,
        {"image": InputData(mean=mean, std=std)},
        {label: meaning},
        splits["train"],
        splits["test"],
        splits.get("val"),
        is_resized=True,
        skipped=tuple(examined.errors.values()),
    )


def pixels(path: Path, form: PictureForm) -> np.ndarray:
    """A decoded picture, C x H x W with bytes; raises `NetdslError`."""
    picture = decode(path, MODES[form.channels], (form.width, form.height))
    values = np.asarray(picture, np.uint8).reshape(form.height, form.width, form.channels)
    return np.ascontiguousarray(values.transpose(2, 0, 1))


def examine(paths: Sequence[Path], form: PictureForm, unreadable: float, name: str) -> Examined:
    """Decode all pictures once, to find those that cannot be, and equal ones.

    Raises SettingError `unreadable-pictures` if more than the share `unreadable` cannot be decoded;
    `name` is the dataset for that message.
    """
    is_small = len(paths) * form.channels * form.height * form.width <= limit("decoded_bytes")
    array = np.empty((len(paths), *form), np.uint8) if is_small else None
    pictures: list[DecodedPicture] = []
    errors: dict[int, str] = {}

    def one(number: int) -> DecodedPicture | str:
        try:
            values = pixels(paths[number], form)
        except NetdslError as error:
            return error.message
        if array is not None:
            array[number] = values
        return DecodedPicture(paths[number], sum_of(values), moments(values))

    with ThreadPoolExecutor(cores()) as pool:
        for start in tracked(range(0, len(paths), TOGETHER), "reading pictures"):
            numbers = range(start, min(start + TOGETHER, len(paths)))
            for number, found in zip(numbers, pool.map(one, numbers), strict=True):
                if isinstance(found, str):
                    errors[number] = found
                else:
                    pictures.append(found)
    _check_share(errors, paths, unreadable, name)
    if array is not None:
        array = np.delete(array, list(errors), axis=0)
    return Examined(tuple(pictures), errors, array, form)


def moments(values: np.ndarray) -> np.ndarray:
    """The sums of values C x H x W and of their squares, 2 x C, as exact integers."""
    flat = values.reshape(len(values), -1).astype(np.int64)
    return np.stack([flat.sum(1), (flat**2).sum(1)])


def constants_of(
    sums: np.ndarray, form: Sequence[int]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The mean and the deviation of each channel, scaled to 0..1, from moments N x 2 x C.

    A channel whose values are all equal gets the deviation 1. Four digits are enough, and readable.
    """
    total, squares = sums.sum(0) / (len(sums) * form[1] * form[2])
    deviation = np.sqrt(np.maximum(squares - total**2, 0)) / 255
    mean = tuple(round(float(value) / 255, 4) for value in total)
    return mean, tuple(round(float(value), 4) or 1.0 for value in deviation)


def _check_share(
    errors: dict[int, str], paths: Sequence[Path], unreadable: float, name: str
) -> None:
    count = len(paths)
    if len(errors) <= unreadable * count:
        return
    message = (
        f"{len(errors):,} of the {counted(count, 'picture')} of {name} cannot be read, but only a"
        f" share of {unreadable:.3g} may be: {'; '.join(list(errors.values())[:SHOWN])}"
    )
    if len(errors) > SHOWN:
        message += f"; and {len(errors) - SHOWN:,} more"
    share = math.ceil(100 * len(errors) / count) / 100
    help_ = f"remove or replace them, or allow a larger share: `unreadable = {share:g}`"
    if share > MOST_UNREADABLE:
        help_ = _correct_name(paths[min(errors)])
    raise SettingError("unreadable-pictures", message, "data", help_)


def _correct_name(path: Path) -> str:
    """Advice for names that are nearly all wrong, from the first of them."""
    named = [own for end in SUFFIXES if (own := path.with_name(path.name + end)).is_file()]
    if named and not path.exists():
        return f"write the names with their suffix: there is a file {named[0]}"
    return similar(path) or "correct the folder or the names that the data is given"
