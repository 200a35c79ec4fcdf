"""Reads `.npy` and `.npz` files: all headers first, then the numbers of arrays that are used."""

from __future__ import annotations

import os
import warnings
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

from netdsl.errors import NetdslError
from netdsl.limits import limit, raise_help

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

PIECE = 1 << 22  # bytes that are read at once
SUFFIX = ".npy"
_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


@dataclass(frozen=True)
class StoredArray:
    """An array in a file. Its header gives its type and shape; NumPy reads it on demand."""

    path: Path
    member: str | None  # its name in an archive
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    columns_first: bool

    @property
    def place(self) -> str:
        """The name of the array in messages."""
        if self.member is None:
            return str(self.path)
        return f"`{self.member.removesuffix(SUFFIX)}` of {self.path}"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """The numbers, converted to another type if one is given."""
        return self.read(np.dtype(dtype or self.dtype))

    def read(self, dtype: np.dtype[Any]) -> Any:
        """The numbers as `dtype`, read and converted piece by piece.

        Raises `NetdslError` for a damaged file and for numbers that `dtype` cannot represent.
        """
        check_size(self.place, self.shape, max(dtype.itemsize, self.dtype.itemsize))
        made = np.empty(prod(self.shape), dtype)
        with _guarded(self.path), _opened(self.path, self.member) as file:
            _header(file)
            self._fill(file, made)
        if self.columns_first:
            return made.reshape(self.shape[::-1]).T
        return made.reshape(self.shape)

    def _fill(self, file: BinaryIO, made: Any) -> None:
        step = max(1, PIECE // self.dtype.itemsize)
        for at in range(0, len(made), step):
            count = min(step, len(made) - at)
            data = file.read(count * self.dtype.itemsize)
            if len(data) < count * self.dtype.itemsize:
                raise EOFError("it is cut off")
            piece = np.frombuffer(data, self.dtype)
            made[at : at + count] = converted(piece, made.dtype, self.place)
        if file.read(1):  # at the end of a member, this also checks its checksum
            raise ValueError("it has more numbers than its header declares")


def converted(values: Any, dtype: np.dtype[Any], place: str) -> Any:
    """Numbers as another type; raises `NetdslError` for one that the type cannot represent."""
    with np.errstate(over="ignore", invalid="ignore"):
        made = values.astype(dtype, copy=False)
    if dtype.kind in "iu":
        lost = made != values
    elif dtype.itemsize < values.dtype.itemsize:
        lost = np.isinf(made) & np.isfinite(values)
    else:
        return made
    if lost.any():
        raise NetdslError("wrong-dtype", f"{place} has the number {values[lost][0]}, which {dtype} cannot hold")
    return made


def check_size(place: str, shape: tuple[int, ...], itemsize: int) -> None:
    """Raise `NetdslError` for an array that would take more memory than the limit."""
    size, most = prod(shape) * itemsize, limit("array_bytes")
    if size > most:
        raise NetdslError(
            "array-too-large",
            f"{place} has {size:,} bytes, the limit is {most:,}",
            help=raise_help("array_bytes"),
        )


def open_array(path: Path) -> StoredArray:
    """The array of a `.npy` file; raises `NetdslError`."""
    with _guarded(path), _opened(path, None) as file:
        if file.read(4) == b"PK\x03\x04":
            raise ValueError("it is an archive of arrays, whose name ends in .npz")
        file.seek(0)
        return _stored(path, None, file, os.path.getsize(path))


def open_archive(path: Path) -> dict[str, StoredArray]:
    """The arrays of a `.npz` file by their names; raises `NetdslError`."""
    with _guarded(path), zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        found = {}
        for info in members:
            with archive.open(info) as file:
                found[info.filename.removesuffix(SUFFIX)] = _stored(
                    path, info.filename, file, info.file_size
                )
        if len(found) < len(members):
            raise ValueError("two of its arrays have one name")
        return found


def _stored(path: Path, member: str | None, file: Any, size: int) -> StoredArray:
    header = _header(file)
    declared = file.tell() + prod(header.shape) * header.dtype.itemsize
    if declared != size:
        raise ValueError(f"its header declares {declared:,} bytes, it has {size:,}")
    return StoredArray(path, member, header.shape, header.dtype, header.columns_first)


class _Header(NamedTuple):
    shape: tuple[int, ...]
    columns_first: bool
    dtype: np.dtype[Any]


def _header(file: BinaryIO) -> _Header:
    """The header of an array and the file after it. Refuses an array of objects, unread."""
    version = np.lib.format.read_magic(file)
    if version not in _READERS:
        raise ValueError(f"its format {version[0]}.{version[1]} is not read")
    with warnings.catch_warnings(action="ignore"):  # NumPy warns about headers written by Python 2
        header = _Header(*_READERS[version](file))
    if header.dtype.hasobject:
        raise ValueError("it holds Python objects")
    if min(header.shape, default=0) < 0:
        raise ValueError(f"its header declares the shape {header.shape}")
    return header


@contextmanager
def _opened(path: Path, member: str | None) -> Iterator[Any]:
    """The file, or one member of an archive."""
    if member is None:
        with open(path, "rb") as file:
            yield file
    else:
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            yield file


@contextmanager
def _guarded(path: Path) -> Iterator[None]:
    """Turn any error that a damaged file causes into one diagnostic."""
    try:
        yield
    except NetdslError:
        raise
    except Exception as error:  # NumPy lets Python parse headers, which can raise anything
        _fail_unreadable(path, error)


def _fail_unreadable(path: Path, error: Exception) -> NoReturn:
    kind = ".npz" if path.suffix.lower() == ".npz" else SUFFIX
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    raise NetdslError(
        "bad-array",
        f"{path} is not a {kind} file of numbers: {reason[:200]}",
        help=f"write it with numpy.{'savez' if kind == '.npz' else 'save'}",
    )
