"""`netdsl look`: the files that it writes, and what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PIL import Image

from netdsl.commands.look_arguments import VIEWS as NAMES
from netdsl.look.views import VIEWS
from tests.support.commands import run_command

if TYPE_CHECKING:
    from pathlib import Path

NET = """net Tiny {
    input image: 3x16x16
    c: conv(4, 3) -> relu -> d: conv(5, 3) -> relu
    gap -> flatten
    output logits: dense(3)
}
net Two { input image: 3x8x8
    input size: 2
    conv(4, 3) -> flatten -> concat(@size) -> dense(3)
}
net Words { input words: 8 int64
    embedding(100, 4) -> flatten -> dense(3)
}
"""


def look(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    """Run the command on random weights; returns what it prints to standard error."""
    return run_command(capsys, "look", *words, "--weights", "random", code=code)[1]


def test_help_lists_the_views() -> None:
    """The command takes the views that exist, in their order."""
    assert tuple(VIEWS) == NAMES


def test_formats(net_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A view is written as a page or a picture, with the same bytes every time."""
    starts = {"html": b"<!DOCTYPE html>", "png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
    for suffix, start in starts.items():
        made = []
        for name in ("one", "two"):
            look(capsys, "tiny.net:Tiny", "filters", "-o", f"{name}.{suffix}")
            made.append((net_folder / f"{name}.{suffix}").read_bytes())
        assert made[0].startswith(start)
        assert made[0].replace(b"one.", b"two.") == made[1]


def test_picture_is_large(net_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A picture is large enough for a projector."""
    look(capsys, "tiny.net:Tiny", "filters", "--layer", "c", "-o", "f.png")
    with Image.open("f.png") as picture:
        assert picture.width > 900


def test_view_after_options(net_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The name of the view can follow options."""
    run_command(capsys, *"look tiny.net:Tiny --weights random filters -o f.png".split())
    assert (net_folder / "f.png").exists()


REFUSED = {
    "tiny.net:Two filters": ("several-inputs", "write a net with only that input"),
    "tiny.net:Words filters": ("no-images", "channels, rows and columns"),
    "tiny.net:Tiny filters --layer conv": ("wrong-unit", "lists the names"),
    "tiny.net:Tiny filters --layer logit": ("wrong-unit", "did you mean `logits`?"),
    "tiny.net:Tiny filters --layer c --unit 4": ("wrong-unit", "the units of `c` are 0 to 3"),
    "tiny.net:Tiny filters --unit 4": ("wrong-unit", "name its layer"),
}


@pytest.mark.parametrize("words", REFUSED)
def test_refused(words: str, net_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be shown is one diagnostic with its fix."""
    code, help_ = REFUSED[words]
    err = look(capsys, *words.split(), "-o", "made.png", code=1)
    assert err.count("error[") == 1
    assert f"error[{code}]" in err
    assert help_ in err.partition("help: ")[2]
    assert not (net_folder / "made.png").exists()


def test_no_weights(net_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A net without weights has learned nothing, unless all its weights are in its text."""
    words = ["look", "tiny.net:Tiny", "filters", "-o", "made.png"]
    err = run_command(capsys, *words, code=2)[1]
    assert "train it with `netdsl train tiny.net:Tiny`" in err
    run_command(capsys, "look", "kernels:SobelX", "filters", "-o", "sobel.png")


def test_page_needs_html(net_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All views are one page, and not a picture."""
    err = look(capsys, "tiny.net:Tiny", "-o", "all.png", code=2)
    assert "all views are on one page, which is .html" in err
