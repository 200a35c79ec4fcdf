"""Nets beside each other: the table of the paper on VGG, alignment, widths, and errors."""

from __future__ import annotations

import pytest

import netdsl
from netdsl.cli import run
from netdsl.draw.side_by_side import aligned, side_by_side

VGG = ["VGG11", "VGG11LRN", "VGG13", "VGG16C", "VGG16", "VGG19"]


def test_the_table_of_the_paper() -> None:
    """The convolutional part of Table 1: 21 rows, and what is bold in the paper is marked."""
    nets = [(name, netdsl.load(f"vgg:{name}").graph) for name in [*VGG, "VGG16BN"]]
    lines = side_by_side(nets, None)
    head, _, *rows = lines
    assert "VGG16, VGG16BN" in head
    starts = [head.index({"VGG16": "VGG16,"}.get(name, name)) for name in VGG]
    cells = [
        [row[a:b].strip() for a, b in zip(starts, [*starts[1:], None], strict=True)] for row in rows
    ]
    stages = {
        64: [["", "lrn *", "conv 3x3, 64 *", *3 * ["conv 3x3, 64"]]],
        128: [["", "", "conv 3x3, 128 *", *3 * ["conv 3x3, 128"]]],
        512: [
            ["", "", "", "conv 1x1, 512 *", "conv 3x3, 512 *", "conv 3x3, 512"],
            ["", "", "", "", "", "conv 3x3, 512 *"],
        ],
    }
    for width, expected in stages.items():
        for row in expected:
            assert cells.count(row) == (2 if width == 512 else 1), row
    assert sum("maxpool" in row[0] for row in cells) == 5
    assert [row for row in cells if row[0].startswith("dense")] == [
        6 * ["dense 4096"],
        6 * ["dense 4096"],
        6 * ["dense 1000"],
    ]
    assert "138,357,544" in next(row for row in rows if row.startswith("params"))


def test_alignment() -> None:
    """Equal layers share rows, as many as possible; others share rows in their order."""
    assert aligned([["a", "b", "c"], ["a", "c"]]) == [["a", "a"], ["b", ""], ["c", "c"]]
    assert aligned([["a", "b"], ["a", "x", "y", "b"]]) == [
        ["a", "a"],
        ["", "x"],
        ["", "y"],
        ["b", "b"],
    ]
    assert aligned([["a", "b"], ["a", "x"], ["b"]]) == [["a", "a", ""], ["b", "x", "b"]]
    assert aligned([[], ["a"]]) == [["", "a"]]


@pytest.mark.parametrize("width", [60, 90, 200])
def test_the_table_fits_into_the_terminal(width: int) -> None:
    """Columns that do not fit are printed below; every net is there once."""
    nets = [(name, netdsl.load(f"vgg:{name}").graph) for name in VGG]
    lines = side_by_side(nets, width)
    assert max(map(len, lines)) <= width
    assert sum(line.split().count("VGG16C") for line in lines) == 1
    assert sum(line.startswith("params") for line in lines) == {60: 2, 90: 2, 200: 1}[width]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["vgg:VGG16", "--side-by-side"], "compares nets"),
        (["vgg", "--side-by-side", "--depth", "1"], "--side-by-side and --depth"),
        (["vgg", "--side-by-side", "--csv"], "--side-by-side and --csv"),
        (["vgg", "--side-by-side", "--format", "json"], "--side-by-side"),
        (["resnet:CifarResNet1202", "resnet:ResNet50", "--side-by-side"], "400 layers"),
    ],
)
def test_wrong_usage(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Several names are nets too; errors are reported as usual."""
    assert run(["check", "vgg:VGG11", "vgg:VGG13", "--side-by-side"]) == 0
    assert "vgg:VGG13" in capsys.readouterr().out
    assert run(["check", "vgg:VGG11", "nowhere.net", "--side-by-side"]) == 1
    assert "file-not-found" in capsys.readouterr().err
