"""Sentences of the language reference that its examples do not show, section by section."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

import pytest
from torch import nn

import netdsl
from netdsl.backends.torch.recorder import lowered
from netdsl.ops import LAYERS
from netdsl.ops.base import bind
from tests.support.contract import EXAMPLES
from tests.support.manual import LANGUAGE
from tests.support.small_nets import X, code_of, net, shape

if TYPE_CHECKING:
    from collections.abc import Iterator


def value(expression: str) -> object:
    """The value of an expression, which is read from the arguments of a net."""
    compiled = netdsl.loads(f"net P(v) {{\ninput x: 4\nrelu\n}}\nnet N = P({expression})", "N")
    return compiled.graph.arguments["v"]


# ---- A first net


def test_a_file_has_any_order() -> None:
    """The definitions of a file may be in any order."""
    text = (
        "train N { epochs = 1 }\nnet N { input x: 3x8x8\n B(width) }\nblock B(n) { conv(n, 1)"
        " }\nlet width = 5\n"
    )
    assert str(netdsl.loads(text).outputs[0].value.type) == "5x8x8"


def test_comments_above_are_documentation() -> None:
    """The comment lines directly above a net are its documentation, up to the first blank line."""
    assert (
        netdsl.loads("# no\n\n# first\n# second\nnet N { input x: 4\n relu }").graph.doc
        == "first\nsecond"
    )


def test_the_batch_is_open() -> None:
    """Every model has a batch axis, which is open and which the text leaves out."""
    dims = net(X + "relu").onnx().graph.input[0].type.tensor_type.shape.dim
    assert dims[0].dim_param == "N"
    assert [d.dim_value for d in dims[1:]] == [3, 8, 8]


# ---- Values flow down the page


def test_an_arrow_at_the_end_does_not_continue() -> None:
    """A `->` at the end of a line is an error."""
    assert code_of(X + "relu ->\ntanh")[0] == "syntax-error"


@pytest.mark.parametrize(
    "body",
    [
        "conv(4,\n 3)",
        "concat {\n | relu\n | tanh\n}",
        "relu\n -> tanh",
        "if true { relu }\nelse { tanh }",
        "conv(4, [1,\n3])",
    ],
)
def test_statements_of_several_lines(body: str) -> None:
    """A statement continues inside brackets and where a line begins with `->`, `|`, `}`, `else`."""
    assert net(X + body).layers


# ---- Labels


POSITIONS = {
    "positions count from 0": ("relu -> conv(4, 3)", "1.weight"),
    "members with labels count": ("a: conv(4, 3) -> conv(4, 3)", "1.weight"),
    "repeat is transparent": ("repeat 2 { conv(4, 3) }", "1.weight"),
    "if is transparent": ("relu -> if true { conv(4, 3) }", "1.weight"),
    "a group without a label is transparent": ("relu -> { conv(4, 3) }", "1.weight"),
    "arms are transparent": ("add { | conv(4, 1) | conv(4, 1) }", "1.weight"),
    "identity takes no position": ("identity -> conv(4, 3)", "0.weight"),
    "frozen takes no position": ("relu -> frozen -> conv(4, 3)", "1.weight"),
    "a reference takes no position": ("a: relu\n@a -> conv(4, 3)", "1.weight"),
    "an auxiliary head takes one": ("aux h { gap }\nconv(4, 3)", "1.weight"),
    "a number in a label": ("a{1 + 1}: conv(4, 3)", "a2.weight"),
    "a string in a label": ('a{"b"}: conv(4, 3)', "ab.weight"),
    "the last layer of an output": ("output y: relu -> conv(4, 3)", "y.weight"),
    "an output with a name beside the layer's": ("output y: c: conv(4, 3)", "c.weight"),
}


@pytest.mark.parametrize("case", POSITIONS)
def test_names_of_weights(case: str) -> None:
    """The names of weights are those of `nn.Sequential`, with labels in place of positions."""
    body, expected = POSITIONS[case]
    assert expected in net(X + body).torch().state_dict()


# ---- Layers and their arguments


# Our names of arguments that have another name in PyTorch.
TORCH_NAMES = {
    "pad": "padding",
    "ceil": "ceil_mode",
    "count_pad": "count_include_pad",
    "slope": "negative_slope",
    "output_pad": "output_padding",
    "layers": "num_layers",
}
# Arguments whose default differs, as the manual lists, or for which PyTorch has no default.
OTHER_DEFAULTS = {
    ("prelu", "shared"),
    ("rmsnorm", "eps"),
    ("upsample", "scale"),
    ("upsample", "size"),
    ("upsample", "align_corners"),
    ("softmax", "axis"),
    ("log_softmax", "axis"),
    ("lrn", "n"),
}


def defaults() -> Iterator[tuple[str, str, Any, Any]]:
    """The kind, the name, our default and PyTorch's default of each argument that both have."""
    for example in EXAMPLES:
        node = example.net().graph.nodes[-1]
        module = re.match(r"nn\.(\w+)", lowered(node).module or "")
        if module is None:
            continue
        parameters = inspect.signature(getattr(nn, module[1])).parameters
        for arg in node.op.args:
            name = TORCH_NAMES.get(arg.name, arg.name)
            if not arg.required and arg.default is not None and name in parameters:
                yield example.kind, arg.name, arg.default, parameters[name].default


def test_defaults_are_pytorchs() -> None:
    """Our defaults are those of PyTorch, except for those that the manual lists."""
    pairs = set(defaults())
    assert len(pairs) > 30
    assert {(k, a) for k, a, ours, theirs in pairs if ours != theirs} <= OTHER_DEFAULTS
    text = LANGUAGE.read_text(encoding="utf-8")
    assert "`prelu` learns a slope for each channel" in text
    assert bind(LAYERS["rmsnorm"], (), {}).given["eps"] == 1e-6
    assert "`rmsnorm` has `eps = 1e-6`" in text


# ---- Values and expressions


VALUES = {
    "1x7": (1, 7),
    "[1, 7]": (1, 7),
    "(1, 7)": (1, 7),
    "61_706": 61_706,
    "5e-4": 5e-4,
    "1.5e3": 1500.0,
    '"text"': "text",
    "[]": (),
    "true": True,
    "7 / 2": 3.5,
    "8 / 2": 4,
    "7 // 2": 3,
    "-7 // 2": -4,
    "3 * [2]": (2, 2, 2),
    "[1] + [2]": (1, 2),
    '"a" + "b"': "ab",
    "2 ** 3 ** 2": 512,
    "-2 ** 2": -4,
    "not 1 == 2": True,
    "1 + 2 * 3": 7,
    "1 if false else 2 if true else 3": 2,
    "false and 1 / 0 == 1": False,
    "true or 1 / 0 == 1": True,
    "true or false and false": True,
    "[1, 2, 3][-1]": 3,
    "[1, 2, 3][0]": 1,
    "min([3, 1])": 1,
    "max(1, 2, 3)": 3,
    "abs(-2)": 2,
    "sqrt(9)": 3.0,
    "ceil(1.2)": 2,
    "floor(1.8)": 1,
    "round(2.6)": 3,
    "round(2.345, 2)": 2.35,
    "round(2.345, digits = 1)": 2.3,
    "len([1, 2])": 2,
    "sum([1, 2])": 3,
    "range(3)": (0, 1, 2),
    "range(1, 4)": (1, 2, 3),
    "range(1, 6, 2)": (1, 3, 5),
    "range(1, 6, step = 2)": (1, 3, 5),
    "range(6, step = 4)": (0, 4),
    "enumerate([5, 6])": ((0, 5), (1, 6)),
    "enumerate([5], start = 3)": ((3, 5),),
    "1x7 == [1, 7]": True,
    "[3, 4] == (3, 4)": True,
    "1 != 2": True,
    "2 ** 62": 2**62,
    "7 % 4": 3,
    "-1 % 4": 3,
}


@pytest.mark.parametrize("expression", VALUES)
def test_values(expression: str) -> None:
    """Operators have the precedence in the page's table, and functions give the values listed."""
    assert value(expression) == VALUES[expression]
    assert type(value(expression)) is type(VALUES[expression])


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ("2 ** 63", "number-too-large"),
        ("1 < 2 < 3", "syntax-error"),
        ("1 if 3 else 2", "wrong-type"),
        ("sum([1, 2], start = 1)", "unknown-argument"),
        ("1 and true", "wrong-type"),
    ],
)
def test_no_values(expression: str, code: str) -> None:
    """Expressions that the page excludes are errors.

    These are integers from 2^63 on, chains of comparisons, numbers as conditions, and arguments
    that only Python's functions have.
    """
    assert code_of(f"{X}conv({expression}, 1)")[0] == code


def test_a_name_that_could_be_sizes() -> None:
    """A word that looks like sizes is a name if it is defined.

    A name that contains an x cannot be part of sizes.
    """
    assert shape(X + "Extra", "block Extra() { conv(5, 1) }") == "5x8x8"
    assert shape(X + "let HxW = 4\nconv(HxW, 1)") == "4x8x8"
    assert code_of(X + "let max_k = 3\nconv(4, 1xmax_k)")[0] == "bad-size"
