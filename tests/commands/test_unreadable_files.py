"""Files that cannot be read, and names that no file could have: said as such, whichever command
meets them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from netdsl.backends.onnx import manifest
from netdsl.cli import run
from tests.support.small_nets import TINY

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", ["a" * 300, "a" * 5000, "a\0b"])
def test_a_name_that_no_file_could_have(
    model_folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """It names nothing, as any other: that it could not be written is beside the point."""
    for arguments in (
        ["run", "m.onnx", f"{name}.png"],
        ["run", "m.onnx", f"{name}.npz"],
        ["run", f"{name}.onnx", "one.npy"],
        ["bench", f"{name}.onnx"],
        ["verify", f"{name}.onnx"],
    ):
        assert run(arguments) == 1
        assert "error[file-not-found]" in capsys.readouterr().err, arguments
    assert run(["export", "lenet5", "-o", "x.onnx", "--weights", f"{name}.pt"]) == 1
    assert "error[file-not-found]" in capsys.readouterr().err


def test_a_file_that_may_not_be_read(
    model_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who reads is not told of writing; the administrator, who may read anything, is told here
    too.
    """

    def denied(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    (model_folder / "tiny.net").write_text(TINY)
    assert run(["export", "tiny.net", "-o", "e.onnx"]) == 0
    monkeypatch.setattr(manifest, "sha256_of", denied)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert run(["run", "e.onnx", "one.npy"]) == 1
    assert "error[cannot-read]: e.onnx: Permission denied" in capsys.readouterr().err
