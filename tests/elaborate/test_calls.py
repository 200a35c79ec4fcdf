"""Values, parameters, and the statements that use them."""

from __future__ import annotations

import pytest

import netdsl
from tests.support.bodies import kinds, names, net, shape

VALUES = {
    "1 + 2 * 3 - 4": 3,
    "7 // 2 * 2": 6,
    "-7 // 2": -4,
    "-7 % 3": 2,
    "-2 ** 2": -4,
    "2 ** 3 ** 2": 512,
    "2 ** -1": 0.5,
    "1 ** 200": 1,
    "0.5 ** 200": 0.5**200,
    "2 ** 62": 2**62,
    "8 / 2": 4,
    "9 / 2": 4.5,
    "61_706": 61706,
    "1e-3": 0.001,
    "5e2": 500.0,
    "(1 + 2) * 3": 9,
    "[1, 2] + [3]": (1, 2, 3),
    "2 * [64]": (64, 64),
    "[64] * 2": (64, 64),
    "[1, [2, 3]][1][0]": 2,
    "(1, 2)[-1]": 2,
    "3x224x224": (3, 224, 224),
    "1x7": (1, 7),
    "len([1, 2, 3])": 3,
    "min(3, 2)": 2,
    "max([1, 5, 2])": 5,
    "ceil(7 / 2)": 4,
    "floor(7 / 2)": 3,
    "round(2.567, 1)": 2.6,
    "sum([1, 2, 3])": 6,
    "range(3)": (0, 1, 2),
    "range(1, 6, 2)": (1, 3, 5),
    "enumerate([5, 6], start = 1)": ((1, 5), (2, 6)),
    "abs(-3)": 3,
    "1 if true else 2": 1,
    "1 if false else 2 if false else 3": 3,
    "1 < 2": True,
    "1 == 1.0": True,
    "[1, 2] == [1, 2]": True,
    "3 != 3": False,
    "true and false": False,
    "true or false": True,
    "not true": False,
    "not false and true": True,
    "not (1 == 2)": True,
    "not not true": True,
    "false and 1 // 0 == 1": False,
    "true or 1 // 0 == 1": True,
    '"a" + "b" == "ab"': True,
}


@pytest.mark.parametrize("text", VALUES)
def test_values(text: str) -> None:
    """Expressions have the values, types and precedence of Python."""
    value = net("relu", header=f"N(v = {text})").graph.arguments["v"]
    assert VALUES[text] == value
    assert type(VALUES[text]) is type(value)


def test_let() -> None:
    """`let` names a value in a file, in a body, or in one iteration of a loop.

    A `let` in a loop can use the outer value of the same name, which is unchanged after the loop.
    """
    compiled = net(
        "let a = w + 1\nconv(a, 1)\nrepeat 2 as i { let b = a + i\n conv(b, 1) }\nrepeat 2 { let a"
        " = a + 3\n conv(a, 1) }\nconv(a, 1)",
        "let w = 4",
    )
    assert [5, 5, 6, 8, 8, 5] == [r.shape[0] for r in compiled.layers]


def test_parameters() -> None:
    """Arguments are given by position or by name; a default can use the parameters before it."""
    block = "block B(n, m = 2 * n, k = 1) { conv(m, k) }"
    assert [6, 5, 7, 2] == [
        r.shape[0] for r in net("B(3)\nB(3, 5)\nB(m = 7, n = 1)\nB(1, k = 3)", block).layers
    ]
    assert (2, 8, 8) == shape(
        netdsl.loads("net N(a, b = a + 1) {\ninput x: 4x8x8\nconv(b, 1)\n}", None, a=1)
    )


def test_block_as_argument() -> None:
    """Blocks and kinds of layers can be arguments."""
    blocks = "block R(Act, n = 1) { repeat n { conv(4, 1) -> Act } }\nblock Two() { relu -> tanh }"
    assert ["conv", "relu", "conv", "relu", "conv", "relu", "tanh", "conv", "gelu"] == kinds(
        net("R(relu, 2)\nR(Two)\nR(Act = gelu)", blocks)
    )


def test_input_of_block() -> None:
    """`in` is the input of the enclosing block, or of the net."""
    compiled = net(
        "conv(6, 3, stride = 2)\nB\nconv(in.channels, 1)",
        "block B() { relu -> conv(2 * in.channels, 1)\n dense_like }\nblock dense_like() {"
        " reshape([in.channels, in.height * in.width, 1]) }",
    )
    assert [(6, 3, 3), (6, 3, 3), (12, 3, 3), (12, 9, 1), (4, 9, 1)] == [
        r.shape for r in compiled.layers
    ]


def test_if() -> None:
    """The first branch whose condition is true is used; without one, the value does not change."""
    body = "if x == 1 { relu } else if x == 2 { tanh } else { gelu }\nif x == 3 { selu }"
    assert [["relu"], ["tanh"], ["gelu", "selu"]] == [
        kinds(net("let x = " + n + "\n" + body)) for n in "123"
    ]
    assert ["relu", "silu"] == kinds(
        net("if false { tanh }\nelse if true { relu }\nelse { gelu }\nsilu")
    )


def test_repeat_and_for() -> None:
    """`repeat` counts from 0, `for` unpacks pairs, and no iterations change nothing."""
    compiled = net(
        "repeat 3 as i { conv(i + 1, 1) }\nfor (w, k) in [(4, 1), (5, 3)] { conv(w, k) }\nrepeat 0"
        " { relu }\nfor i in [] { relu }"
    )
    assert [(1, 8, 8), (2, 8, 8), (3, 8, 8), (4, 8, 8), (5, 6, 6)] == [
        r.shape for r in compiled.layers
    ]


def test_layout() -> None:
    """Line breaks and comments change nothing.

    A chain can continue on the next line, lines can break anywhere inside brackets, and comments
    can be on any line.
    """
    one = net("conv(4, 1) -> relu -> conv(5, 3)")
    other = net(
        "conv(  # first\n    4,\n    1,\n)\n    # between\n\n    -> relu   # after\n    ->"
        " conv(5,\n 3)  # end"
    )
    assert names(one) == names(other)
    assert [r.shape for r in one.layers] == [r.shape for r in other.layers]
