"""Commands that cannot do their work: one plain message, the exit code of the contract, no traceback."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors import SafetensorError

from netdsl.cli import run
from netdsl.commands import check, failures
from netdsl.errors import CannotWriteError
from netdsl.process.watch import CrashedError
from netdsl.train import checkpoint
from tests.support.small_nets import TINY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NETDSL = f"{sys.executable} -m netdsl"
CLOSED = {"in": "<&-", "out": ">&-", "err": "2>&-", "all": "<&- >&- 2>&-"}


def shell(command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a command prints in a shell, with its exit code; no traceback is among it."""
    done = subprocess.run(
        ["bash", "-c", f"{NETDSL} {command}"],
        cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stdout + done.stderr
    return done


# ---- standard streams


@pytest.mark.parametrize("closed", CLOSED.values())
@pytest.mark.parametrize("command", [
    "check t.net", "check - < t.net", "check -", "fmt - < t.net", "fmt --check t.net", "layers conv", "--help",
    "--version", "check --help", "bogus", "check", "draw t.net -o t.dot", "export t.net -o t.onnx",
    "run m.onnx one.npy", "check t.net --format json",
])  # fmt: skip
def test_a_closed_stream_is_no_traceback(model_folder: Path, command: str, closed: str) -> None:
    """Any of the three can be closed; results that cannot be printed are exit code 1, not 0."""
    (model_folder / "t.net").write_text(TINY)
    done = shell(f"{command} {closed}", model_folder)
    assert done.returncode in (0, 1, 2)
    if ">&-" in closed.replace("2>&-", "") and "fmt --check" not in command:
        assert done.returncode != 0


@pytest.mark.parametrize("command", ["check", "fmt"])
def test_reading_a_closed_standard_input(tmp_path: Path, command: str) -> None:
    """The message names standard input."""
    done = shell(f"{command} - <&-", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error[cannot-read]: cannot read standard input: it is closed")


@pytest.mark.parametrize("command", ["check t.net", "--help", "--version", "layers", "nets",
                                     "fmt - < t.net", "check t.net --format json",
                                     "run m.onnx one.npy", "verify t.net"])  # fmt: skip
@pytest.mark.parametrize("to", [">/dev/full", ">&-"])
def test_a_full_standard_output_is_named(model_folder: Path, command: str, to: str) -> None:
    """What cannot be printed is an error that names standard output, once, whichever the command."""
    (model_folder / "t.net").write_text(TINY)
    done = shell(f"{command} {to}", model_folder)
    assert done.returncode == 1
    assert done.stderr.startswith("error[cannot-write]: standard output: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(("command", "code"), [("check none.net", 1), ("bogus", 2), ("check -D", 2)])
def test_a_full_standard_error_keeps_the_exit_code(tmp_path: Path, command: str, code: int) -> None:
    """A message that cannot be printed changes nothing else."""
    for to in ("2>/dev/full", "2>&-"):
        assert shell(f"{command} {to}", tmp_path).returncode == code


def test_a_closed_stream_is_not_given_to_a_file(model_folder: Path) -> None:
    """The first file that is opened does not become standard output, which would be written into it."""
    (model_folder / "t.net").write_text(TINY)
    shell("export t.net -o open.onnx", model_folder)
    shell("export t.net -o closed.onnx >&-", model_folder)
    assert (model_folder / "open.onnx").read_bytes() == (model_folder / "closed.onnx").read_bytes()


@pytest.mark.parametrize("command", ["nets", "verify lenet5", "layers", "check t.net"])
def test_a_reader_that_has_seen_enough_is_no_failure(tmp_path: Path, command: str) -> None:
    """`netdsl ... | head` ends with 0 and prints nothing on standard error."""
    (tmp_path / "t.net").write_text(TINY)
    done = shell(f"{command} | true; exit ${{PIPESTATUS[0]}}", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


# ---- the last resort


def fails(error: BaseException) -> Callable[..., Any]:
    """A function that raises this."""

    def work(*_: object, **__: object) -> None:
        raise error

    return work


@pytest.mark.parametrize("error", [
    ValueError("boom"), AssertionError(), KeyError("x"), RecursionError("deep"), ZeroDivisionError(),
    UnicodeEncodeError("ascii", "é", 0, 1, "no"), type("PanicException", (BaseException,), {})("panic"),
])  # fmt: skip
def test_a_fault_of_netdsl_is_one_message(
    error: BaseException, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Exit code 70, what netdsl was doing, and a file in the log folder with the traceback."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(check, "run", fails(error))
    assert run(["check", "lenet5"]) == 70
    said = capsys.readouterr().err
    assert said.startswith(f"error[internal-error]: `netdsl check` failed: {type(error).__name__}")
    assert "Traceback" not in said
    (log,) = (p for p in tmp_path.rglob("*.txt"))
    assert str(log) in said
    assert "Traceback" in log.read_text()
    assert "['check', 'lenet5']" in log.read_text()


def test_without_a_log_folder_the_details_go_to_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are not lost where the folder cannot be made."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(check, "run", fails(ValueError("boom")))
    assert run(["check", "lenet5"]) == 70
    said = capsys.readouterr().err
    assert "ValueError: boom" in said
    assert "the log folder cannot be written" in said


def test_the_debug_variable_shows_the_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """NETDSL_DEBUG=1 prints it and writes no file."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("NETDSL_DEBUG", "1")
    monkeypatch.setattr(check, "run", fails(ValueError("boom")))
    assert run(["check", "lenet5"]) == 70
    assert "Traceback" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_python_face_raises_what_is_unforeseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The handler belongs to the command line: a program sees the exception itself."""
    import netdsl
    from netdsl import driver

    monkeypatch.setattr(driver, "_build", fails(ZeroDivisionError("boom")))
    with pytest.raises(ZeroDivisionError, match="boom"):
        netdsl.load("lenet5")


@pytest.mark.parametrize(("error", "code", "text"), [
    (MemoryError(), 1, "error[out-of-memory]: there is not enough memory\n"),
    (ImportError("libtorch_cpu.so: failed to map segment from shared object"), 1, "error[out-of-memory]"),
    (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), 1, "error[out-of-memory]"),
    (RuntimeError("can't start new thread"), 1, "error[out-of-memory]"),
    (OSError(12, "Cannot allocate memory"), 1, "error[out-of-memory]"),
    (OSError(24, "Too many open files", "a.net"), 1, "error[cannot-read]: a.net: Too many open files"),
    (OSError(24, "Too many open files"), 1, "error[system-error]"),
    (CannotWriteError(28, "No space left on device", "a"), 1, "error[cannot-write]: a: No space"),
    (CrashedError(11, "stack"), 70, "error[internal-error]: `netdsl check` failed: crash: the process"),
    (CrashedError(9, ""), 1, "error[killed]"),
    (KeyboardInterrupt(), 130, "interrupted\n"),
])  # fmt: skip
def test_each_failure_has_its_code(
    error: BaseException, code: int, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Memory, files, the system and the user are not faults of netdsl; crashes are."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert failures.report(error, ["check", "lenet5"]) == code
    assert capsys.readouterr().err.startswith(text)


# ---- memory, and processes that end without a word


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space")
@pytest.mark.parametrize("command", ["verify t.net", "train t.net", "run m.onnx one.npy",
                                     "bench m.onnx", "test t.net --weights w.pt"])  # fmt: skip
@pytest.mark.parametrize("kilobytes", [150_000, 400_000, 600_000])
def test_too_little_address_space(model_folder: Path, command: str, kilobytes: int) -> None:
    """Importing PyTorch may abort in the C library, which only another process can report."""
    (model_folder / "t.net").write_text(TINY)
    (model_folder / "w.pt").touch()
    done = subprocess.run(
        ["bash", "-c", f"ulimit -v {kilobytes}; {NETDSL} {command}"],
        cwd=model_folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1, 130)
    assert "Traceback" not in done.stderr
    assert "internal-error" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="only on Linux a parent watches")
@pytest.mark.parametrize(("death", "code", "text"), [
    ("os.abort()", 70, "crash: the process was ended by SIGABRT"),
    ("os.kill(os.getpid(), 11)", 70, "crash: the process was ended by SIGSEGV"),
    ("os.kill(os.getpid(), 9)", 1, "error[killed]: the system ended the process with SIGKILL"),
    ("os._exit(3)", 3, ""),
])  # fmt: skip
def test_a_crash_is_reported_by_the_parent(tmp_path: Path, death: str, code: int, text: str) -> None:
    """The worker's end is a message with the Python stack in the log, and not silence."""
    script = f"""
import os
from netdsl import cli
from netdsl.commands import draw
def dies(arguments):
    {death}
draw.run = dies
cli.main(["draw", "x", "-o", "x.dot"])
"""
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, env=environment
    )
    assert (done.returncode, text in done.stderr) == (code, True)
    if code == 70:
        (log,) = tmp_path.rglob("*.txt")
        assert "in dies" in log.read_text()


# ---- files that cannot be written


@pytest.fixture
def small_files() -> Iterator[None]:
    """Files of this process end at 100 bytes, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", ["n.onnx", "n.py", "n.dot", "n.mmd"])
def test_a_full_disk_names_the_file(
    name: str, model_folder: Path, capsys: pytest.CaptureFixture[str], small_files: None
) -> None:
    """The output that the user named, and not its temporary name; nothing stays behind."""
    before = set(model_folder.iterdir())
    command = "draw" if name in ("n.dot", "n.mmd") else "export"
    assert run([command, "lenet5", "-o", name]) == 1
    assert capsys.readouterr().err == f"error[cannot-write]: {name}: File too large\n"
    assert set(model_folder.iterdir()) == before


def test_a_full_disk_names_the_outputs_of_run(
    model_folder: Path, capsys: pytest.CaptureFixture[str], small_files: None
) -> None:
    """The same for `run -o`."""
    assert run(["run", "m.onnx", "one.npy", "-o", "o.npz"]) == 1
    assert capsys.readouterr().err == "error[cannot-write]: o.npz: File too large\n"
    assert not list(model_folder.glob("*.npz")) + list(model_folder.glob(".*"))


def test_a_full_disk_leaves_a_formatted_file(
    model_folder: Path, capsys: pytest.CaptureFixture[str], small_files: None
) -> None:
    """`fmt` names the file and leaves the text as it was."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    text = "net A {\n input x: 3\n" + " relu\n" * 100 + "}\n"
    (model_folder / "t.net").write_text(text)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
    assert run(["fmt", "t.net"]) == 1
    assert capsys.readouterr().err == "error[cannot-write]: t.net: File too large\n"
    assert (model_folder / "t.net").read_text() == text


def test_a_full_disk_names_the_weights(tmp_path: Path, small_files: None) -> None:
    """safetensors reports a full disk with an error of its own."""
    with pytest.raises(CannotWriteError) as caught:
        checkpoint.write_tensors(tmp_path / "w.safetensors", {"a": torch.zeros(1000)}, {})
    assert caught.value.filename == str(tmp_path / "w.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_a_training_run_names_what_cannot_be_written(
    model_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights are named, not the curves that would fail next."""

    def full(*_: object) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    assert run(["train", "lenet5", "--out", "t", "--set", "train.epochs=1"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error[cannot-write]: t/weights.safetensors: ")
    assert list((model_folder / "t").iterdir()) == []


@pytest.mark.parametrize("output", ["folder.onnx", "file/x.onnx", "x" * 300 + ".onnx"])
def test_an_output_that_cannot_be(
    output: str, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder, a name below a file, a name too long: the message has the name that was given."""
    (model_folder / "folder.onnx").mkdir()
    (model_folder / "file").touch()
    assert run(["export", "lenet5", "-o", output]) == 1
    assert capsys.readouterr().err.startswith(f"error[cannot-write]: {output}: ")


def test_a_long_name_has_room_for_its_temporary_name(model_folder: Path) -> None:
    """A name of 250 letters can be written, though what is made beside it has more to it."""
    name = "x" * 245 + ".py"
    assert run(["export", "lenet5", "-o", name]) == 0
    assert (model_folder / name).is_file()
