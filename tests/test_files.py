"""Results are moved into place; they replace only files, and links are followed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from netdsl.cli import run
from netdsl.errors import CannotWriteError
from netdsl.files import check_replaceable, make_folder, replacing
from netdsl.missing import similar
from tests.support.small_nets import TINY


def test_a_link_is_followed(tmp_path: Path) -> None:
    """The target of a link is written, even if it did not exist, and the link stays."""
    link, target = tmp_path / "link.txt", tmp_path / "target.txt"
    link.symlink_to(target)
    for text in ("first", "second"):
        with replacing(link) as temporary:
            temporary.write_text(text)
        assert link.is_symlink()
        assert target.read_text() == text
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link.txt", "target.txt"]


@pytest.mark.parametrize("check", [False, True])
def test_a_pipe_is_refused(check: bool, tmp_path: Path) -> None:
    """A pipe is not replaced by a file, and neither is a device."""
    pipe = tmp_path / "pipe.onnx"
    os.mkfifo(pipe)
    with pytest.raises(CannotWriteError, match="a device or a pipe, not a file"):
        if check:
            check_replaceable(pipe)
        else:
            with replacing(pipe):
                pass
    assert pipe.is_fifo()
    assert [p.name for p in tmp_path.iterdir()] == ["pipe.onnx"]


WRITERS = {
    "m.onnx": ["export", "net.net"],
    "m.py": ["export", "net.net"],
    "m.dot": ["draw", "net.net"],
    "out.npz": ["run", "m.onnx", "one.npy"],
}


@pytest.mark.parametrize("name", WRITERS)
def test_commands_create_no_folders(
    model_folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Commands refuse an output in a folder that does not exist, before they print anything."""
    (model_folder / "net.net").write_text(TINY)
    before = sorted(model_folder.iterdir())
    assert run([*WRITERS[name], "-o", f"missing/{name}"]) == 1
    out, err = capsys.readouterr()
    assert err == (
        f"error[cannot-write]: missing/{name}: there is no folder missing\n"
        "help: make the folder first, `mkdir -p missing`, or name another one\n"
    )
    assert not out
    assert sorted(model_folder.iterdir()) == before


def test_the_folder_of_a_run_is_created(tmp_path: Path) -> None:
    """The folders above it are created too; if a file is in the way, the error has the name."""
    make_folder(tmp_path / "runs" / "first")
    assert (tmp_path / "runs" / "first").is_dir()
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWriteError) as caught:
        make_folder(tmp_path / "file" / "first")
    assert caught.value.filename == str(tmp_path / "file" / "first")


@pytest.mark.parametrize(
    ("missing", "meant"),
    [
        ("runs/Smal/weights.safetensors", "runs/Small/weights.safetensors"),
        ("run/Small", "runs/Small"),
        ("runs/Small/weight.safetensors", "runs/Small/weights.safetensors"),
        ("runs/Small/model.onnx", None),
        ("elsewhere/Small", None),
    ],
)
def test_a_missing_file_has_similar_names(folder: Path, missing: str, meant: str | None) -> None:
    """The advice repairs a name or a folder on the way, and only if there is such a file."""
    (folder / "runs/Small").mkdir(parents=True)
    (folder / "runs/Small/weights.safetensors").write_bytes(b"")
    assert similar(missing) == (meant and f"did you mean `{meant}`?")


@pytest.mark.parametrize(
    ("name", "help_"),
    [
        ("a b/c/m.txt", "make the folder first, `mkdir -p 'a b/c'`, or name another one"),
        ("link.txt", "make the folder first, `mkdir -p elsewhere`, or name another one"),
        ("file.txt/m.txt", "file.txt is not a folder: name another one"),
        ("folder.txt", "it is a folder: name a file, which can be in that folder"),
    ],
)
def test_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, help_: str) -> None:
    """An output that cannot be written has advice, which a traceback of Python shows too."""
    monkeypatch.chdir(tmp_path)
    Path("link.txt").symlink_to("elsewhere/m.txt")
    Path("file.txt").write_text("")
    Path("folder.txt").mkdir()
    with pytest.raises(CannotWriteError) as caught:
        check_replaceable(Path(name))
    assert caught.value.help == help_
    assert [f"help: {help_}"] == caught.value.__notes__
