"""`netdsl check --fix`: what it changes, what it prints, and what it leaves alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from netdsl.cli import run

if TYPE_CHECKING:
    from pathlib import Path

NET = """net N {
    input image: 3x9x9
    conv(filters = 8, kernel_size = 3, activation = "relu")   # the stem
    maxpool(2, strid = 2)
}
"""
FIXED = """net N {
    input image: 3x9x9
    conv(out = 8, k = 3) -> relu   # the stem
    maxpool(2, stride = 2)
}
"""


def test_errors_are_fixed(net_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file has the fixes, the output shows them as a diff, and the net is then checked."""
    os.chmod(net_folder / "tiny.net", 0o640)
    assert run(["check", "--fix", "tiny.net"]) == 0
    captured = capsys.readouterr()
    assert (net_folder / "tiny.net").read_text() == FIXED
    assert (net_folder / "tiny.net").stat().st_mode & 0o777 == 0o640
    assert "\n-    maxpool(2, strid = 2)\n" in captured.out
    assert "\n+    maxpool(2, stride = 2)\n" in captured.out
    assert "params" in captured.out
    assert captured.err == "fixed 4 errors in tiny.net\n"
    assert os.listdir(net_folder) == ["tiny.net"]


def test_valid_files_are_not_touched(net_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither a valid file, with warnings or not, nor the library is written."""
    text = FIXED.replace("relu", "relu -> relu")
    (net_folder / "tiny.net").write_text(text)
    os.utime(net_folder / "tiny.net", (1, 1))
    assert run(["check", "--fix", "tiny.net", "lenet5"]) == 0
    assert (net_folder / "tiny.net").read_text() == text
    assert (net_folder / "tiny.net").stat().st_mtime == 1
    assert "fixed" not in capsys.readouterr().err


def test_errors_without_a_fix_stay(net_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What has a fix is fixed, the rest is reported, and the exit code is 1."""
    (net_folder / "tiny.net").write_text(NET.replace("maxpool(2", "maxpool(200"))
    assert run(["check", "--fix", "tiny.net"]) == 1
    assert "stride = 2" in (net_folder / "tiny.net").read_text()
    err = capsys.readouterr().err
    assert err.startswith("fixed 4 errors in tiny.net\n")
    assert "error[window-too-large]" in err


@pytest.mark.usefixtures("net_folder")
def test_fixes_and_other_formats(capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output has only the document."""
    assert run(["check", "--fix", "tiny.net", "--format", "json"]) == 0
    assert capsys.readouterr().out.startswith("{")


def test_standard_input_cannot_be_fixed(capsys: pytest.CaptureFixture[str]) -> None:
    """There is no file to change, so this is wrong usage."""
    assert run(["check", "--fix", "-"]) == 2
    assert "standard input" in capsys.readouterr().err
