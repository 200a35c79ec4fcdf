"""The parts of a file: imports, aliases, parameters and expectations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import netdsl
from netdsl.cli import run
from tests.support.bodies import kinds, shape
from tests.support.small_nets import codes

if TYPE_CHECKING:
    from pathlib import Path


def test_imports(tmp_path: Path) -> None:
    """A file can import blocks, nets and values of another file, and nets of the library by name.

    An imported block uses the names of its own file.
    """
    (tmp_path / "parts.net").write_text(
        "let width = 5\nblock inner() { conv(width, 1) }\nblock Stem() { inner -> relu }\nnet"
        " Base(n) { input x: 3x8x8\n Stem -> conv(n, 1) }"
    )
    main = tmp_path / "main.net"
    main.write_text(
        'import "parts.net"\nimport resnet\nblock inner() { tanh }\nnet A { input x: 3x8x8\n inner'
        " -> Stem -> conv(width, 1) }\nnet B = Base(7)\nnet C = ResNet(basicblock, [1, 1, 1, 1],"
        " classes = 3)"
    )
    assert ["tanh", "conv", "relu", "conv"] == kinds(netdsl.load(f"{main}:A"))
    assert (7, 8, 8) == shape(netdsl.load(f"{main}:B"))
    assert (3,) == shape(netdsl.load(f"{main}:C"))


def test_alias() -> None:
    """`net A = B(...)` is B with these arguments; its `expect` lines are checked for it."""
    text = (
        "net B(n, k = 1) {\ninput x: 4x8x8\nconv(n, k)\n}\nnet A = B(5)\nnet C = B(k = 3, n = 2)"
        " {\nexpect params == 74\n}"
    )
    assert [(5, 8, 8), (2, 6, 6)] == [shape(netdsl.loads(text, n)) for n in ("A", "C")]
    assert ["which-net"] == codes(text)
    assert ["missing-argument"] == codes(text, "B")
    assert ["unknown-net"] == codes(text, "D")


def test_define_and_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`-D` sets a parameter and `--input` sets the sizes; the file gives those that are not set."""
    path = tmp_path / "n.net"
    path.write_text("net N(n = 5, B = relu) {\ninput x: 4xHxW\nconv(n, 3) -> B\n}")
    net = netdsl.load(str(path), n=9)
    assert "9x(H-2)x(W-2)" == str(net.outputs[0].value.type)
    assert run(["check", str(path), "-D", "n = 3 * 4", "-D", "B = tanh", "--input", "4x10x12"]) == 0
    printed = capsys.readouterr().out
    assert "12x8x10" in printed
    assert "tanh" in printed
    assert run(["check", str(path), "--input", "y=4x10x12"]) == 1
    assert "has no input `y`" in capsys.readouterr().err


@pytest.mark.parametrize(
    "value", [[1, 2, 3, 4, 5, 6, 7, 8], [[64, 64], [128] * 9], "tanh", True, 0.5]
)
def test_parameters_from_python(value: object) -> None:
    """A parameter gets the value that is given in Python; lists become tuples."""
    net = netdsl.loads("net N(v) {\ninput x: 4\nrelu\n}", None, v=value)
    assert str(value).replace("[", "(").replace("]", ")") == str(net.graph.arguments["v"])


EXPECTS = {
    "params == 74": 0,
    "params == 75": 1,
    "params(c) == 74 and shape(c) == 2x6x6": 0,
    "macs == 72 * 36": 0,
    "weights(c) == 72": 0,
    "units(c) == 72": 0,
    "depth == 1": 0,
    "params < 74": 1,
    "not (params < 74)": 0,
    "round(params / 100, 1) == 0.7": 0,
}


@pytest.mark.parametrize("line", EXPECTS)
def test_expect(line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`check` fails if the condition of an `expect` line is false."""
    path = tmp_path / "n.net"
    path.write_text(f"net N {{\ninput x: 4x8x8\nc: conv(2, 3)\nexpect {line}\n}}")
    assert EXPECTS[line] == run(["check", str(path)])
    assert ("expect-failed" in capsys.readouterr().err) == bool(EXPECTS[line])


def test_expect_with_open_sizes(tmp_path: Path) -> None:
    """`expect` also takes formulas in open sizes, shapes of blocks, and figures at a given size."""
    path = tmp_path / "n.net"
    path.write_text(
        "block B() {\na: conv(2, 3)\nexpect params(a) == 74\n}\nnet N {\ninput x: 4xHxW\nb:"
        " B\nexpect shape(b) == (2, H - 2, W - 2)\nexpect shape(b.a) == shape(b)\nexpect macs == 72"
        " * (H - 2) * (W - 2)\nexpect macs == 72 * 4 at 4x4x4\n}"
    )
    assert run(["check", str(path)]) == 0
    path.write_text("net N {\ninput x: 4xHxW\nconv(2, 3)\nexpect macs == 72 * 5 at 4x4x4\n}")
    assert run(["check", str(path)]) == 1
