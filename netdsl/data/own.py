"""The data of a user's own that a `train` section can name: folders, tables and arrays."""

from abc import ABC
from dataclasses import dataclass
from typing import Annotated

from netdsl.data.arguments import Constraint, MaybeShare, Share
from netdsl.data.images import Described
from netdsl.data.source import DataSource

MOST_SIZE = 8192
Size = Annotated[
    int | tuple[int, ...],
    Constraint(
        f"an integer from 1 to {MOST_SIZE:,}, or a list of two, height and width",
        lambda v: all(0 < n <= MOST_SIZE for n in sizes_of(v)) and len(sizes_of(v)) == 2,
    ),
]
Byte = Annotated[int, Constraint("an integer from 0 to 255", lambda v: 0 <= v <= 255)]
Names = Annotated[tuple[str, ...], Constraint("a list of names", lambda v: len(v) > 0)]
Channels = Annotated[int, Constraint("1 (grey) or 3 (colour)", lambda v: v in (1, 3))]


def sizes_of(size: int | tuple[int, ...]) -> tuple[int, ...]:
    """The height and the width that an argument `size` gives."""
    return (size, size) if isinstance(size, int) else size


@dataclass(frozen=True, kw_only=True)
class OwnData(DataSource, ABC):
    """A user's own data, of which the share `test` is the test set if it has none of its own."""

    test: MaybeShare = None


@dataclass(frozen=True, kw_only=True)
class PictureFiles(OwnData, ABC):
    """Picture files that are decoded to `channels` x `size`.

    At most the share `unreadable` of them may be damaged; these are left out.
    """

    size: Size
    channels: Channels = 3
    unreadable: Share = 0.01

    @property
    def form(self) -> tuple[int, int, int]:
        """Channels, height and width of a decoded picture."""
        height, width = sizes_of(self.size)
        return self.channels, height, width


@dataclass(frozen=True)
class Folder(PictureFiles):
    """Pictures in a folder for each class, or in the folders `train`, `val` and `test` of these."""

    path: str

    def described(self) -> Described:
        return Described("folder", self.form, 0, None, is_resized=True)


@dataclass(frozen=True)
class PictureTable(PictureFiles):
    """Pictures in the folder `images`, with their targets in a CSV file.

    The first column is the file. The column `target` is the class, or the number to predict if
    `numbers`. A column `split` with `train`, `val` and `test` gives the splits.
    """

    path: str
    images: str
    target: str | None = None
    numbers: bool = False

    def described(self) -> Described:
        return Described("csv", self.form, 0, None, is_resized=True)


@dataclass(frozen=True)
class Segments(PictureFiles):
    """Pictures in the folder `images`, and masks of the same names in the folder `masks`.

    The pixels of a mask are the numbers of classes. Those with the number `ignored` have no class.
    """

    images: str
    masks: str
    classes: tuple[str, ...] = ()
    ignored: Byte = 255

    def described(self) -> Described:
        return Described("segments", self.form, 0, None, is_resized=True, has_masks=True)


@dataclass(frozen=True)
class Arrays(OwnData, ABC):
    """Arrays for the `inputs` and `targets` of these names.

    For a name such as `x` there are `x_train`, `x_test` and perhaps `x_val`, or `x` for all
    samples. `classes` names the classes of a target of integers. Pixels of masks with the number
    `ignored` have no class.
    """

    path: str
    inputs: Names = ("x",)
    targets: Names = ("y",)
    classes: tuple[str, ...] = ()
    ignored: int | None = None

    def described(self) -> None:
        return None


@dataclass(frozen=True)
class Archive(Arrays):
    """The arrays of a `.npz` file."""


@dataclass(frozen=True)
class ArrayFolder(Arrays):
    """The `.npy` files of a folder, whose inputs stay on the disk and are read as needed."""
