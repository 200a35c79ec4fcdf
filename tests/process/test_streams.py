"""Standard streams that are closed or full."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.commands import shell
from tests.support.small_nets import TINY

if TYPE_CHECKING:
    from pathlib import Path

CLOSED = {"in": "<&-", "out": ">&-", "err": "2>&-", "all": "<&- >&- 2>&-"}


COMMANDS = [
    "check t.net",
    "check - < t.net",
    "check -",
    "fmt - < t.net",
    "fmt --check t.net",
    "layers conv",
    "--help",
    "--version",
    "check --help",
    "bogus",
    "check",
    "draw t.net -o t.dot",
    "export t.net -o t.onnx",
    "run m.onnx one.npy",
    "check t.net --format json",
]


# Quick tests close standard output, and for each command one more stream in turn.
@pytest.mark.parametrize(
    ("command", "closed"),
    [
        pytest.param(command, text, marks=[pytest.mark.slow] * (name not in quick))
        for i, command in enumerate(COMMANDS)
        for quick in [("out", [*CLOSED][i % 4])]
        for name, text in CLOSED.items()
    ],
)
def test_a_closed_stream_gives_no_traceback(model_folder: Path, command: str, closed: str) -> None:
    """Any standard stream can be closed; the exit code is not 0 if results cannot be printed."""
    (model_folder / "t.net").write_text(TINY)
    process = shell(f"{command} {closed}", model_folder)
    assert process.returncode in (0, 1, 2)
    if ">&-" in closed.replace("2>&-", "") and "fmt --check" not in command:
        assert process.returncode != 0


@pytest.mark.parametrize("command", ["check", "fmt"])
def test_reading_a_closed_standard_input(tmp_path: Path, command: str) -> None:
    """If standard input is closed, the message names it."""
    process = shell(f"{command} - <&-", tmp_path)
    assert process.returncode == 1
    assert process.stderr.startswith("error[cannot-read]: cannot read standard input: it is closed")


@pytest.mark.parametrize(
    "command",
    [
        "check t.net",
        "--help",
        "--version",
        "layers",
        "nets",
        "fmt - < t.net",
        "check t.net --format json",
        "run m.onnx one.npy",
        "verify t.net",
    ],
)
@pytest.mark.parametrize("to", [">/dev/full", ">&-"])
def test_a_full_standard_output_is_named(model_folder: Path, command: str, to: str) -> None:
    """If results cannot be printed, one error names standard output, for every command."""
    (model_folder / "t.net").write_text(TINY)
    process = shell(f"{command} {to}", model_folder)
    assert process.returncode == 1
    assert process.stderr.startswith("error[cannot-write]: standard output: ")
    assert process.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "code"), [("check none.net", 1), ("bogus", 2), ("check -D", 2)]
)
def test_a_full_standard_error_keeps_the_exit_code(tmp_path: Path, command: str, code: int) -> None:
    """If a message cannot be printed, the exit code is the same as otherwise."""
    for to in ("2>/dev/full", "2>&-"):
        assert shell(f"{command} {to}", tmp_path).returncode == code


def test_a_closed_stream_is_not_given_to_a_file(model_folder: Path) -> None:
    """With standard output closed, a file does not get its descriptor, and so not its text."""
    (model_folder / "t.net").write_text(TINY)
    shell("export t.net -o open.onnx", model_folder)
    shell("export t.net -o closed.onnx >&-", model_folder)
    assert (model_folder / "open.onnx").read_bytes() == (model_folder / "closed.onnx").read_bytes()


@pytest.mark.parametrize("command", ["nets", "verify lenet5", "layers", "check t.net"])
def test_a_reader_that_stops_early_is_no_failure(tmp_path: Path, command: str) -> None:
    """`netdsl ... | head` ends with 0 and prints nothing on standard error."""
    (tmp_path / "t.net").write_text(TINY)
    process = shell(f"{command} | true; exit ${{PIPESTATUS[0]}}", tmp_path)
    assert (process.returncode, process.stderr) == (0, "")
