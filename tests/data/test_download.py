"""Fashion-MNIST from the folder of the Debian package or from a download."""

import gzip
import hashlib
import io
import sys
from pathlib import Path

import platformdirs
import pytest

from netdsl.cli import run
from netdsl.config import SettingCall
from netdsl.data import catalog as catalog_module
from netdsl.data import download
from netdsl.data.catalog import open_dataset
from netdsl.data.idx import NAMES
from tests.support.datasets import fails, idx_contents
from tests.support.memory import peak_of


def test_a_packed_download_is_bounded(published: Path, tmp_path: Path) -> None:
    """A download that unpacks to far more data than expected is refused before that happens."""
    (published / f"{NAMES[0]}.gz").write_bytes(gzip.compress(bytes(200 << 20), 1))
    call = SettingCall("fashion_mnist")
    assert peak_of(lambda: fails("bad-checksum", call)) < 2 * download.MOST + (8 << 20)


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of the publisher's server; no Debian package, and an empty cache."""
    source = tmp_path / "source"
    source.mkdir()
    digests = {}
    for name, content in idx_contents().items():
        (source / f"{name}.gz").write_bytes(gzip.compress(content))
        digests[name] = hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(download, "SHA256", digests)
    monkeypatch.setattr(download, "SOURCE", source.as_uri())
    monkeypatch.setattr(catalog_module, "DEBIAN_FOLDER", tmp_path / "none")
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: tmp_path / "cache" / name)
    return source


class Terminal(io.StringIO):
    """Standard error that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("progress", [True, False])
def test_progress_is_shown_only_if_wanted(monkeypatch: pytest.MonkeyPatch, progress: bool) -> None:
    """A download shows a progress bar on a terminal, unless the command is quiet."""
    screen = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", screen)
    open_dataset(SettingCall("fashion_mnist"), progress=progress)
    assert (NAMES[0] in screen.getvalue()) == progress
    assert bool(screen.getvalue()) == progress


@pytest.mark.usefixtures("published", "folder")
@pytest.mark.parametrize("quiet", [[], ["-q"]])
def test_a_quiet_training_has_no_progress(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], quiet: list[str]
) -> None:
    """`netdsl train -q` downloads without a progress bar."""
    screen = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", screen)
    assert run(["train", "vgg:VGG11", "--data", "fashion_mnist", *quiet]) == 1
    assert "data-mismatch" in screen.getvalue()
    assert (f"{NAMES[0]}.gz" in screen.getvalue()) == (not quiet)


def cached(tmp_path: Path) -> list[Path]:
    return sorted(p for p in (tmp_path / "cache").rglob("*") if p.is_file())


def test_fashion_mnist_prefers_the_debian_folder(
    published: Path, idx_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_module, "DEBIAN_FOLDER", idx_folder)
    assert len(open_dataset(SettingCall("fashion_mnist")).train.labels) == 20
    assert not cached(idx_folder)


def test_fashion_mnist_is_downloaded_once(published: Path, tmp_path: Path) -> None:
    data = open_dataset(SettingCall("fashion_mnist"))
    assert data.train.images[:, 0].tobytes() == idx_contents()[NAMES[0]][16:]
    assert len(cached(tmp_path)) == 4
    for path in published.iterdir():
        path.unlink()
    assert len(open_dataset(SettingCall("fashion_mnist")).test.labels) == 10


def test_failed_download_gives_advice(published: Path, tmp_path: Path) -> None:
    """The help of a failed download names the Debian package and the argument `root`."""
    (published / f"{NAMES[0]}.gz").unlink()
    error = fails("data-not-found", SettingCall("fashion_mnist"))
    assert f"{NAMES[0]}.gz" in error.message
    assert "apt install dataset-fashion-mnist" in (error.help or "") and "root" in (
        error.help or ""
    )
    assert not cached(tmp_path)


@pytest.mark.parametrize("content", [gzip.compress(b"other"), b"no gzip"], ids=["other", "no gzip"])
def test_changed_download_is_refused(published: Path, tmp_path: Path, content: bytes) -> None:
    (published / f"{NAMES[0]}.gz").write_bytes(content)
    assert f"{NAMES[0]}.gz" in fails("bad-checksum", SettingCall("fashion_mnist")).message
    assert not cached(tmp_path)
