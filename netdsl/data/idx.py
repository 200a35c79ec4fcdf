"""Reads IDX, the format of MNIST.

A big-endian header gives the magic number and the sizes; the bytes of the array follow.
"""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, NoReturn, cast

import numpy as np

from netdsl.data.dataset import Images, Split, check_labels
from netdsl.errors import SettingError
from netdsl.words import counted

MAGIC_UBYTE = 0x0800  # the number of dimensions is added in the low byte
MAX_BYTES = 1 << 31
PIECE = 1 << 20  # bytes read at once
NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def find_idx(folder: Path, name: str) -> Path | None:
    """The file `name` or `name`.gz in `folder`, or None if it has neither."""
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def has_idx(folder: Path) -> bool:
    """Whether all four files are in `folder`, gzipped or not."""
    return all(find_idx(folder, name) for name in NAMES)


def read_idx_folder(folder: Path, classes: int, help: str | None = None) -> tuple[Split, Split]:
    """The training and test split; images are N x 1 x H x W.

    Raises SettingError: `data-not-found` with the advice `help` for a missing file, `corrupt-data`
    for a damaged one.
    """
    missing = [name for name in NAMES if find_idx(folder, name) is None]
    if missing:
        files = ", ".join(f"{name}[.gz]" for name in missing)
        raise SettingError("data-not-found", f"{folder} does not contain {files}", "data", help)
    train, test = (_read_split(folder, prefix, classes) for prefix in ("train", "t10k"))
    if train.images.shape[1:] != test.images.shape[1:]:
        sizes = f"{train.images.shape[2:]} for training, {test.images.shape[2:]} for the test"
        raise SettingError(
            "corrupt-data", f"{folder} contains images of two sizes: {sizes}", "data"
        )
    return train, test


def read_idx(path: Path, dimensions: int, first: int | None = None) -> Images:
    """The array in one IDX file of unsigned bytes, unpacked if the name ends in `.gz`.

    Raises SettingError: `corrupt-data` for a wrong magic number or length, a broken gzip stream,
    or a first dimension other than `first`; `data-not-found` for a file that cannot be read.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with cast("BinaryIO", opener(path, "rb")) as file:
            return _parse(file, path, dimensions, first)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise SettingError(
            "corrupt-data", f"{path} is not complete gzip data: {error}", "data"
        ) from error
    except OSError as error:
        raise SettingError("data-not-found", f"{path} cannot be read: {error}", "data") from error


def _parse(file: BinaryIO, path: Path, dimensions: int, first: int | None) -> Images:
    length = 4 * (1 + dimensions)
    header = file.read(length)
    if len(header) < length:
        _corrupt(path, f"a header of {counted(length, 'byte')}", counted(len(header), "byte"))
    magic, *shape = struct.unpack(f">{1 + dimensions}I", header)
    if magic != MAGIC_UBYTE + dimensions:
        _corrupt(path, f"the magic number {MAGIC_UBYTE + dimensions:#010x}", f"{magic:#010x}")
    size = math.prod(shape)
    if not 0 < size <= MAX_BYTES:
        _corrupt(path, f"1 to {MAX_BYTES:,} values", f"{size:,} in the header")
    if first is not None and shape[0] != first:
        _corrupt(path, f"{counted(first, 'image')}, as many as labels", f"{shape[0]:,}")
    return _read_body(file, path, size).reshape(shape)


def _read_body(file: BinaryIO, path: Path, size: int) -> Images:
    """The `size` bytes after the header.

    Memory is used only for bytes that are read, so a wrong size in the header costs none.
    """
    body = np.empty(size, np.uint8)
    read = 0
    while read < size and (data := file.read(min(PIECE, size - read))):
        body[read : read + len(data)] = np.frombuffer(data, np.uint8)
        read += len(data)
    expected = f"{counted(size, 'byte')} after the header"
    if read < size:
        _corrupt(path, expected, f"{read:,}")
    if file.read(1):
        _corrupt(path, expected, "more")
    return body


def _read_split(folder: Path, prefix: str, classes: int) -> Split:
    """The split whose two files begin with `prefix`; both must exist."""
    images_path, labels_path = (
        cast("Path", find_idx(folder, name)) for name in NAMES if name.startswith(prefix)
    )
    labels = read_idx(labels_path, 1).astype(np.int64)
    check_labels(labels, classes, labels_path)
    images = read_idx(images_path, 3, len(labels))
    return Split.of(images[:, None], labels)


def _corrupt(path: Path, expected: str, found: str) -> NoReturn:
    raise SettingError(
        "corrupt-data", f"{path} is damaged: expected {expected}, found {found}", "data"
    )
