"""CIFAR-10 is read from its files; damaged files are errors."""

from pathlib import Path

import numpy as np
import pytest

from netdsl.config import SettingCall
from netdsl.data.catalog import open_dataset
from netdsl.data.cifar import CIFAR10
from tests.support.datasets import fails
from tests.support.memory import peak_of


def write_cifar(folder: Path) -> np.ndarray:
    """Write files of ten images each, and return their records."""
    folder.mkdir(parents=True, exist_ok=True)
    records = np.random.default_rng(0).integers(0, 256, (6, 10, CIFAR10.record), np.uint8)
    records[:, :, 0] = np.arange(10)
    for name, part in zip(CIFAR10.train + CIFAR10.test, records, strict=True):
        part.tofile(folder / name)
    return records


def test_a_large_cifar_file_is_not_read(tmp_path: Path) -> None:
    """A file with more than 10,000 images is refused because of its size, without reading it."""
    write_cifar(tmp_path)
    with (tmp_path / CIFAR10.train[0]).open("r+b") as file:
        file.truncate(3073 * 100_000)
    call = SettingCall("cifar10", (str(tmp_path),))
    assert peak_of(lambda: fails("corrupt-data", call)) < 8 << 20
    message = fails("corrupt-data", call).message
    assert "expected at most 30,730,000 bytes, found 307,300,000" in message


@pytest.mark.parametrize("subfolder", ["", "cifar-10-batches-bin"])
def test_cifar_is_read_in_order(tmp_path: Path, subfolder: str) -> None:
    records = write_cifar(tmp_path / subfolder)
    data = open_dataset(SettingCall("cifar10", (), {"root": str(tmp_path), "pad": 1}))
    assert data.shape == (3, 34, 34)
    assert data.train.images.shape[0] == 50
    assert np.array_equal(data.train.images[10, 0, 1, 1:33], records[1, 0, 1:33])
    assert np.array_equal(data.test.images[9, 2, 32, 1:33], records[5, 9, -32:])
    assert data.test.labels.tolist() == list(range(10))
    assert data.mean == (0.485, 0.456, 0.406) and data.std == (0.229, 0.224, 0.225)


def test_damaged_cifar_is_explained(tmp_path: Path) -> None:
    records = write_cifar(tmp_path)
    call = SettingCall("cifar10", (str(tmp_path),))
    path = tmp_path / CIFAR10.train[2]
    path.write_bytes(path.read_bytes()[:-1])
    assert "expected a multiple of 3,073 bytes, found 30,729" in fails("corrupt-data", call).message
    records[2, 4, 0] = 11
    records[2].tofile(path)
    assert "label 11" in fails("corrupt-data", call).message
    path.unlink()
    assert CIFAR10.train[2] in fails("data-not-found", call).message
