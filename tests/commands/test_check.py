"""`netdsl check`: what its options print and refuse, and that one wrong line hides nothing else."""

from __future__ import annotations

import json
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


@pytest.mark.parametrize(
    "options",
    [
        ["--depth", "1"],
        ["--depth", "1", "--show", "all"],
        ["--depth", "1", "--only", "concat,dense"],
    ],
)
def test_depth_folds_a_labelled_join(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    """A join with a label is one row, with the figures of its arms."""
    assert checked(tmp_path, JOINED, *options) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["mixed", "concat", "10x8x8", "136"] in [r[:4] for r in rows]


def test_rows_of_a_kind_that_there_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A kind without a row is wrong usage, in a table and in JSON; with depth 0 there is one row
    for each net.
    """
    for options, kinds in (
        (["--depth", "0"], "net"),
        ([], "concat, conv, dense, flatten, gap, relu"),
        (["--format", "json"], "concat, conv, dense, flatten, gap, relu"),
    ):
        assert checked(tmp_path, JOINED, "--only", "bn", *options) == 2
        assert (
            capsys.readouterr().err
            == f"netdsl: --only bn: no row has this kind; the kinds are {kinds}\n"
        )


def test_only_hides_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the text is wrong, that is said, whatever rows were wanted."""
    assert checked(tmp_path, JOINED.replace("gap ->", "maxpool(9) ->"), "--only", "dense") == 1
    assert "error[window-too-large]" in capsys.readouterr().err


def test_json_has_the_rows_that_are_chosen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--depth` and `--only` choose rows of JSON as they do of the table."""
    names = {
        (): ["mixed.0", "mixed.1", "mixed.2", "mixed", "1", "2", "3"],
        ("--depth", "1", "--only", "concat,gap"): ["mixed", "1"],
        ("--depth", "0"): ["N"],
    }
    for options, wanted in names.items():
        assert checked(tmp_path, JOINED, "--format", "json", *options) == 0
        assert [
            row["name"] for row in json.loads(capsys.readouterr().out)["nets"][0]["layers"]
        ] == wanted


UNUSED = [
    ("json", ["--show", "units"]),
    ("json", ["--columns", "units"]),
    ("sarif", ["--only", "conv"]),
    ("github", ["--depth", "0"]),
]


@pytest.mark.parametrize(("form", "options"), UNUSED)
def test_options_that_a_format_has_no_use_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str, options: list[str]
) -> None:
    """They are wrong usage, and nothing is printed."""
    assert checked(tmp_path, JOINED, "--format", form, *options) == 2
    made = capsys.readouterr()
    assert made.out == ""
    assert (
        made.err == f"netdsl: {options[0]} is for the table: --format {form} has"
        f" {'every column' if form == 'json' else 'no table'}\n"
    )


# ---- expectations

BAD_AT = """net A {
    input image: 3xHxW
    conv(4, 3)
    expect macs == 3_888 at 3xHxW
    expect params == 112 at 3x2x2
    expect macs == 3_888 at 3x8x8
    expect params == 113
}
net B {
    input image: 3x8x8
    conv(4, 3)
    expect params == 112
}
"""


def test_a_bad_size_of_an_expect_hides_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both nets have their tables and the other lines are held, where one asks for no size and one
    for a size that cannot be.
    """
    assert checked(tmp_path, BAD_AT) == 1
    made = capsys.readouterr()
    assert [line for line in made.out.splitlines() if line.startswith(("A ", "B ", "expect"))] == [
        "A  image 3xHxW",
        "expect          1 of 4 hold",
        "B  image 3x8x8",
        "expect          1 of 1 hold",
    ]
    assert [
        line.partition("]")[0] for line in made.err.splitlines() if line.startswith("error")
    ] == ["error[bad-size", "error[window-too-large", "error[expect-failed"]


FAMILY = """let factor = 5
net Plain(deep, width = 8) {
    input image: 3xHxW
    repeat deep as i { c{i}: conv(width, 3, pad = 1) }
    expect params == 1
    expect factor == 6
}
"""

MEMBERS = """import "family.net"
let counts = [2, 3]
let unit = "a word for another net"
net Two = Plain(counts[0]) {
    expect depth == counts[0]
    expect params(@c{counts[0] - 1}) == width * (9 * width + 1)
    expect shape(@c{deep - 1}) == [width, H, W]
    expect macs(@c0) == 27 * width * H * W and H == 9 at 3x9x10
    expect factor == 5
}
"""


def test_expects_of_a_member_see_the_lets_of_their_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The lines after `net A = B(...)` see the parameters and open sizes of B, and their own file's
    `let`s and those that it imports; what a line inside B says of both is said once.
    """
    (tmp_path / "family.net").write_text(FAMILY, encoding="utf-8")
    assert checked(tmp_path, MEMBERS + "net Three = Plain(counts[1], width = 4)\n") == 1
    made = capsys.readouterr()
    assert [line for line in made.out.splitlines() if line.startswith("expect")] == [
        "expect          5 of 7 hold",
        "expect          0 of 2 hold",
    ]
    assert made.err.count("error[") == 3
    assert made.err.count("`factor` is 5, expected 6") == 1
    assert "`params` is 808, expected 1" in made.err
    assert "`params` is 408, expected 1" in made.err


HOLD = """let units = 3
net N(depth = 7, names = ["left", "right"]) {
    input image: 3x8x8
    for name in names {
        at_{name}: conv(4, 1)
        expect params(@at_{name}) > 4 and macs(@at_{name}) >= 768
    }
    r: relu
    g: { relu }
    mixed: concat {
        | a: conv(4, 1)
        | b: identity
    }
    expect units(r) == 256 and units(g) == 0 and units(mixed) == 256 and units(mixed.a) == 256
    expect depth == 7 and units == 3
    expect weights == 12 + 16 + 16
    expect params(g) == 0 and shape(mixed.b) == 4x8x8
}
"""


def test_names_in_expects(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Labels are computed as in the net; a parameter or `let` stands before the figure of its name;
    a part without numbers has none, and a label of a value has its shape.
    """
    assert checked(tmp_path, HOLD) == 0
    assert "expect          6 of 6 hold" in capsys.readouterr().out


AT = """net N {
    input image: 3xHxW
    let half = H // 2
    for i in range(2) {
        let wide = W * (i + 1)
        c{i}: conv(8, 3, stride = 2, pad = 1)
        @image
        expect shape(@c{i}) == [8, half, 24] and wide == 48 * (i + 1) at 3x32x48
    }
    c: conv(8, 1)
    expect shape(c) == [8, H, W]
}
"""


def test_names_in_expects_are_of_the_size_after_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With `at`, open sizes and what is computed of them are numbers, those of the round of a loop
    too.
    """
    assert checked(tmp_path, AT) == 0
    assert "expect          3 of 3 hold" in capsys.readouterr().out
