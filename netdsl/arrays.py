"""Reads `.npy` and `.npz` files: all headers first, then the numbers of arrays that are used."""

from __future__ import annotations

import io
import os
import warnings
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import IO, TYPE_CHECKING, NamedTuple, NoReturn

import numpy as np

from netdsl.errors import NetdslError
from netdsl.limits import limit, raise_help
from netdsl.pipes import refuse_pipe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import DTypeLike

    ReadHeader = Callable[[IO[bytes]], tuple[tuple[int, ...], bool, np.dtype]]

PIECE = 1 << 18  # bytes that are read at once; unpacking needs a few times as much memory
SUFFIX = ".npy"
_LARGEST = 2**63  # headers can declare larger sizes, but no file or array is this large
_MAX_HEADER = 10_000  # bytes; NumPy does not read longer headers
_MAX_AXES = 64  # NumPy's own limit
_MAX_NAME = 40  # characters of an array's name in a message
ENCRYPTED = 1  # the flag of an encrypted member of a zip archive
# NumPy writes only these. With others, a few bytes could unpack to an array that fills the memory.
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_KINDS = {"U": "text", "S": "bytes", "O": "Python objects"}
_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_WIDTHS = {(1, 0): 2, (2, 0): 4}  # bytes that store the length of a header, by version


class _Unreadable(Exception):
    """A file or array is damaged or of the wrong kind; the text is a predicate ("is cut off")."""


@dataclass(frozen=True)
class StoredArray:
    """An array in a file, of which only the header has been read; NumPy reads it on demand."""

    path: Path
    member: str | None  # its name in an archive
    shape: tuple[int, ...]
    dtype: np.dtype
    columns_first: bool

    @property
    def place(self) -> str:
        """The name of the array in messages."""
        if self.member is None:
            return str(self.path)
        return f"{_named(self.member)} of {self.path}"

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        """The numbers, converted to another type if one is given."""
        return self.read(np.dtype(dtype or self.dtype))

    def read(self, dtype: np.dtype) -> np.ndarray:
        """The numbers as `dtype`, read and converted piece by piece.

        Raises `NetdslError` for a damaged file and for numbers that `dtype` cannot represent.
        """
        check_size(self.place, self.shape, max(dtype.itemsize, self.dtype.itemsize))
        numbers = np.empty(prod(self.shape), dtype)
        with _guarded(self.path, _named(self.member)), _opened(self.path, self.member) as file:
            _header(file)
            self._fill(file, numbers)
        if self.columns_first:
            return numbers.reshape(self.shape[::-1]).T
        return numbers.reshape(self.shape)

    def _fill(self, file: IO[bytes], numbers: np.ndarray) -> None:
        step = max(1, PIECE // self.dtype.itemsize)
        for at in range(0, len(numbers), step):
            count = min(step, len(numbers) - at)
            data = file.read(count * self.dtype.itemsize)
            if len(data) < count * self.dtype.itemsize:
                raise _Unreadable("is cut off")
            piece = np.frombuffer(data, self.dtype)
            numbers[at : at + count] = converted(piece, numbers.dtype, self.place)
        if file.read(1):  # at the end of a member, this also checks its checksum
            raise _Unreadable("has more numbers than its header declares")


def converted(values: np.ndarray, dtype: np.dtype, place: str) -> np.ndarray:
    """Numbers as another type; raises `NetdslError` for one that the type cannot represent."""
    with np.errstate(over="ignore", invalid="ignore"):
        numbers = values.astype(dtype, copy=False)
    if dtype.kind in "iu":
        lost = np.asarray(numbers != values)
    elif dtype.itemsize < values.dtype.itemsize:
        lost = np.isinf(numbers) & np.isfinite(values)
    else:
        return numbers
    if lost.any():
        raise NetdslError(
            "wrong-dtype",
            f"{place} has the number {values[lost][0]}, which {dtype} cannot represent",
        )
    return numbers


def check_size(place: str, shape: tuple[int, ...], itemsize: int) -> None:
    """Raise `NetdslError` for an array that would take more memory than the limit."""
    size, most = prod(shape) * itemsize, limit("array_bytes")
    if size > most:
        raise NetdslError(
            "array-too-large",
            f"{place} has {size:,} bytes, but the limit is {most:,}",
            help=raise_help("array_bytes"),
        )


def type_name(dtype: np.dtype) -> str:
    """An element type in words, without the order of its bytes."""
    if dtype.names or dtype.subdtype:
        return "records"
    if dtype.name.startswith("void"):
        return "bytes without a type"
    return _KINDS.get(dtype.kind, dtype.name)


def open_array(path: Path) -> StoredArray:
    """The array of a `.npy` file; raises `NetdslError`."""
    with _guarded(path), _opened(path, None) as file:
        if file.read(4) == b"PK\x03\x04":
            raise _Unreadable("is an archive of arrays: its name should end in .npz")
        file.seek(0)
        return _stored(path, None, file, os.fstat(file.fileno()).st_size)


def open_archive(path: Path) -> dict[str, StoredArray]:
    """The arrays of a `.npz` file by their names; raises `NetdslError`."""
    arrays = {}
    with _guarded(path), _archive(path) as archive:
        members = archive.infolist()
        for info in members:
            name = info.filename
            with _guarded(path, _named(name)):
                _check_packing(info)
                with archive.open(info) as file:
                    arrays[name.removesuffix(SUFFIX)] = _stored(path, name, file, info.file_size)
        if len(arrays) < len(members):
            raise _Unreadable("has two arrays with the same name")
    return arrays


def _named(member: str | None) -> str:
    """The word for an array in messages: its name in an archive, or else "it"."""
    if member is None:
        return "it"
    name = member.removesuffix(SUFFIX)
    if len(name) > _MAX_NAME:
        name = f"{name[:_MAX_NAME]}..."
    return f"`{name}`"


def _check_packing(info: zipfile.ZipInfo) -> None:
    if info.flag_bits & ENCRYPTED:
        raise _Unreadable("is encrypted")
    if info.compress_type not in _PACKED:
        raise _Unreadable("is compressed by a method that NumPy does not use")


def _stored(path: Path, member: str | None, file: IO[bytes], size: int) -> StoredArray:
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
    dtype: np.dtype


def _header(file: IO[bytes]) -> _Header:
    """Read the header of an array; raises `_Unreadable` for an array of Python objects."""
    magic = file.read(np.lib.format.MAGIC_LEN)
    if not magic.startswith(np.lib.format.MAGIC_PREFIX) or len(magic) < np.lib.format.MAGIC_LEN:
        raise _Unreadable("does not begin like a NumPy array")
    version = (magic[-2], magic[-1])
    if version not in _READERS:
        raise _Unreadable(f"has the format {version[0]}.{version[1]}, which netdsl does not read")
    header = _parsed(_READERS[version], _header_bytes(file, _WIDTHS[version]))
    if header.dtype.hasobject:
        raise _Unreadable("contains Python objects")
    if len(header.shape) > _MAX_AXES:
        raise _Unreadable(f"has a header that declares {len(header.shape):,} axes")
    if not all(0 <= size < _LARGEST for size in header.shape):
        raise _Unreadable("has a header that declares a size below 0 or above 2^63")
    return header


def _header_bytes(file: IO[bytes], width: int) -> bytes:
    """The length of a header, which is stored in `width` bytes, and the header itself."""
    length = file.read(width)
    count = int.from_bytes(length, "little")
    if count > _MAX_HEADER:
        raise _Unreadable(f"has a header of {count:,} bytes, and the limit is {_MAX_HEADER:,}")
    return length + file.read(count)


def _parsed(read: ReadHeader, header: bytes) -> _Header:
    try:
        with warnings.catch_warnings(action="ignore"):  # NumPy warns about headers of Python 2
            shape, columns_first, dtype = read(io.BytesIO(header))
    except Exception as error:  # NumPy parses headers as Python, which can raise any exception
        raise _Unreadable("has a damaged header") from error
    return _Header(tuple(map(int, shape)), columns_first, dtype)


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive; raises `_Unreadable` for a file of another kind."""
    with _opened(path, None) as file:
        try:
            archive = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise _Unreadable("is not a zip archive, or is damaged") from error
        with archive:
            yield archive


@contextmanager
def _opened(path: Path, member: str | None) -> Iterator[IO[bytes]]:
    """Open a file, or one member of an archive."""
    if member is None:
        refuse_pipe(path)
        with open(path, "rb") as file:
            yield file
    else:
        with _archive(path) as archive, archive.open(member) as file:
            yield file


@contextmanager
def _guarded(path: Path, subject: str = "it") -> Iterator[None]:
    """Turn every error that a file causes into a diagnostic, whose reason is about `subject`."""
    try:
        yield
    except (NetdslError, MemoryError):
        raise
    except _Unreadable as error:
        _fail_unreadable(path, f"{subject} {error}")
    except OSError as error:
        raise NetdslError("cannot-read", f"cannot read {path}: {error.strerror}") from None
    except Exception:  # `zipfile` and `zlib` raise many kinds, with messages for programmers
        _fail_unreadable(path, f"{subject} is damaged")


def _fail_unreadable(path: Path, reason: str) -> NoReturn:
    kind, writer = SUFFIX, "numpy.save"
    if path.suffix.lower() == ".npz":
        kind, writer = ".npz", "numpy.savez"
    raise NetdslError(
        "bad-array",
        f"{path} is not a {kind} file of numbers: {reason}",
        help=f"write it with {writer}",
    )
