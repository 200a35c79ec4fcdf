"""References, joins and shared weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.support.back_ends import assert_back_ends_agree, inputs_for, randomise, run_onnx
from tests.support.bodies import keys, names, net, shape


def test_label_before_reference() -> None:
    """A label before `@ref` names the chain's last layer; references see groups' members by dotted
    names.
    """
    made = net(
        "p: conv(4, 1)\ng: { c: conv(5, 1) -> relu }\nskip: @p -> conv(6, 1) -> relu\n@g.c ->"
        " conv(7, 1)\nconcat(@skip, @g, @p)"
    )
    assert ["p", "g.c", "g.1", "2", "skip", "4", "5"] == names(made)
    assert (7 + 6 + 5 + 4, 8, 8) == shape(made)


def test_skip_is_taken_where_it_stands() -> None:
    """`@a` of a chain `a: conv -> relu` is the convolution's value, and of a group its last."""
    made = net("a: conv(4, 1) -> relu\ng: { conv(4, 1) -> tanh }\nx1: add(@a)\nx2: sub(@g)")
    left, right = (n.inputs[1].producer for n in made.graph.nodes[-2:])
    assert left is not None
    assert right is not None
    assert ("conv", "tanh") == (left.op.kind, right.op.kind)


def test_residual() -> None:
    """`residual { F }` adds its input; arms may give the shortcut."""
    assert_back_ends_agree(
        net(
            "residual { conv(4, 3, pad = 1) -> relu }\nresidual { | conv(8, 1) | conv(8, 1) -> tanh"
            " }\nrelu"
        )
    )
    module = net("residual { tanh }").torch().eval()
    x = torch.randn(2, 4, 8, 8)
    torch.testing.assert_close(module(x), x.tanh() + x)


SIAMESE = (
    "input a: 4\ninput b: 4\n@a -> t: { d: dense(6) -> bn -> relu\n dense(3) }\nu: @b -> t\nsub(@t)"
)


def test_weight_sharing() -> None:
    """A label used as a layer is the same module: its weights count once, its MACs twice, and both
    back ends share it.
    """
    made = net(SIAMESE)
    assert 4 * 6 + 6 + 12 + 6 * 3 + 3 == made.params
    assert 2 * (4 * 6 + 6 * 3) == made.macs
    assert ["t.d", "t.1", "t.3"] == keys(made)
    module = randomise(made.torch())
    a, b = inputs_for(made)
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
    assert 8 == len(made.onnx().graph.initializer)
    assert_back_ends_agree(made)


@pytest.mark.parametrize(
    "body",
    [
        "d: dense(4) -> relu -> d -> relu -> d",
        "g: { dense(4) -> relu } -> g -> h: dense(4) -> g",
        "b: B(4)\nb\nB(4)",
    ],
)
def test_sharing_along_a_chain(body: str) -> None:
    """Recurrent use: one module several times in a row."""
    made = net("input x: 4\n" + body, "block B(n) { fc: dense(n) -> e: dense(4) -> relu }")
    assert made.params == sum(p.numel() for p in made.torch().parameters())
    assert isinstance(made.macs, int)
    assert made.params < made.macs * 20 // 16
    assert_back_ends_agree(made)


def test_frozen() -> None:
    """`frozen` holds what stands before it fixed: a layer, a block or a group; the count of
    trainable numbers says so.
    """
    made = net(
        "input x: 4\na: dense(3) -> frozen -> dense(2)\ng: { dense(3) -> dense(3) } -> frozen\nb:"
        " dense(1)"
    )
    assert {"a": False, "1": True, "g.0": False, "g.1": False, "b": True} == {
        n.rpartition(".")[0]: p.requires_grad for n, p in made.torch().named_parameters()
    }
    assert (15 + 8 + 9 + 12 + 4, 8 + 4) == (made.params, made._summary.totals.trainable)


def test_literal_weights() -> None:
    """A literal kernel is what the filter computes with."""
    made = net(
        "input x: 1x5x5\nconv(1, 3, bias = false, weight = [[-1, -1, -1], [-1, 8, -1], [-1, -1,"
        " -1]]) -> frozen"
    )
    x = torch.zeros(1, 1, 5, 5)
    x[0, 0, 2, 2] = 1
    wanted = -np.ones((3, 3), np.float32)
    wanted[1, 1] = 8
    np.testing.assert_array_equal(made.torch()(x).detach().numpy()[0, 0], wanted)
    np.testing.assert_array_equal(run_onnx(made.onnx(), [x])[0][0, 0], wanted)


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
    """A border is not the padding of the layer that follows: onnxruntime would make it so, and
    maxima do not see padding.
    """
    assert_back_ends_agree(net(f"conv(4, 1)\n{border} -> {pool}"))
