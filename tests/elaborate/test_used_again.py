"""Labels used as layers: each use is the same call, with the same arguments."""

from __future__ import annotations

import pytest

import netdsl
from tests.support.back_ends import assert_back_ends_agree
from tests.support.bodies import names, net

# What a label names is used again; the second text writes the layers without the parameters.
SAME = {
    "a parameter with arguments by position": (
        "block t(F) { u: F\n@in -> u }",
        "t(conv(8, 3))",
        "block t() { u: conv(8, 3)\n@in -> u }",
        "t",
    ),
    "a parameter with arguments by name": (
        "block t(F) { u: F\n@in -> u }",
        "t(conv(8, k = 3))\nt(F = leaky_relu(0.1))",
        "block t() { u: conv(8, k = 3)\n@in -> u }\nblock s() { u: leaky_relu(0.1)\n@in -> u }",
        "t\ns",
    ),
    "a parameter with further arguments": (
        "block t(F) { u: F(8)\n@in -> u }\nblock unit(n, act = relu) { conv(n, 3) -> act }",
        "t(unit(act = gelu))",
        "block t() { u: unit\n@in -> u }\nblock unit() { conv(8, 3) -> gelu }",
        "t",
    ),
    "a parameter that is passed on": (
        "block t(F) { inner(F(k = 3)) }\nblock inner(G) { u: G(stride = 2)\n@in -> u -> u }",
        "t(conv(4))",
        "block t() { inner }\nblock inner() { u: conv(4, 3, stride = 2)\n@in -> u -> u }",
        "t",
    ),
    "an element of a list": (
        "let kinds = 2",
        "for (i, F) in enumerate([conv(4, 3), relu]) {\ng{i}: { let G = F\nu: G\n@x -> u }\n}",
        "",
        "g0: { u: conv(4, 3)\n@x -> u }\ng1: { u: relu\n@x -> u }",
    ),
    "a join": (
        "block t(J) { u: J { | relu | tanh }\n@in -> u }",
        "t(concat(axis = 2))",
        "block t() { u: concat(axis = 2) { | relu | tanh }\n@in -> u }",
        "t",
    ),
    "`identity`": (
        "block t(F) { u: F\n@in -> u }",
        "t(identity) -> relu",
        "block t() { @in }",
        "t -> relu",
    ),
    "a member of a family": (
        "net T(n, k = 1, s = 1) { input i: 4x8x8\nconv(n, k, s) -> relu }\nnet M = T(4, k = 3)",
        "a: M(s = 2)\n@x -> a",
        "net T { input i: 4x8x8\nconv(4, 3, 2) -> relu }",
        "a: T\n@x -> a",
    ),
}


def layers(compiled: netdsl.Net) -> list[tuple[str, str, dict[str, object]]]:
    """The names of the layers and of their weights, and their kinds with all arguments."""
    return [
        (n.name, n.module, {"": n.op.kind} | {a.name: getattr(n.op, a.name) for a in n.op.args})
        for n in compiled.graph.nodes
    ]


@pytest.mark.parametrize("case", SAME)
def test_a_callable_keeps_its_arguments(case: str) -> None:
    """The arguments that a block or layer already had are passed once, in each of its uses."""
    before, body, plain_before, plain = SAME[case]
    text = "{}\nnet N {{ input x: 4x8x8\n{}\n}}"
    compiled = netdsl.loads(text.format(before, body), "N")
    assert layers(compiled) == layers(netdsl.loads(text.format(plain_before, plain), "N"))
    assert_back_ends_agree(compiled)


def test_the_arguments_of_a_callable_can_be_tensors() -> None:
    """A second use gives other tensors in the places of those that the callable had."""
    text = "input x: 4x8\ninput s: 6\ninput z: 6\n@x -> b: cell(gru(6, h = @s, last = true), @z)"
    compiled = net(text, "block cell(F, z) { u: F\n@in -> u(h = z) }")
    assert ["b.u", "b.u@2"] == names(compiled)
    assert ["s", "z"] == [n.inputs[1].name for n in compiled.graph.nodes]
    assert_back_ends_agree(compiled)
    text = "input x: 3x8\ninput a: 5x8\ninput b: 4x8\n@x -> pair(attention(2, @a), @b)"
    compiled = net(text, "block pair(F, other) { u: F\nu(other) }")
    assert ["a", "b"] == [n.inputs[1].name for n in compiled.graph.nodes]
    assert_back_ends_agree(compiled)


@pytest.mark.parametrize(
    "body",
    [
        "let n = 1\nt: conv(4, 3, n)\nlet n = 2\n@x -> t",
        "let n = 1\nt: { conv(4, 3, n) }\nlet n = 2\nlet n = 3\n@x -> t",
        "let n = 1\nrepeat 1 { t: conv(4, 3, n)\nlet n = 2\n@x -> t }\nlet n = 3\n@x -> t",
        "let n = 1\nt: { u: conv(4, 3, n)\nlet n = 2\n@x -> u }\n@x -> t",
        "let n = 1\nt: conv(4, 3, n)\nrepeat 1 with n = 2 { @x -> t\nnext n = 3 }\n@x -> t",
        "let n = 1\nt: add { | conv(4, 3, n) | conv(4, 3, n) }\nlet n = 2\n@x -> t",
        "t: relu\nlet relu = gelu\n@x -> t",
        "let n = 1\nif true { t: conv(4, 3, n) }\nlet n = 2\n@x -> t",
        "for i in range(1, 3) { t{i}: conv(4, 3, i)\nlet i = 3\n@x -> t1 }",
    ],
)
def test_a_new_let_does_not_change_a_label(body: str) -> None:
    """A layer that is used again has the values that names had where it was written."""
    first: dict[str, dict[str, object]] = {}
    used = layers(net(body))
    for _, module, op in used:
        assert op == first.setdefault(module, op)
    assert len(first) < len(used)
