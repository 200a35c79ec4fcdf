"""Results are moved into place: what is there must be a file, and links are followed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from netdsl.errors import CannotWriteError
from netdsl.files import check_replaceable, replacing


def test_a_link_is_followed(tmp_path: Path) -> None:
    """The file behind a link is written, and the link stays, even if nothing was behind it."""
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
    """A pipe, like a device, is not replaced by a file."""
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
