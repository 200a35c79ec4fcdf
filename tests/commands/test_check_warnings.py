"""`netdsl check` with warnings: where they are printed, and what they do to the exit code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from netdsl.cli import run

if TYPE_CHECKING:
    from pathlib import Path

NET = """net N {
    input image: 3x9x9
    conv(8, 3) -> bn -> relu
    relu
}
"""


def _run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = run(["check", "tiny.net", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.usefixtures("net_folder")
def test_warnings_leave_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    """The table is printed, the warning goes to standard error, and the exit code is 0."""
    code, out, err = _run([], capsys)
    assert code == 0
    assert "params" in out
    assert err.startswith("warning[double-activation]: ")
    assert "info[" not in err


@pytest.mark.usefixtures("net_folder")
def test_denied_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    """`--deny warnings` turns a warning into a failure, but not a hint."""
    assert _run(["--deny", "warnings"], capsys)[0] == 1
    (code, _, err) = _run(["--deny", "warnings", "--lint", "all"], capsys)
    assert code == 1
    assert "info[bias-before-norm]" in err


@pytest.mark.usefixtures("net_folder")
def test_quiet_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """`--quiet` leaves warnings out, unless they are failures, and hints always."""
    assert _run(["-q", "--lint", "all"], capsys) == (0, "", "")
    code, out, err = _run(["-q", "--lint", "all", "--deny", "warnings"], capsys)
    assert (code, out) == (1, "")
    assert err.startswith("warning[double-activation]: ")
    assert "info[" not in err


def test_allowed_warnings(net_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A comment silences a warning, so it is not denied either."""
    text = NET.replace("    relu\n", "    relu  # allow: double-activation\n")
    (net_folder / "tiny.net").write_text(text)
    assert _run(["--deny", "warnings"], capsys)[::2] == (0, "")
    assert run(["fmt", "tiny.net"]) == 0
    assert (net_folder / "tiny.net").read_text() == text


@pytest.mark.usefixtures("net_folder")
@pytest.mark.parametrize("format_", ["json", "sarif", "github"])
def test_formats(format_: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The other formats contain the warning and leave standard error empty."""
    code, out, err = _run(["--format", format_], capsys)
    assert (code, err) == (0, "")
    assert out.count("double-activation") >= 1
    if format_ == "json":
        assert [d["severity"] for d in json.loads(out)["diagnostics"]] == ["warning"]


def test_errors_come_alone(net_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A text with an error has no warnings: they could follow from the error."""
    (net_folder / "tiny.net").write_text(NET.replace("conv(8, 3)", "conv(8, 33)"))
    code, _, err = _run([], capsys)
    assert code == 1
    assert "warning" not in err
