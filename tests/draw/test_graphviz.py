"""Pictures that `graphviz-pure` and `dot` make: sizes, errors, and room for the names of scopes."""

from __future__ import annotations

import os
import re
import struct
from shutil import which
from typing import TYPE_CHECKING

import pytest

import netdsl
from netdsl.cli import run
from netdsl.draw.dot import emit_dot
from netdsl.draw.frames import frame_of
from netdsl.draw.layout import render, with_brackets
from netdsl.draw.metrics import text_width
from netdsl.draw.picture import Box, Cluster
from netdsl.errors import NetdslError
from netdsl.ir.graph import Scope
from tests.support.drawing import replace_program

if TYPE_CHECKING:
    from pathlib import Path

needs_dot = pytest.mark.skipif(which("dot") is None, reason="Graphviz is not installed")
needs_sh = pytest.mark.skipif(os.name != "posix", reason="a shell script stands in for `dot`")


def test_the_size_of_each_form() -> None:
    """A PNG of 144 dpi has two pixels for each point of the SVG."""
    text = emit_dot(netdsl.load("lenet5").graph)
    size = re.search(
        rb'<svg width="(\d+)pt" height="(\d+)pt"\s+viewBox="0.00 0.00 ([\d.]+) ([\d.]+)"',
        render(text, "svg"),
    )
    assert size
    width, height = int(size[1]), int(size[2])
    # One point is one unit.
    assert (width, height) == (round(float(size[3])), round(float(size[4])))
    pixels = struct.unpack(">II", render(text, "png", dpi=144)[16:24])
    assert all(abs(p - 2 * points) <= 3 for p, points in zip(pixels, (width, height), strict=True))


def test_formulas_of_sizes_keep_their_rounding() -> None:
    """An SVG has the signs, in the middle of the box; a PNG, whose font lacks them, brackets."""
    net = netdsl.loads("net A {\n input x: 3xHxW\n conv(8, 4, stride = 3, pad = 1)\n}")
    svg = render(emit_dot(net.graph), "svg").decode("utf-8")
    centres = {}
    for x, size, words in re.findall(
        r'text-anchor="start" x="([\d.]+)" y="-[^>]*font-size="([\d.]+)"[^>]*>([^<]*)<', svg
    ):
        centres[words] = float(x) + text_width(words, float(size)) / 2
    assert abs(centres["8x⌊(H+1)/3⌋x⌊(W+1)/3⌋"] - centres["conv 4x4, 8, stride 3"]) < 0.1
    assert with_brackets("8x⌈H/2⌉x⌊(W+1)/4⌋") == "8x[(H+1)/2]x[(W+1)/4]"
    assert with_brackets("⌈(H-3)/4⌉x⌈(H-1)/4⌉") == "[H/4]x[(H+2)/4]"


def test_dots_for_an_inch(tmp_path: Path) -> None:
    """`--dpi` sets the pixels of a PNG, from 10 to 1200."""
    made = []
    for dpi in ("72", "288"):
        path = tmp_path / f"{dpi}.png"
        assert run(["draw", "lenet5", "-o", str(path), "--dpi", dpi]) == 0
        made.append(struct.unpack(">II", path.read_bytes()[16:24]))
    assert made[1][0] == pytest.approx(4 * made[0][0], abs=4)
    for dpi in ("9", "1201", "x"):
        assert run(["draw", "lenet5", "-o", str(tmp_path / "net.png"), "--dpi", dpi]) == 2


@needs_dot
def test_graphviz_draws_pdf_and_what_it_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A PDF has a fixed date. `--program` chooses; `graphviz-pure` cannot write PDF."""
    assert run(["draw", "lenet5", "-o", str(tmp_path / "net.svg"), "--program", "dot"]) == 0
    assert "graphviz-pure" not in (tmp_path / "net.svg").read_text(encoding="utf-8")
    pdf = render(emit_dot(netdsl.load("lenet5").graph), "pdf")
    assert b"/CreationDate (D:20000101000000Z)" in pdf
    assert pdf.count(b"/CreationDate") == 1
    path = str(tmp_path / "net.pdf")
    assert run(["draw", "lenet5", "-o", path, "--program", "graphviz-pure"]) == 1
    assert "`graphviz-pure` cannot write PDF" in capsys.readouterr().err


@needs_sh
@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 'Error: out of memory' >&2; exit 1", "Error: out of memory"),
        ("exit 3", "exit code 3"),
        ("printf 'a\\377' >&2; exit 1", "a\ufffd"),
    ],
)
def test_an_error_of_the_program_is_in_the_message(
    script: str,
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """If the program fails, the message has its errors or exit code; nothing is printed."""
    replace_program(tmp_path, f"cat > /dev/null\n{script}", monkeypatch)
    with pytest.raises(NetdslError) as caught:
        render("digraph {\n}", "svg")
    (error,) = caught.value.diagnostics
    assert (error.code, error.message, error.help) == (
        "graphviz-failed",
        f"`graphviz-pure` cannot draw this picture: {reason}",
        "fold blocks (`--depth N`, in Python `depth=N`), or write .svg",
    )
    assert capfd.readouterr() == ("", "")


@needs_sh
def test_warnings_of_dot_are_not_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A warning of `dot`, such as one about a font, is not printed.

    Its output is used unchanged, except for the creation date of a PDF.
    """
    replace_program(
        tmp_path,
        "cat > /dev/null; echo 'Warning' >&2; printf '%s' '/CreationDate (D:20260102030405+01)'",
        monkeypatch,
    )
    assert render("digraph {\n}", "svg") == b"/CreationDate (D:20260102030405+01)"
    assert render("digraph {\n}", "pdf") == b"/CreationDate (D:20000101000000Z)  "
    assert capfd.readouterr() == ("", "")


LONG = "conv 3x3, 256, stride 2, groups 32"


@pytest.mark.parametrize(
    ("title", "text", "margin", "lines"),
    [
        ("a", "", 19, ["a"]),
        ("layer1.0: block", LONG, 8, ["layer1.0: block"]),
        ("layer1.0: identity_block", LONG, 15, ["layer1.0: identity_block"]),
        ("layer1.0: identity_block", "conv 3x3, 16", 28, ["layer1.0:", "identity_block"]),
        ("layer1.0: block", "conv 3x3, 16", 10, ["layer1.0:", "block"]),
        (
            "encoder.layers.encoder_layer_0: block",
            LONG,
            8,
            ["encoder.layers.", "encoder_layer_0:", "block"],
        ),
        ("a_block_without_parts_of_its_name", "relu", 32, ["a_block_without_parts_of_its_name"]),
    ],
)
def test_a_scope_has_room_for_its_title(
    title: str, text: str, margin: int, lines: list[str]
) -> None:
    """The margin of a scope grows with its title, and a longer title has several lines."""
    boxes = [Box("b", "layer", [text])] if text else []
    cluster = Cluster(Scope(), title, boxes=boxes)
    found, title_lines = frame_of(cluster)
    assert [" ".join(filter(None, line)) for line in title_lines] == lines
    assert found == margin


def test_a_scope_of_scopes_is_as_wide_as_they() -> None:
    """Without boxes of its own, a scope has the width of the scopes in it, with their margins."""
    inner = Cluster(Scope(), "a", boxes=[Box("b", "layer", [LONG])])
    outer = Cluster(Scope(), "layer1.0: block", children={Scope(): inner})
    assert frame_of(outer) == (8, [("layer1.0:", "block")])
    assert frame_of(Cluster(Scope(), "layer1.0: block"))[0] == 32
