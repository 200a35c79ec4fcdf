"""`netdsl check`: what its options print and refuse, and that one wrong line hides nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from netdsl.cli import run

if TYPE_CHECKING:
    from pathlib import Path

JOINED = """net N {
    input image: 3x8x8
    mixed: concat {
        | conv(4, 3, pad = 1)
        | conv(6, 1) -> relu
    }
    gap -> flatten -> dense(3)
}
"""


def checked(folder: Path, text: str, *options: str) -> int:
    """Run `check` on a text; its exit code."""
    path = folder / "n.net"
    path.write_text(text, encoding="utf-8")
    return run(["check", str(path), *options])


# ---- rows


@pytest.mark.parametrize("options", [["--depth", "1"], ["--depth", "1", "--show", "all"], ["--depth", "1", "--only", "concat,dense"]])
def test_depth_folds_a_labelled_join(tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]) -> None:
    """A join with a label is one row, with the figures of its arms."""
    assert checked(tmp_path, JOINED, *options) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["mixed", "concat", "10x8x8", "136"] in [r[:4] for r in rows]


def test_rows_of_a_kind_at_depth_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With depth 0 there is one row for each net, which no layer kind picks."""
    assert checked(tmp_path, JOINED, "--depth", "0", "--only", "conv") == 2
    assert "there is no row of that kind; there are net" in capsys.readouterr().err
