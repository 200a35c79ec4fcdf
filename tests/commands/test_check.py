"""`netdsl check`: what its options print and refuse; one wrong line hides no other result."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from netdsl.cli import run

if TYPE_CHECKING:
    from pathlib import Path

USAGE = "usage: netdsl check [options] FILE[:NET]...\n"
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
    """Run `check` on a text and return its exit code."""
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
    """A labelled join is one row with the totals of its arms."""
    assert checked(tmp_path, JOINED, *options) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["mixed", "concat", "10x8x8", "136"] in [r[:4] for r in rows]


def test_only_a_kind_that_has_no_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--only` with a kind that has no row is wrong usage, for the table and for JSON.

    With `--depth 0` each net has one row, of the kind `net`.
    """
    for options, kinds in (
        (["--depth", "0"], "net"),
        ([], "concat, conv, dense, flatten, gap, relu"),
        (["--format", "json"], "concat, conv, dense, flatten, gap, relu"),
    ):
        assert checked(tmp_path, JOINED, "--only", "bn", *options) == 2
        assert (
            capsys.readouterr().err
            == f"netdsl check: --only bn: no row has this kind; the kinds are {kinds}\n{USAGE}"
        )


def test_only_hides_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An error is reported even if `--only` leaves out the row of the wrong layer."""
    assert checked(tmp_path, JOINED.replace("gap ->", "maxpool(9) ->"), "--only", "dense") == 1
    assert "error[window-too-large]" in capsys.readouterr().err


def test_json_has_the_rows_that_are_chosen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--depth` and `--only` choose the rows of JSON as they choose those of the table."""
    names = {
        (): ["mixed.0", "mixed.1", "mixed.2", "mixed", "1", "2", "3"],
        ("--depth", "1", "--only", "concat,gap"): ["mixed", "1"],
        ("--depth", "0"): ["N"],
    }
    for options, expected in names.items():
        assert checked(tmp_path, JOINED, "--format", "json", *options) == 0
        assert [
            row["name"] for row in json.loads(capsys.readouterr().out)["nets"][0]["layers"]
        ] == expected


UNUSED = [
    ("json", ["--show", "units"]),
    ("json", ["--columns", "units"]),
    ("sarif", ["--only", "conv"]),
    ("github", ["--depth", "0"]),
]


@pytest.mark.parametrize(("format_name", "options"), UNUSED)
def test_options_of_the_table_with_another_format(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], format_name: str, options: list[str]
) -> None:
    """An option that the format does not use is wrong usage, and nothing is printed."""
    assert checked(tmp_path, JOINED, "--format", format_name, *options) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert (
        printed.err == f"netdsl check: {options[0]} is for the table: --format {format_name} has"
        f" {'every column' if format_name == 'json' else 'no table'}\n{USAGE}"
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
    """Both tables are printed and the other `expect` lines are checked.

    One line names an open size after `at`, another a size that is too small for the net.
    """
    assert checked(tmp_path, BAD_AT) == 1
    printed = capsys.readouterr()
    assert [
        line for line in printed.out.splitlines() if line.startswith(("A ", "B ", "expect"))
    ] == [
        "A  image 3xHxW",
        "expect          1 of 4 hold",
        "B  image 3x8x8",
        "expect          1 of 1 hold",
    ]
    assert [
        line.partition("]")[0] for line in printed.err.splitlines() if line.startswith("error")
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
    """The lines after `net A = B(...)` see B's parameters and open sizes and their file's `let`s.

    They also see the `let`s that their file imports. A line inside B that fails for two members
    is reported once if the message is the same.
    """
    (tmp_path / "family.net").write_text(FAMILY, encoding="utf-8")
    assert checked(tmp_path, MEMBERS + "net Three = Plain(counts[1], width = 4)\n") == 1
    printed = capsys.readouterr()
    assert [line for line in printed.out.splitlines() if line.startswith("expect")] == [
        "expect          5 of 7 hold",
        "expect          0 of 2 hold",
    ]
    assert printed.err.count("error[") == 3
    assert printed.err.count("`factor` is 5, expected 6") == 1
    assert "`params` is 808, expected 1" in printed.err
    assert "`params` is 408, expected 1" in printed.err


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
    """Names in an `expect` are resolved as in the net.

    Labels can contain formulas. A parameter or `let` shadows the figure of the same name. A part
    without parameters or units counts as 0, and a label of a value has that value's shape.
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


def test_names_in_expects_have_the_size_after_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With `at`, open sizes and the `let`s computed from them are numbers, also inside a loop."""
    assert checked(tmp_path, AT) == 0
    assert "expect          3 of 3 hold" in capsys.readouterr().out


# ---- nets and parameters on the command line


def test_a_net_beside_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The name of a net follows its file after a colon, and the help writes it so."""
    assert checked(tmp_path, JOINED, "N") == 1
    err = capsys.readouterr().err
    assert "error[file-not-found]: there is no file or library net `N`" in err
    assert f"help: for a net of the file, write `{tmp_path / 'n.net'}:N`" in err
    assert run(["check", "resnet:ResNet18,ResNet34,vgg:VGG16"]) == 2
    assert "not a comma: `resnet:ResNet18 resnet:ResNet34 vgg:VGG16`" in capsys.readouterr().err


SIZED = """block head(n) { dense(n) -> relu }
net N(classes = 10, width = 8) {
    input image: 3x8x8
    flatten
    dense(width // 2)
    head(classes)
}
"""


@pytest.mark.parametrize(
    ("option", "message", "help_"),
    [
        ("clases=3", "net `N` has no parameter `clases`", "did you mean `classes`?"),
        ("classes=0", "`units` of `dense` must be at least 1, found 0", "`units` of `dense`"),
        (
            "classes=2.5",
            "must be an integer, found 2.5",
            "declared as `N(classes = 10, width = 8)`",
        ),
        ("classes=ten", "there is no `ten`", "a parameter takes a number"),
    ],
)
def test_a_wrong_parameter_is_shown_at_its_option(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    option: str,
    message: str,
    help_: str,
) -> None:
    """The place of the error is the option, not the net, even if a block uses the value."""
    assert checked(tmp_path, SIZED, "-D", option, "--format", "json") == 1
    (error,) = json.loads(capsys.readouterr().out)["diagnostics"]
    assert (error["file"], error["line"]) == (f"-D {option.partition('=')[0]}", 1)
    assert message in error["message"]
    assert help_ in error["help"]


def test_a_computed_value_names_its_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error of a formula keeps its place; a note has the option that sets its parameter."""
    assert checked(tmp_path, SIZED, "-D", "width=1", "--format", "json") == 1
    (error,) = json.loads(capsys.readouterr().out)["diagnostics"]
    assert error["line"] == 5
    (note,) = error["notes"]
    assert (note["message"], note["file"]) == ("`width` is set here", "-D width")


def test_an_error_of_a_family_is_printed_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error that the nets of a family share is one error, although their sizes differ."""
    net = "net A(n = 1) {\n    input x: 3x8x8\n    conv(n, 3) -> dense(3)\n}\n"
    assert checked(tmp_path, f"{net}net B = A(n = 2)\nnet C = A(n = 3)\n") == 1
    assert capsys.readouterr().err.count("error[") == 1
