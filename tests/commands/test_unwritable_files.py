"""The error for an output that cannot be written names it, and no partial file remains."""

from __future__ import annotations

import errno
import resource
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors import SafetensorError

from netdsl.cli import run
from netdsl.errors import CannotWriteError
from netdsl.weights import write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def small_files() -> Iterator[None]:
    """Limit the files of this process to 100 bytes, to simulate a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", ["n.onnx", "n.py", "n.dot", "n.mmd"])
def test_a_full_disk_names_the_file(
    name: str, model_folder: Path, capsys: pytest.CaptureFixture[str], small_files: None
) -> None:
    """The error names the output, not its temporary file, which is removed."""
    before = set(model_folder.iterdir())
    command = "draw" if name in ("n.dot", "n.mmd") else "export"
    assert run([command, "lenet5", "-o", name]) == 1
    assert capsys.readouterr().err == f"error[cannot-write]: {name}: File too large\n"
    assert set(model_folder.iterdir()) == before


def test_a_full_disk_names_the_outputs_of_run(
    model_folder: Path, capsys: pytest.CaptureFixture[str], small_files: None
) -> None:
    """`run -o` also names the output and leaves no temporary file."""
    assert run(["run", "m.onnx", "one.npy", "-o", "o.npz"]) == 1
    assert capsys.readouterr().err == "error[cannot-write]: o.npz: File too large\n"
    assert not list(model_folder.glob("*.npz")) + list(model_folder.glob(".*"))


def test_a_full_disk_leaves_a_formatted_file(
    model_folder: Path, capsys: pytest.CaptureFixture[str], small_files: None
) -> None:
    """`fmt` names the file and does not change it."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    text = "net A {\n input x: 3\n" + " relu\n" * 100 + "}\n"
    (model_folder / "t.net").write_text(text)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
    assert run(["fmt", "t.net"]) == 1
    assert capsys.readouterr().err == "error[cannot-write]: t.net: File too large\n"
    assert (model_folder / "t.net").read_text() == text


def test_a_full_disk_names_the_weights(tmp_path: Path, small_files: None) -> None:
    """safetensors has its own exception for a full disk; it becomes a `CannotWriteError`."""
    with pytest.raises(CannotWriteError) as caught:
        write.write_tensors(tmp_path / "w.safetensors", {"a": torch.zeros(1000)}, {})
    assert caught.value.filename == str(tmp_path / "w.safetensors")
    assert (caught.value.errno, caught.value.strerror) == (errno.EFBIG, "File too large")
    assert list(tmp_path.iterdir()) == []


def test_a_training_run_names_what_cannot_be_written(
    model_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the weights; no other file of the epoch is written."""

    def full(*_: object) -> None:
        raise SafetensorError(
            "Error while serializing: I/O error: No space left on device (os error 28)"
        )

    monkeypatch.setattr(write, "save_file", full)
    assert run(["train", "lenet5", "--out", "t", "--set", "train.epochs=1"]) == 1
    message = capsys.readouterr().err
    assert message.endswith(
        "error[cannot-write]: t/weights.safetensors: No space left on device\n"
        "help: free some space, or name a file on another disk\n"
    )
    written = {path.name for path in (model_folder / "t").iterdir()}
    assert not {"weights.safetensors", "checkpoint.safetensors"} & written


@pytest.mark.parametrize("output", ["folder.onnx", "file/x.onnx", "x" * 300 + ".onnx"])
def test_an_impossible_output(
    output: str, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The output is a folder, lies below a file, or is too long: the message has the given name."""
    (model_folder / "folder.onnx").mkdir()
    (model_folder / "file").touch()
    assert run(["export", "lenet5", "-o", output]) == 1
    assert capsys.readouterr().err.startswith(f"error[cannot-write]: {output}: ")


def test_a_long_name_has_room_for_its_temporary_name(model_folder: Path) -> None:
    """A name of 248 letters works, although the temporary name has additional parts."""
    name = "x" * 245 + ".py"
    assert run(["export", "lenet5", "-o", name]) == 0
    assert (model_folder / name).is_file()
