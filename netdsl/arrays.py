"""Reads `.npy` and `.npz` files: all headers first, then the numbers of arrays that are used."""

from __future__ import annotations

import io
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
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

PIECE = 1 << 18  # bytes that are read at once: unpacking takes a few times as many
SUFFIX = ".npy"
_LARGEST = 2**63  # a header can declare a number of any length: no size and no file reaches this
_HEADER = 10_000  # bytes of a header, and axes of an array, that NumPy reads
_AXES = 64
_SHOWN = 40  # characters of an array's name in a message
ENCRYPTED = 1  # a bit of the flags of a zip archive's member
# NumPy writes no other kinds, of which a few bytes could unpack to an array that fills the memory.
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_KINDS = {"U": "text", "S": "bytes", "O": "Python objects"}
_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


class _Unreadable(Exception):
    """A file that is not one of arrays. Its text is what is wrong with it, or with an array."""


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
        return f"{_named(self.member)} of {self.path}"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """The numbers, converted to another type if one is given."""
        return self.read(np.dtype(dtype or self.dtype))

    def read(self, dtype: np.dtype[Any]) -> Any:
        """The numbers as `dtype`, read and converted piece by piece.

        Raises `NetdslError` for a damaged file and for numbers that `dtype` cannot represent.
        """
        check_size(self.place, self.shape, max(dtype.itemsize, self.dtype.itemsize))
        made = np.empty(prod(self.shape), dtype)
        with _guarded(self.path, _named(self.member)), _opened(self.path, self.member) as file:
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
                raise _Unreadable("is cut off")
            piece = np.frombuffer(data, self.dtype)
            made[at : at + count] = converted(piece, made.dtype, self.place)
        if file.read(1):  # at the end of a member, this also checks its checksum
            raise _Unreadable("has more numbers than its header declares")


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
        raise NetdslError(
            "wrong-dtype", f"{place} has the number {values[lost][0]}, which {dtype} cannot hold"
        )
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


def type_name(dtype: np.dtype[Any]) -> str:
    """An element type in words; the order of its bytes does not matter."""
    if dtype.names or dtype.subdtype:
        return "records"
    if dtype.name.startswith("void"):
        return "bytes without a type"
    return _KINDS.get(dtype.kind, dtype.name)


def open_array(path: Path) -> StoredArray:
    """The array of a `.npy` file; raises `NetdslError`."""
    with _guarded(path), _opened(path, None) as file:
        if file.read(4) == b"PK\x03\x04":
            raise _Unreadable("is an archive of arrays, whose name ends in .npz")
        file.seek(0)
        return _stored(path, None, file, os.fstat(file.fileno()).st_size)


def open_archive(path: Path) -> dict[str, StoredArray]:
    """The arrays of a `.npz` file by their names; raises `NetdslError`."""
    found = {}
    with _guarded(path), _archive(path) as archive:
        members = archive.infolist()
        for info in members:
            name = info.filename
            with _guarded(path, _named(name)):
                _check_packing(info)
                with archive.open(info) as file:
                    found[name.removesuffix(SUFFIX)] = _stored(path, name, file, info.file_size)
        if len(found) < len(members):
            raise _Unreadable("has two arrays of one name")
    return found


def _named(member: str | None) -> str:
    """What messages call an array: by its name in an archive, or else `it`."""
    if member is None:
        return "it"
    name = member.removesuffix(SUFFIX)
    return f"`{name}`" if len(name) <= _SHOWN else f"`{name[:_SHOWN]}...`"


def _check_packing(info: zipfile.ZipInfo) -> None:
    if info.flag_bits & ENCRYPTED:
        raise _Unreadable("is encrypted")
    if info.compress_type not in _PACKED:
        raise _Unreadable("is compressed by another method than NumPy's")


def _stored(path: Path, member: str | None, file: Any, size: int) -> StoredArray:
    header = _header(file)
    declared = file.tell() + prod(header.shape) * header.dtype.itemsize
    if declared >= _LARGEST:
        raise _Unreadable("has a header that declares more than 2^63 bytes")
    if declared != size:
        raise _Unreadable(f"has {size:,} bytes, and its header declares {declared:,}")
    return StoredArray(path, member, header.shape, header.dtype, header.columns_first)


class _Header(NamedTuple):
    shape: tuple[int, ...]
    columns_first: bool
    dtype: np.dtype[Any]


def _header(file: BinaryIO) -> _Header:
    """The header of an array and the file after it. Refuses an array of objects, unread."""
    magic = file.read(np.lib.format.MAGIC_LEN)
    version = (magic[-2], magic[-1]) if magic.startswith(np.lib.format.MAGIC_PREFIX) else None
    if version is None or len(magic) < np.lib.format.MAGIC_LEN:
        raise _Unreadable("does not begin as NumPy's arrays do")
    if version not in _READERS:
        raise _Unreadable(f"has the format {version[0]}.{version[1]}, which netdsl does not read")
    header = _parsed(_READERS[version], _header_bytes(file, 2 if version == (1, 0) else 4))
    if header.dtype.hasobject:
        raise _Unreadable("contains Python objects")
    if len(header.shape) > _AXES:
        raise _Unreadable(f"has a header that declares {len(header.shape):,} axes")
    if not all(0 <= size < _LARGEST for size in header.shape):
        raise _Unreadable("has a header that declares a size below 0 or above 2^63")
    return header


def _header_bytes(file: BinaryIO, width: int) -> bytes:
    """A header after its length, a number of `width` bytes that is returned too."""
    length = file.read(width)
    count = int.from_bytes(length, "little")
    if count > _HEADER:
        raise _Unreadable(f"has a header of {count:,} bytes, and the limit is {_HEADER:,}")
    return length + file.read(count)


def _parsed(read: Callable[..., Any], header: bytes) -> _Header:
    try:
        with warnings.catch_warnings(action="ignore"):  # NumPy warns about Python 2's headers
            shape, columns_first, dtype = read(io.BytesIO(header))
    except Exception as error:  # NumPy lets Python parse headers, which can raise anything
        raise _Unreadable("has a damaged header") from error
    return _Header(tuple(map(int, shape)), columns_first, dtype)


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """The archive of a path; raises `_Unreadable` for a file that is none."""
    with _opened(path, None) as file:
        try:
            archive = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise _Unreadable("is no zip archive, or a damaged one") from error
        with archive:
            yield archive


@contextmanager
def _opened(path: Path, member: str | None) -> Iterator[Any]:
    """The file, or one member of an archive."""
    if member is None:
        with open(path, "rb") as file:
            yield file
    else:
        with _archive(path) as archive, archive.open(member) as file:
            yield file


@contextmanager
def _guarded(path: Path, subject: str = "it") -> Iterator[None]:
    """Turn any error that a file causes into one diagnostic, whose reason is about `subject`."""
    try:
        yield
    except (NetdslError, MemoryError):
        raise
    except _Unreadable as error:
        _fail_unreadable(path, f"{subject} {error}")
    except OSError as error:
        raise NetdslError("cannot-read", f"cannot read {path}: {error.strerror}") from None
    except Exception:  # `zipfile` and `zlib` raise many kinds, in words for programmers
        _fail_unreadable(path, f"{subject} is damaged")


def _fail_unreadable(path: Path, reason: str) -> NoReturn:
    kind = ".npz" if path.suffix.lower() == ".npz" else SUFFIX
    raise NetdslError(
        "bad-array",
        f"{path} is not a {kind} file of numbers: {reason}",
        help=f"write it with numpy.{'savez' if kind == '.npz' else 'save'}",
    )
