"""Every command reports files that it cannot read, and names that no file can have."""

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
def test_a_name_that_no_file_can_have(
    model_folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """A name that is too long or has a null character is reported as a file that is not there."""
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


def test_a_file_without_permission_to_read(
    model_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is `cannot-read`, not `cannot-write`.

    The denial is simulated, so that the test also works for root, who may read any file.
    """

    def denied(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    (model_folder / "tiny.net").write_text(TINY)
    assert run(["export", "tiny.net", "-o", "e.onnx"]) == 0
    monkeypatch.setattr(manifest, "sha256_of", denied)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert run(["run", "e.onnx", "one.npy"]) == 1
    assert "error[cannot-read]: e.onnx: Permission denied" in capsys.readouterr().err
