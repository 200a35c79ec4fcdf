"""The data of a user's own that a `train` section can name: folders, tables and arrays."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

from netdsl.data.arguments import Constraint, MaybeShare, Share
from netdsl.data.images import Described
from netdsl.data.source import DataSource

if TYPE_CHECKING:
    from netdsl.data.dataset import Dataset

MOST_SIZE = 8192
Size = Annotated[
    int | tuple[int, ...],
    Constraint(
        f"an integer from 1 to {MOST_SIZE:,}, or a list of two, height and width",
        lambda v: all(0 < n <= MOST_SIZE for n in sizes_of(v)) and len(sizes_of(v)) == 2,
    ),
]
Channels = Annotated[int, Constraint("1 (grey) or 3 (colour)", lambda v: v in (1, 3))]


def sizes_of(size: int | tuple[int, ...]) -> tuple[int, ...]:
    """The height and the width that an argument `size` gives."""
    return (size, size) if isinstance(size, int) else size


@dataclass(frozen=True, kw_only=True)
class OwnData(DataSource, ABC):
    """A user's own data, of which the share `test` is the test set if it has none of its own."""

    test: MaybeShare = None

    @abstractmethod
    def read(self) -> "Dataset":
        """The whole dataset; its note is only the name."""

    def open(self) -> "Dataset":
        from netdsl.data.findings import described_counts

        dataset = super().open()
        return replace(dataset, note=described_counts(dataset))


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

    def read(self) -> "Dataset":
        from netdsl.data.folder import read_folder

        return read_folder(self)
