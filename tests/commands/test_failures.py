"""A failure gives one message and the documented exit code, and no traceback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from netdsl.cli import run
from netdsl.commands import check, failures
from netdsl.errors import CannotWriteError
from netdsl.process.watch import CrashedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def fails(error: BaseException) -> Callable[..., Any]:
    """A function that raises the error, whatever its arguments."""

    def work(*_: object, **__: object) -> None:
        raise error

    return work


@pytest.mark.parametrize(
    "error",
    [
        ValueError("boom"),
        AssertionError(),
        KeyError("x"),
        RecursionError("deep"),
        ZeroDivisionError(),
        UnicodeEncodeError("ascii", "é", 0, 1, "no"),
        type("PanicException", (BaseException,), {})("panic"),
    ],
)
def test_a_fault_of_netdsl_is_one_message(
    error: BaseException,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The exit code is 70, the message names the command, and a log file has the traceback."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(check, "run", fails(error))
    assert run(["check", "lenet5"]) == 70
    message = capsys.readouterr().err
    assert message.startswith(
        f"error[internal-error]: `netdsl check` failed: {type(error).__name__}"
    )
    assert "Traceback" not in message
    (log,) = (p for p in tmp_path.rglob("*.txt"))
    assert str(log) in message
    assert "Traceback" in log.read_text()
    assert "['check', 'lenet5']" in log.read_text()


def test_without_a_log_folder_the_details_go_to_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the log folder cannot be created, the details are printed instead."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(check, "run", fails(ValueError("boom")))
    assert run(["check", "lenet5"]) == 70
    message = capsys.readouterr().err
    assert "ValueError: boom" in message
    assert "the log folder cannot be written" in message


def test_the_debug_variable_shows_the_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """NETDSL_DEBUG=1 prints the traceback and writes no log file."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("NETDSL_DEBUG", "1")
    monkeypatch.setattr(check, "run", fails(ValueError("boom")))
    assert run(["check", "lenet5"]) == 70
    assert "Traceback" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_python_api_raises_unexpected_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the command line handles internal errors; a program gets the exception itself."""
    import netdsl
    from netdsl import driver

    monkeypatch.setattr(driver, "elaborate", fails(ZeroDivisionError("boom")))
    with pytest.raises(ZeroDivisionError, match="boom"):
        netdsl.load("lenet5")


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (MemoryError(), 1, "error[out-of-memory]: there is not enough memory\n"),
        (
            ImportError("libtorch_cpu.so: failed to map segment from shared object"),
            1,
            "error[out-of-memory]",
        ),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"),
            1,
            "error[out-of-memory]",
        ),
        (RuntimeError("can't start new thread"), 1, "error[out-of-memory]"),
        (OSError(12, "Cannot allocate memory"), 1, "error[out-of-memory]"),
        (
            OSError(24, "Too many open files", "a.net"),
            1,
            "error[cannot-read]: a.net: Too many open files",
        ),
        (OSError(24, "Too many open files"), 1, "error[system-error]"),
        (
            CannotWriteError(28, "No space left on device", "a"),
            1,
            "error[cannot-write]: a: No space",
        ),
        (
            CrashedError(11, "stack"),
            70,
            "error[internal-error]: `netdsl check` failed: crash: the process",
        ),
        (CrashedError(9, ""), 1, "error[killed]"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_each_failure_has_its_code(
    error: BaseException,
    code: int,
    text: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A lack of memory, a file or system error and Ctrl-C are not internal errors; a crash is."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert failures.report(error, ["check", "lenet5"]) == code
    assert capsys.readouterr().err.startswith(text)
