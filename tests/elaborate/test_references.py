"""References, joins and shared weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.support.back_ends import assert_back_ends_agree, inputs_for, randomise, run_onnx
from tests.support.bodies import keys, names, net, shape


def test_label_before_reference() -> None:
    """A label before `@ref` names the last layer of the chain.

    A reference to a member of a group is a name with dots.
    """
    compiled = net(
        "p: conv(4, 1)\ng: { c: conv(5, 1) -> relu }\nskip: @p -> conv(6, 1) -> relu\n@g.c ->"
        " conv(7, 1)\nconcat(@skip, @g, @p)"
    )
    assert ["p", "g.c", "g.1", "2", "skip", "4", "5"] == names(compiled)
    assert (7 + 6 + 5 + 4, 8, 8) == shape(compiled)


def test_a_reference_is_the_value_of_its_label() -> None:
    """In `a: conv -> relu`, `@a` is the result of `conv`; that of a group is its last value."""
    compiled = net("a: conv(4, 1) -> relu\ng: { conv(4, 1) -> tanh }\nx1: add(@a)\nx2: sub(@g)")
    left, right = (n.inputs[1].producer for n in compiled.graph.nodes[-2:])
    assert left is not None
    assert right is not None
    assert ("conv", "tanh") == (left.op.kind, right.op.kind)


def test_a_formula_used_again_keeps_its_layers() -> None:
    """The layers of a formula that is used again are those of its first use.

    They are not the layers at the first positions of the scope, here `tanh` and `bn`.
    """
    again = "tanh -> bn -> c: (relu(@) - 1)\nconv(3, 1) -> c -> conv(3, 1)\nc"
    compiled = net(again)
    first, second, third = (n.module for n in compiled.graph.nodes if n.op.kind == "relu")
    assert first == second == third == "2"
    assert_back_ends_agree(compiled)


def test_residual() -> None:
    """`residual { F }` adds its input; with two arms, the second replaces the input."""
    assert_back_ends_agree(
        net(
            "residual { conv(4, 3, pad = 1) -> relu }\nresidual { | conv(8, 1) | conv(8, 1) -> tanh"
            " }\nrelu"
        )
    )
    module = net("residual { tanh }").torch().eval()
    x = torch.randn(2, 4, 8, 8)
    torch.testing.assert_close(module(x), x.tanh() + x)


def test_a_join_of_one_tensor_is_that_tensor() -> None:
    """It has no layer, but keeps its position, so that later names are the same in all rounds."""
    loop = (
        "conv(4, 1)\nfor i in range(2) with found = [@] {\n"
        "g{i}: { concat(found) -> conv(4, 1) }\nnext found = found + [@]\n}"
    )
    assert ["0", "g0.1", "g1.0", "g1.1"] == names(net(loop))
    assert_back_ends_agree(net(loop))
    arms = "j: add {\nfor i in range(n) {\n| a{i}: conv(8, 1)\n}\n}\nrelu -> sub(@j)"
    assert ["j.a0", "1", "2"] == names(net(arms.replace("n)", "1)")))
    assert ["j.a0", "j.a1", "j", "1", "2"] == names(net(arms.replace("n)", "2)")))


def test_a_layer_used_again_takes_other_tensors() -> None:
    """They take the places of its own; the weights are the same."""
    steps = net(
        "input x: 3x8\ninput s: 6\n@x -> slice(0, 1) -> cell: gru(6, h = @s, last = true)\n"
        "for i in range(1, 3) with s = @cell {\n"
        "@x -> slice(i, i + 1) -> c{i}: cell(h = s)\nnext s = @c{i}\n}"
    )
    whole = net("input x: 3x8\ninput s: 6\n@x -> cell: gru(6, h = @s, last = true)")
    assert keys(steps) == keys(whole)
    module, other = steps.torch(), whole.torch()
    other.load_state_dict(module.state_dict())
    x, s = torch.randn(2, 3, 8), torch.randn(2, 6)
    torch.testing.assert_close(module(x, s), other(x, s))
    assert_back_ends_agree(steps)
    assert_back_ends_agree(
        net("input q: 3x8\ninput a: 5x8\ninput b: 4x8\n@q -> t: attention(2, @a) -> t(@b)")
    )


SIAMESE = (
    "input a: 4\ninput b: 4\n@a -> t: { d: dense(6) -> bn -> relu\n dense(3) }\nu: @b -> t\nsub(@t)"
)


def test_weight_sharing() -> None:
    """A label that is called like a layer is the same module in both back ends.

    Its weights count once and its MACs twice.
    """
    compiled = net(SIAMESE)
    assert 4 * 6 + 6 + 12 + 6 * 3 + 3 == compiled.params
    assert 2 * (4 * 6 + 6 * 3) == compiled.macs
    assert ["t.d", "t.1", "t.3"] == keys(compiled)
    module = randomise(compiled.torch())
    a, b = inputs_for(compiled)
    state = module.state_dict()
    one, two = (
        torch.nn.functional.linear(x, state["t.d.weight"], state["t.d.bias"]) for x in (a, b)
    )
    bn = [state[f"t.1.{n}"] for n in ("running_mean", "running_var", "weight", "bias")]
    one, two = (
        torch.nn.functional.linear(
            torch.nn.functional.batch_norm(x, *bn).relu(), state["t.3.weight"], state["t.3.bias"]
        )
        for x in (one, two)
    )
    torch.testing.assert_close(module(a, b), two - one)
    assert 8 == len(compiled.onnx().graph.initializer)
    assert_back_ends_agree(compiled)


@pytest.mark.parametrize(
    "body",
    [
        "d: dense(4) -> relu -> d -> relu -> d",
        "g: { dense(4) -> relu } -> g -> h: dense(4) -> g",
        "b: B(4)\nb\nB(4)",
    ],
)
def test_sharing_along_a_chain(body: str) -> None:
    """One module can be used several times in a chain."""
    compiled = net("input x: 4\n" + body, "block B(n) { fc: dense(n) -> e: dense(4) -> relu }")
    assert compiled.params == sum(p.numel() for p in compiled.torch().parameters())
    assert isinstance(compiled.macs, int)
    assert compiled.params < compiled.macs * 20 // 16
    assert_back_ends_agree(compiled)


def test_frozen() -> None:
    """`frozen` freezes the layer, block or group before it, which is then not trainable."""
    compiled = net(
        "input x: 4\na: dense(3) -> frozen -> dense(2)\ng: { dense(3) -> dense(3) } -> frozen\nb:"
        " dense(1)"
    )
    assert {"a": False, "1": True, "g.0": False, "g.1": False, "b": True} == {
        n.rpartition(".")[0]: p.requires_grad for n, p in compiled.torch().named_parameters()
    }
    assert (15 + 8 + 9 + 12 + 4, 8 + 4) == (compiled.params, compiled._summary.totals.trainable)


def test_literal_weights() -> None:
    """A literal kernel gives the weights of a convolution in both back ends."""
    compiled = net(
        "input x: 1x5x5\nconv(1, 3, bias = false, weight = [[-1, -1, -1], [-1, 8, -1], [-1, -1,"
        " -1]]) -> frozen"
    )
    x = torch.zeros(1, 1, 5, 5)
    x[0, 0, 2, 2] = 1
    expected = -np.ones((3, 3), np.float32)
    expected[1, 1] = 8
    np.testing.assert_array_equal(compiled.torch()(x).detach().numpy()[0, 0], expected)
    np.testing.assert_array_equal(run_onnx(compiled.onnx(), [x])[0][0, 0], expected)


@pytest.mark.parametrize(
    "pool",
    [
        "maxpool(3)",
        "avgpool(3)",
        "avgpool(3, stride = 2, pad = 1, ceil = true)",
        "conv(4, 3, pad = 1)",
        "lrn(3) -> maxpool(2)",
    ],
)
@pytest.mark.parametrize(
    "border",
    ["pad(1)", "pad(3)", "pad(1, value = -9)", "pad([(0, 1), (2, 0)])", "pad(1, mode = edge)"],
)
def test_border_before_a_window(border: str, pool: str) -> None:
    """A border stays separate from the padding of the next layer.

    onnxruntime would merge both, and maximum pooling ignores padding but not a border.
    """
    assert_back_ends_agree(net(f"conv(4, 1)\n{border} -> {pool}"))
