"""Joins whose loops, conditions and lists leave one arm, or none."""

from __future__ import annotations

import pytest

import netdsl
from tests.support.back_ends import assert_back_ends_agree
from tests.support.small_nets import code_of, net, shape

X = "input x: 4x8x8\n"
MADE = {  # the arms
    "a loop": "for k in {} {{ | conv(4, k, pad = k // 2) }}",
    "a condition": "if {} != [] {{ | conv(4, 3, pad = 1) }}",
}


@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("kind", ["concat", "add", "mul", "sub", "max"])
def test_one_arm(kind: str, made: str) -> None:
    """A join with one arm left is that arm, and has no layer of its own."""
    compiled = net(f"{X}{kind} {{\n{MADE[made].format([3])}\n}}\nbn")
    assert ["conv", "bn"] == [node.op.kind for node in compiled.graph.nodes]
    assert_back_ends_agree(compiled)


def test_a_labelled_join_of_one_arm() -> None:
    """The label names the scope of the arm and its value, and both can be used again."""
    compiled = net(
        f"{X}j: add {{\nrepeat 1 {{ | a: conv(4, 3, pad = 1) }}\n}}\nj\nconcat(@j, @j.a)"
    )
    assert {"j.a.weight", "j.a.bias"} == set(compiled.torch().state_dict())
    assert "12x8x8" == str(compiled.outputs[0].value.type)
    assert_back_ends_agree(compiled)


def test_residual_of_one_arm() -> None:
    """With one arm left, `residual` adds its input to it."""
    compiled = net(f"{X}residual {{\n{MADE['a loop'].format([3])}\n}}")
    assert ["conv", "add"] == [node.op.kind for node in compiled.graph.nodes]


@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("kind", ["concat", "max", "residual"])
def test_no_arm(kind: str, made: str) -> None:
    """Without any arm, it is an error of the join."""
    code, line, help_ = code_of(f"{X}{kind} {{\n{MADE[made].format([])}\n}}")
    assert ("wrong-inputs", 2) == (code, line)
    assert help_ is not None
    assert help_.endswith("makes no arm: write the join in an `if`, or give it another arm")


def test_a_written_arm_is_not_enough() -> None:
    """Braces with one arm that is written there are an error."""
    assert code_of(f"{X}add {{ | relu }}")[0] == "wrong-inputs"


def test_a_list_of_one_tensor() -> None:
    """A join of a list with one tensor is that tensor, in a loop too."""
    dense = (
        "repeat 2 with all = [@] { concat(all) -> conv(4, 1)\n next all = all + [@] }\nconcat(all)"
    )
    assert "12x8x8" == shape(f"{X}{dense}")
    assert "4x8x8" == shape(f"{X}relu\nc: concat([@x]) -> tanh\nadd(@c)")
    assert code_of(f"{X}concat([@x][1:])")[0] == "wrong-inputs"


@pytest.mark.parametrize(
    ("kind", "channels"), [("a", [5, 4]), ("b", [6, 7, 4]), ("c", [8, 4]), ("d", [4])]
)
def test_arms_of_else_if(kind: str, channels: list[int]) -> None:
    """The first branch whose condition holds makes its arms, whatever follows `else`."""
    branches = (
        'if kind == "a" { | conv(5, 1) } else if kind == "b" {\n| conv(6, 1)\n| conv(7, 1) }'
        ' else if kind == "c" { | conv(8, 1) }'
    )
    text = f"block B(kind) {{\nconcat {{\n{branches}\n| conv(4, 1)\n}}\n}}\n"
    compiled = netdsl.loads(f'{text}net N {{\n{X}B("{kind}")\n}}')
    found = [n.type.channels for n in compiled.graph.nodes if n.op.kind == "conv"]
    assert channels == found
    assert sum(channels) == compiled.graph.outputs[0].value.type.channels


def test_an_arm_of_else_if_needs_its_bar() -> None:
    """Layers of a branch without `|` are an error, before and after `else if`."""
    for arms in ("{ relu } else if 1 == 1 { | tanh }", "{ | relu } else if 1 == 1 { tanh }"):
        assert code_of(f"{X}add {{\n| identity\nif 1 == 2 {arms}\n}}")[0] == "layer-between-arms"
