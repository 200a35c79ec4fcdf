"""Names such as `Extra` and `ExitFlow`, which could also be read as sizes joined by x.

They are names wherever the text defines them.
"""

from __future__ import annotations

import pytest

import netdsl
from netdsl.layout.format import format_source
from netdsl.source import SourceFile
from tests.support.renaming import renamed

PROGRAM = """
let Extra = 4
block ExitFlow(Exp = 4) { Conv3x3: conv(Exp, 3, pad = 1) }
block Twice(Make, Expand) { Make(Exp = Expand * 2) -> Make(Expand) }
net R(B, E2x2 = 3) {
    input image: 3x8x8
    FlexX: conv(Extra, 1) -> Twice(B, Expand = E2x2)
    repeat 2 as Ex { conv(Ex + 1, 1) }
    for (Ax, Bx) in [(1, 2)] { conv(Ax + Bx, 1) }
    @FlexX -> relu
    expect params(FlexX) == 16
}
net NextNet = R(ExitFlow)
"""


@pytest.mark.parametrize(
    "text",
    [PROGRAM, renamed(PROGRAM), format_source(SourceFile("n.net", PROGRAM))],
    ids=["plain", "renamed", "formatted"],
)
def test_a_name_is_a_name(text: str) -> None:
    """Every kind of name can look like sizes.

    These are constants, parameters, blocks, loop variables, keywords, labels and nets, also with
    digits as in `E2x2` and `Conv3x3`.
    """
    program = netdsl.loads(text, next(n for n in ("NextNet_9", "NextNet") if n in text))
    assert [(r.kind, r.shape[0]) for r in program.layers] == [
        ("conv", 4),
        ("conv", 6),
        ("conv", 3),
        ("conv", 1),
        ("conv", 2),
        ("conv", 3),
        ("relu", 4),
    ]


def error_of(body: str) -> tuple[str, str | None]:
    """The message and the help of the only error of a net with this body."""
    with pytest.raises(netdsl.CompileError) as caught:
        netdsl.loads(f"let H = 8\nlet Width = 8\nblock ExitFlow() {{ relu }}\nnet N {{\n{body}\n}}")
    (error,) = caught.value.diagnostics
    return error.message, error.help


def test_an_input_takes_the_value() -> None:
    """In the shape of an `input`, a defined name also takes precedence over sizes.

    If only the parts are defined, as in `CxB`, it is read as sizes.
    """
    assert netdsl.loads("let AxB = 7\nlet A = 4\nnet N { input x: AxB\n dense(1) }").graph.inputs[
        0
    ].type.shape == (7,)
    assert netdsl.loads(
        "let C = 3\nlet B = 5\nnet N { input x: CxB\n relu\n expect shape(x) == CxB }"
    ).graph.inputs[0].type.shape == (3, 5)


def test_errors_about_sizes_or_names() -> None:
    """The error is about sizes if a reader would read the word as sizes, else about a name."""
    assert error_of("input x: 4x4x4\nreshape(HxQ)") == (
        "there is no size `Q`",
        "open sizes are declared in an `input`",
    )
    assert error_of("input x: 4x4x4\nconv(ExitFlo, 3)") == (
        "there is no `ExitFlo`",
        "did you mean `ExitFlow`?",
    )
    assert (
        error_of("input x: 4x4x4\nconv(HxH, 3)")[1]
        == "`HxH` is a list of sizes, H by H, not a single number; the channels come first, as in"
        " `conv(3, HxH)`"
    )
    assert error_of("input x: 4x4x4\nconv(ExitFlow, 3)") == (
        "`out` of `conv` must be an integer, found ExitFlow",
        "`out` of `conv`: output channels; for example, `8`",
    )


def test_sizes_with_a_wrong_part_give_no_second_error() -> None:
    """If a part of the sizes is undefined because of an error, only that error is reported."""
    assert error_of("input x: 4x4x4\nlet k = nothing\nconv(8, 1xk)")[0] == "there is no `nothing`"


@pytest.mark.parametrize("size", ["T", "Time"])
def test_open_sizes_in_a_list(size: str) -> None:
    """A list can have open sizes beside a formula of a name that has a value."""
    text = f"let levels = 3\nnet N {{\n input wave: [2 * levels, {size}]\n relu\n}}"
    (layer,) = netdsl.loads(text).layers
    assert [str(n) for n in layer.shape] == ["6", size]
