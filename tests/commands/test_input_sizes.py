"""Input sizes from `--input` and `at`: a name has the same size in every input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from netdsl.cli import run
from netdsl.driver import check_expects, compile_net, program_of
from netdsl.errors import NetdslError
from netdsl.source import SourceFile
from tests.support.commands import run_command

if TYPE_CHECKING:
    from pathlib import Path

FIXED = "input x: 3xHxW\nrelu"
SQUARE = "input x: 3xSxS\nconv(8, 3)"
TWICE = "input a: 3xHxW\ninput b: [3, 2 * H, W]\nconcat(@a, axis = 2)"
ALIKE = "input a: 3xHxW\ninput b: 3xHxW\nadd(@a)"
LESS = "input a: 3xH\ninput b: [3, H - 10]\nconcat(@a, axis = 2)"
WORD = 'input a: "abc"\nrelu'
LATER = "input a: 3xH\nlet H = 5\ninput b: 3xH\nconcat(@a, axis = 2)"

GIVEN = {
    "square": (SQUARE, ["3x8x8"], "x 3x8x8"),
    "not square": (SQUARE, ["3x4x8"], "shape-mismatch"),
    "a formula follows": (TWICE, ["3x4x8"], "a 3x4x8, b 3x8x8"),
    "a formula that agrees": (TWICE, ["3x4x8", "b=3x8x8"], "a 3x4x8, b 3x8x8"),
    "a formula that does not": (TWICE, ["3x4x8", "b=3x4x8"], "shape-mismatch"),
    "a formula of what is open": (TWICE, ["b=3x8x8"], "open-size"),
    "two inputs": (ALIKE, ["3x4x8", "b=3x4x8"], "a 3x4x8, b 3x4x8"),
    "two inputs that differ": (ALIKE, ["3x4x8", "b=3x5x8"], "shape-mismatch"),
    "too few": (ALIKE, ["3x4"], "shape-mismatch"),
    "a formula that is too small": (LESS, ["3x4"], "bad-size"),
    "a size of zero": (SQUARE, ["3x0x0"], "bad-size"),
    "a fixed size changed": (FIXED, ["4x8x8"], "fixed-size"),
    "a fixed size repeated": (FIXED, ["3x8x9"], "x 3x8x9"),
    "all sizes are fixed": ("input x: 1x8x8\nrelu", ["1x9x9"], "fixed-size"),
    "a second input": ("input a: 3x8\ninput b: 4x8\nconcat(@b)", ["b=5x8"], "fixed-size"),
    "a batch too": (FIXED, ["1x3x8x8"], "shape-mismatch"),
    "the text's is no size": (WORD, ["4"], "bad-size"),
    "the name means another value": (LATER, ["3x7"], "a 3x7, b 3x5"),
}


@pytest.mark.parametrize("case", GIVEN)
def test_given(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--input` gives the open sizes their values, also inside formulas.

    A size that contradicts the text is one error.
    """
    body, given, expected = GIVEN[case]
    path = tmp_path / "n.net"
    path.write_text(f"net N {{\n{body}\n}}")
    code = run(["check", str(path), *(w for g in given for w in ("--input", g))])
    out, err = capsys.readouterr()
    assert code == ("-" in expected)
    if code:
        assert err.startswith(f"error[{expected}]")
        assert err.count("error[") == 1
    else:
        assert expected in out.split("\n")[0]


def test_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`at` with sizes that the input cannot have is an error, not an `expect` that is true."""
    path = tmp_path / "n.net"
    path.write_text(f"net N {{\n{SQUARE}\nexpect shape(x) == 3x4x8 at 3x4x8\n}}")
    assert run(["check", str(path)]) == 1
    assert "with S = 4, the size must be 4, not 8" in capsys.readouterr().err


def test_valid_sizes_of_formulas(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A formula in an input size must be at least 1; `verify` chooses sizes that ensure it."""
    path = tmp_path / "n.net"
    path.write_text(f"net N {{\n{LESS}\n}}")
    assert run(["check", str(path)]) == 0
    assert "H >= 11" in capsys.readouterr().out
    assert run(["verify", str(path)]) == 0


PARAMETER = "net N(size = 8) {\ninput x: 3xsizexsize\nrelu\n}"
NEAR = {
    "channels last": (FIXED, "9x8x3", "did you mean 3x9x8?"),
    "channels in the middle": (FIXED, "9x3x8", "did you mean 3x9x8?"),
    "no channels": (FIXED, "9x8", "did you mean 3x9x8?"),
    "the batch": (FIXED, "1x3x9x8", "did you mean 3x9x8?"),
    "the batch, and channels last": (FIXED, "1x9x8x3", "did you mean 3x9x8?"),
    "one name is one size": (SQUARE, "9x8x3", "only sizes that the text leaves open can be chosen"),
    "nothing near": (FIXED, "4x9x8", "only sizes that the text leaves open can be chosen"),
    "a rank that is far off": (FIXED, "9", "give all sizes, such as 3x224x224"),
    "a parameter": (PARAMETER, "3x9x9", "set that with `-D size=...`"),
    "a formula of a parameter": (
        "net N(size = 8) {\ninput x: [3, 2 * size]\nrelu\n}",
        "3x9",
        "set that with `-D size=...`",
    ),
    "a vector of a parameter's length": (
        "net N(size = 8) {\ninput x: size\nrelu\n}",
        "9",
        "set that with `-D size=...`",
    ),
}


@pytest.mark.parametrize("case", NEAR)
def test_advice(case: str) -> None:
    """The help proposes the sizes that the user probably meant, or explains how to change them."""
    body, given, expected_help = NEAR[case]
    text = body if body.startswith("net") else f"net N {{\n{body}\n}}"
    sizes = tuple(int(n) for n in given.split("x"))
    with pytest.raises(NetdslError) as caught:
        compile_net(program_of(SourceFile("n.net", text)), "N", {"": sizes})
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.span is not None
    assert expected_help in (diagnostic.help or "")


def test_the_advice_works(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The parameter that the help names changes the size; `--input` may then repeat that size."""
    path = tmp_path / "n.net"
    path.write_text(PARAMETER)
    assert run(["check", str(path), "-D", "size=9"]) == 0
    assert capsys.readouterr().out.startswith("N  x 3x9x9")
    assert run(["check", str(path), "-D", "size=9", "--input", "3x9x9"]) == 0


@pytest.mark.parametrize(
    "command",
    [["draw", "-o", "n.dot"], ["export", "-o", "n.onnx"], ["export", "-o", "n.py"], ["verify"]],
)
def test_every_command(
    command: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every command with `--input` refuses to change a number of the text, and writes nothing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "n.net").write_text(f"net N {{\n{FIXED}\n}}")
    assert run([command[0], "n.net", *command[1:], "--input", "8x9x3"]) == 1
    err = capsys.readouterr().err
    assert err.startswith(
        "error[fixed-size]: input `x` is 3xHxW, but is given as 8x9x3: the fixed size 3 cannot"
        " become 8\n"
    )
    assert "n.net:2:10" in err
    assert [p.name for p in tmp_path.iterdir()] == ["n.net"]


def test_bench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`bench` refuses to change a fixed size, and the error points at its line."""
    path = tmp_path / "n.net"
    path.write_text(f"net N {{\n{FIXED}\n}}")
    assert run(["bench", str(path), "--batch", "1", "--input", "8x9x3"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("error[fixed-size]: input `x` is ")
    assert "n.net:2:" in err


def test_at_a_fixed_size() -> None:
    """`at` cannot change a fixed size of the text either."""
    text = f"net N {{\n{FIXED}\nexpect shape(x) == 8x9x3 at 8x9x3\n}}"
    program = program_of(SourceFile("n.net", text))
    passed, failed = check_expects(compile_net(program, "N"))
    assert (passed, [(d.code, d.help) for d in failed]) == (
        0,
        [("fixed-size", "write `at 3x8x9`")],
    )


@pytest.mark.parametrize(
    ("text", "given", "advice"),
    [
        ("input x: 1x8x8\nrelu", "1x9x9", "write `input x: 1x9x9` on line 2"),
        ("input a: 3x8\ninput b: 8 int32\nadd(@a)", "b=9", "write `input b: 9 int32` on line 3"),
    ],
)
def test_the_line_of_a_fixed_size(
    text: str, given: str, advice: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The advice has the whole input, with its type, and its line."""
    (folder / "fixed.net").write_text(f"net A {{\n{text}\n}}\n")
    _, err = run_command(capsys, "check", "fixed.net", "--input", given, code=1)
    assert f"; to change this one, {advice}\n" in err
