"""Where published data sets are found, and the unpacking of their archives."""

from __future__ import annotations

import gzip
import io
import tarfile
from typing import TYPE_CHECKING

import numpy as np
import platformdirs
import pytest

from netdsl.config import SettingCall
from netdsl.data import catalog, digits, extract
from netdsl.data.catalog import open_dataset
from netdsl.data.cifar import CIFAR100
from tests.support.datasets import fails, idx_contents

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def cifar_files() -> dict[str, bytes]:
    """Files of CIFAR-100 with 100 training and 100 test images."""
    records = np.random.default_rng(0).integers(0, 256, (2, 100, CIFAR100.record), np.uint8)
    records[:, :, 1] = np.arange(100)
    return dict(zip(CIFAR100.train + CIFAR100.test, map(np.ndarray.tobytes, records), strict=True))


def pack(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


@pytest.mark.parametrize("from_environment", [True, False])
def test_the_folder_of_all_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, from_environment: bool
) -> None:
    """`NETDSL_DATA`, or the user's data folder, has a folder for each data set."""
    if from_environment:
        monkeypatch.setenv("NETDSL_DATA", str(tmp_path))
    else:
        monkeypatch.delenv("NETDSL_DATA", raising=False)
        monkeypatch.setattr(platformdirs, "user_data_path", lambda _: tmp_path)
    monkeypatch.setattr(catalog, "DEBIAN_FOLDER", tmp_path / "none")
    error = fails("data-not-found", SettingCall("mnist"))
    assert f"there is no folder {tmp_path / 'mnist'}" == error.message
    assert "https://" in (error.help or "") and "root" in (error.help or "")
    for name in ("mnist", "fashion_mnist"):
        (tmp_path / name).mkdir()
        for file, content in idx_contents().items():
            (tmp_path / name / file).write_bytes(content)
        assert len(open_dataset(SettingCall(name)).train) == 20


def test_an_archive_is_unpacked(tmp_path: Path) -> None:
    """CIFAR-100 is read from its archive; the second label byte is the class."""
    members = [
        (tarfile.TarInfo(f"{CIFAR100.folder}/{name}"), content)
        for name, content in cifar_files().items()
    ]
    pack(tmp_path / CIFAR100.archive, *members)
    for _ in range(2):  # from the archive, then from the folder
        data = open_dataset(SettingCall("cifar100", (str(tmp_path),)))
        assert data.train.labels.tolist() == list(range(100))
        assert (data.shape, len(set(data.classes))) == ((3, 32, 32), 100)
    assert sorted(p.name for p in tmp_path.iterdir()) == [CIFAR100.folder, CIFAR100.archive]


def link(name: str, target: str, kind: bytes) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


HOSTILE: dict[str, Callable[[], tuple[tarfile.TarInfo, bytes]]] = {
    "symbolic link": lambda: link("a", "/etc/passwd", tarfile.SYMTYPE),
    "hard link": lambda: link("a", "b", tarfile.LNKTYPE),
    "device": lambda: link("a", "", tarfile.CHRTYPE),
    "pipe": lambda: link("a", "", tarfile.FIFOTYPE),
    "absolute": lambda: (tarfile.TarInfo("/netdsl-escaped"), b"x"),
    "parent": lambda: (tarfile.TarInfo("a/../../escaped"), b"x"),
    "size": lambda: (tarfile.TarInfo("a"), bytes(2000)),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_archives_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Nothing of an archive with links, other places or too many bytes is written."""
    monkeypatch.setattr(extract, "MOST_BYTES", 1000)
    good = (tarfile.TarInfo("good.bin"), b"good")
    pack(tmp_path / "in" / CIFAR100.archive, good, HOSTILE[kind]())
    fails("unsafe-archive", SettingCall("cifar100", (str(tmp_path / "in"),)))
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == [CIFAR100.archive]


def test_an_archive_of_many_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their number is limited, too."""
    monkeypatch.setattr(extract, "MOST_FILES", 3)
    pack(tmp_path / CIFAR100.archive, *((tarfile.TarInfo(str(n)), b"") for n in range(4)))
    fails("unsafe-archive", SettingCall("cifar100", (str(tmp_path),)))


@pytest.mark.parametrize("cut", [0, 100, 5000])
def test_damaged_archives_are_explained(tmp_path: Path, cut: int) -> None:
    """An archive that is cut off leaves nothing behind."""
    members = [(tarfile.TarInfo(name), content) for name, content in cifar_files().items()]
    pack(tmp_path / CIFAR100.archive, *members)
    path = tmp_path / CIFAR100.archive
    path.write_bytes(path.read_bytes()[:cut])
    fails("corrupt-data", SettingCall("cifar100", (str(tmp_path),)))
    assert [p.name for p in tmp_path.iterdir()] == [CIFAR100.archive]


def test_digits_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file of scikit-learn is read without importing it; damage and absence are explained."""
    rng = np.random.default_rng(0)
    table = np.hstack([rng.integers(0, 17, (50, 64)), np.arange(50)[:, None] % 10])
    text = "\n".join(",".join(map(str, row)) for row in table).encode()
    (tmp_path / digits.FILE).write_bytes(gzip.compress(text))
    call = SettingCall("digits", (), {"root": str(tmp_path)})
    data = open_dataset(call)
    assert (len(data.train), len(data.test), data.shape) == (40, 10, (1, 8, 8))
    assert np.bincount(data.test.labels).tolist() == [1] * 10
    assert (data.train.images.min(), data.train.images.max()) == (0, 255)
    for content in (b"no gzip", gzip.compress(text.replace(b"16", b"17")), gzip.compress(b"1,2")):
        (tmp_path / digits.FILE).write_bytes(content)
        fails("corrupt-data", call)
    monkeypatch.setattr(digits, "packaged_folder", lambda: None)
    monkeypatch.setenv("NETDSL_DATA", str(tmp_path))
    assert "pip install scikit-learn" in (fails("data-not-found", SettingCall("digits")).help or "")
