"""MNIST and similar data sets are read from IDX files; damaged files are errors."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from netdsl.config import SettingCall
from netdsl.data.catalog import open_dataset
from netdsl.data.idx import NAMES, read_idx
from tests.support.datasets import fails, idx_bytes, idx_contents
from tests.support.memory import peak_of


@pytest.mark.parametrize("packed", [False, True])
def test_mnist_reads_plain_and_gzipped_files(idx_folder: Path, packed: bool) -> None:
    if packed:
        for name in NAMES:
            (idx_folder / f"{name}.gz").write_bytes(gzip.compress((idx_folder / name).read_bytes()))
            (idx_folder / name).unlink()
    data = open_dataset(SettingCall("mnist", (str(idx_folder),)))
    assert data.train.images[:, 0].tobytes() == idx_contents()[NAMES[0]][16:]
    assert data.test.labels.tolist() == list(range(10))
    assert data.classes == tuple("0123456789")


def test_mnist_needs_a_root() -> None:
    assert "root" in (fails("data-not-found", SettingCall("mnist")).help or "")


def test_missing_folder_and_file_are_named(idx_folder: Path) -> None:
    assert (
        "nowhere"
        in fails(
            "data-not-found", SettingCall("mnist", (), {"root": str(idx_folder / "nowhere")})
        ).message
    )
    (idx_folder / NAMES[3]).unlink()
    error = fails("data-not-found", SettingCall("mnist", (), {"root": str(idx_folder)}))
    assert NAMES[3] in error.message and "root" in (error.help or "")


@pytest.mark.parametrize(
    ("index", "change", "expected"),
    [
        (0, lambda b: b[:-1], "expected 15,680 bytes after the header, found 15,679"),
        (0, lambda b: b + b"x", "expected 15,680 bytes after the header, found more"),
        (0, lambda b: b[:7], "expected a header of 16 bytes, found 7 bytes"),
        (
            0,
            lambda b: b"\0\0\x08\x01" + b[4:],
            "expected the magic number 0x00000803, found 0x00000801",
        ),
        (0, lambda b: b[:4] + b"\xff" * 12, "in the header"),
        (
            1,
            lambda b: b[:-1] + b"\x0a",
            "label 10, but the labels of 10 classes are 0 to 9",
        ),
        (
            1,
            lambda b: idx_bytes(np.zeros(19, np.uint8)),
            "expected 19 images, as many as labels, found 20",
        ),
        (2, lambda b: idx_bytes(np.zeros((10, 32, 32), np.uint8)), "images of two sizes"),
    ],
)
def test_damaged_idx_is_explained(
    idx_folder: Path, index: int, change: Callable[[bytes], bytes], expected: str
) -> None:
    path = idx_folder / NAMES[index]
    path.write_bytes(change(path.read_bytes()))
    message = fails("corrupt-data", SettingCall("mnist", (str(idx_folder),))).message
    assert expected in message
    assert str(idx_folder) in message


@pytest.mark.parametrize(
    "change", [lambda b: b[:-20], lambda b: b"plain" + b, lambda b: b[:40] + b"\xff" * 60]
)
def test_broken_gzip_is_explained(idx_folder: Path, change: Callable[[bytes], bytes]) -> None:
    path = idx_folder / NAMES[0]
    packed = change(gzip.compress(path.read_bytes()))
    path.unlink()
    (idx_folder / f"{NAMES[0]}.gz").write_bytes(packed)
    assert (
        f"{NAMES[0]}.gz" in fails("corrupt-data", SettingCall("mnist", (str(idx_folder),))).message
    )


def test_packed_data_beyond_its_labels_is_not_unpacked(idx_folder: Path) -> None:
    """A gzip file of zeros that does not fit the labels is refused from its header."""
    zeros = idx_bytes(np.zeros((40_000, 28, 28), np.uint8))
    (idx_folder / NAMES[0]).unlink()
    (idx_folder / f"{NAMES[0]}.gz").write_bytes(gzip.compress(zeros, 1))
    call = SettingCall("mnist", (str(idx_folder),))
    assert peak_of(lambda: fails("corrupt-data", call)) < 8 << 20
    message = fails("corrupt-data", call).message
    assert "expected 20 images, as many as labels, found 40,000" in message


def test_images_are_in_memory_only_once(idx_folder: Path) -> None:
    """Reading packed images takes little more memory than the images themselves."""
    zeros = np.zeros((40_000, 28, 28), np.uint8)
    path = idx_folder / f"{NAMES[0]}.gz"
    path.write_bytes(gzip.compress(idx_bytes(zeros), 1))
    assert peak_of(lambda: read_idx(path, 3)) < zeros.nbytes + (8 << 20)
