"""Sizes of inputs that are given from outside: one name is one size, in every input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from netdsl.cli import run

if TYPE_CHECKING:
    from pathlib import Path

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
    "the text's is no size": (WORD, ["4"], "bad-size"),
    "the name means another value": (LATER, ["3x7"], "a 3x7, b 3x5"),
}


@pytest.mark.parametrize("case", GIVEN)
def test_given(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sizes given are those of the text's letters, in formulas too; where they do not go with it, one error says so."""
    body, given, wanted = GIVEN[case]
    path = tmp_path / "n.net"
    path.write_text(f"net N {{\n{body}\n}}")
    code = run(["check", str(path), *(w for g in given for w in ("--input", g))])
    out, err = capsys.readouterr()
    assert code == ("-" in wanted)
    if code:
        assert err.startswith(f"error[{wanted}]")
        assert err.count("error[") == 1
    else:
        assert wanted in out.split("\n")[0]


def test_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`at` with sizes that the input cannot have is an error, and proves nothing."""
    path = tmp_path / "n.net"
    path.write_text(f"net N {{\n{SQUARE}\nexpect shape(x) == 3x4x8 at 3x4x8\n}}")
    assert run(["check", str(path)]) == 1
    assert "with S = 4 there are to be 4, not 8" in capsys.readouterr().err


def test_valid_sizes_of_formulas(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An input's own formula must be at least 1; `verify` tries sizes at which it is."""
    path = tmp_path / "n.net"
    path.write_text(f"net N {{\n{LESS}\n}}")
    assert run(["check", str(path)]) == 0
    assert "H >= 11" in capsys.readouterr().out
    assert run(["verify", str(path)]) == 0
