"""The columns of a dataset: the values of one input or target for every sample."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from netdsl.arrays import open_array

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    Indices = npt.NDArray[np.int64]

PIECE = 256  # samples that are read at once when all of them are


class Column(ABC):
    """N values of the same shape and type, which are read by their indices."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The shape of one value."""

    @property
    @abstractmethod
    def dtype(self) -> np.dtype:
        """The type of the numbers."""

    @abstractmethod
    def __len__(self) -> int:
        """The number of samples."""

    @abstractmethod
    def read(self, indices: Indices) -> np.ndarray:
        """The values of the samples with these indices, N x shape."""

    @abstractmethod
    def take(self, indices: Indices) -> Column:
        """The column of the samples with these indices."""

    def file(self, _: int) -> Path | None:
        """The file that contains only the sample with this index, if there is one."""
        return None

    def pieces(self) -> list[Indices]:
        """The indices of all samples, in pieces that fit into memory."""
        return [
            np.arange(start, min(start + PIECE, len(self))) for start in range(0, len(self), PIECE)
        ]

    def sums(self) -> list[bytes]:
        """A sum of each value, which tells whether two of them are equal."""
        return [sum_of(value) for piece in self.pieces() for value in self.read(piece)]


def sum_of(value: np.ndarray) -> bytes:
    """A sum of the bytes of an array."""
    return hashlib.blake2b(np.ascontiguousarray(value).data, digest_size=16).digest()


@dataclass(frozen=True, eq=False)
class ArrayColumn(Column):
    """A column in memory."""

    array: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape[1:]

    @property
    def dtype(self) -> np.dtype:
        return self.array.dtype

    def __len__(self) -> int:
        return len(self.array)

    def read(self, indices: Indices) -> np.ndarray:
        return self.array[indices]

    def take(self, indices: Indices) -> ArrayColumn:
        return ArrayColumn(self.array[indices])


@dataclass(frozen=True, eq=False)
class MappedColumn(Column):
    """A `.npy` file whose numbers are read from the disk when they are needed.

    `rows` are the samples of the file that the column has. Raises `NetdslError` for a file that is
    not an array.
    """

    path: Path
    rows: Indices

    @cached_property
    def _file(self) -> np.ndarray:
        open_array(self.path)  # checks the header, which `numpy.load` trusts
        mapped: np.ndarray = np.load(self.path, mmap_mode="r", allow_pickle=False)
        return mapped

    def __getstate__(self) -> tuple[Path, Indices]:
        return self.path, self.rows  # each process maps the file itself

    def __setstate__(self, state: tuple[Path, Indices]) -> None:
        for name, value in zip(("path", "rows"), state, strict=True):
            object.__setattr__(self, name, value)

    @property
    def shape(self) -> tuple[int, ...]:
        return self._file.shape[1:]

    @property
    def dtype(self) -> np.dtype:
        return self._file.dtype.newbyteorder("=")

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, indices: Indices) -> np.ndarray:
        return np.asarray(self._file[self.rows[indices]], self.dtype)

    def take(self, indices: Indices) -> MappedColumn:
        return MappedColumn(self.path, self.rows[indices])
