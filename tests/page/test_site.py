"""The files of the playground, and the command that copies them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from netdsl.cli import run
from netdsl.page import archive, site

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Small files in place of those that npm builds."""
    folder = tmp_path / "built"
    (folder / "pyodide").mkdir(parents=True)
    (folder / site.MARK).write_text("first")
    (folder / "pyodide" / "a.wasm").write_text("wasm")
    (folder / site.WIDGET).write_text("only for notebooks")
    monkeypatch.setattr(site, "BUILT", folder)
    return folder


def test_a_copy_replaces_an_older_one(built: Path, tmp_path: Path) -> None:
    """The folder has exactly the new files, and nothing is left beside it."""
    target = tmp_path / "deep" / "site"
    assert run(["page", "-o", str(target)]) == 0
    (target / "old.js").write_text("old")
    (built / site.MARK).write_text("second")
    assert run(["page", "-o", str(target)]) == 0
    assert site.files(target) == [site.MARK, "pyodide/a.wasm"]
    assert (target / site.MARK).read_text() == "second"
    assert [path.name for path in target.parent.iterdir()] == ["site"]


def test_other_files_stay(built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder with other files, and a file, are refused and stay as they are."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("words")
    assert run(["page", "-o", str(tmp_path / "mine")]) == 1
    assert "error[folder-not-empty]" in capsys.readouterr().err
    assert run(["page", "-o", str(tmp_path / "mine" / "thesis.txt")]) == 1
    assert "error[cannot-write]" in capsys.readouterr().err
    assert site.files(tmp_path / "mine") == ["thesis.txt"]
    assert built.is_dir()


def test_missing_folder_in_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Without `-o` the message says what it names."""
    assert run(["page", "docs/site"]) == 2
    assert "for example, write `-o docs/site`" in capsys.readouterr().err


def test_archive_has_what_the_desk_imports() -> None:
    """The archive has every layer and no module that needs NumPy, PyTorch or ONNX."""
    names = archive.modules()
    assert {"netdsl.page.desk", "netdsl.ops.conv", "netdsl.lsp.hover"} <= names
    assert {"netdsl.data.catalog", "netdsl.backends.onnx.graph", "netdsl.train.fit"} <= names
    assert not {"netdsl.weights.fresh", "netdsl.backends.torch.module", "netdsl.train.loop"} & names
    assert all(archive.runs_alone(name) for name in names)
    assert not archive.runs_alone("netdsl.weights.fresh")
    files = archive.files()
    assert "netdsl/nets/lenet5.net" in files
    assert "texts/netdsl/backends/torch/modules.py" in files
