"""Weights of other layers as arguments: `dense(words, bias = false, weight = @emb.weight)`."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

import netdsl
from netdsl.weights.write import write_tensors
from tests.support.back_ends import assert_back_ends_agree, inputs_for, randomise, run_torch

TIED = """
net Tied {
    input tokens: T int64
    emb: embedding(20, 6)
    inner: dense(6) -> tanh
    output logits: head: dense(20, weight = @emb.weight)
}
"""
OWNER, ALIAS = "emb.weight", "head.weight"


def body(text: str, shape: str = "8") -> netdsl.Net:
    """A net with one input of that shape."""
    return netdsl.loads(f"net N {{\n    input x: {shape}\n{text}\n}}")


def test_a_tied_weight_is_one_parameter_with_two_names() -> None:
    """The state dict has both names for one parameter, which counts once everywhere."""
    net = netdsl.loads(TIED)
    module = net.torch()
    assert list(module.state_dict()) == [OWNER, "inner.weight", "inner.bias", ALIAS, "head.bias"]
    assert module.get_parameter(ALIAS) is module.get_parameter(OWNER)
    assert net.params == 20 * 6 + 6 * 6 + 6 + 20
    assert net.params == sum(p.numel() for p in module.parameters())
    assert {layer.name: layer.params for layer in net.layers}["head"] == 20
    names = [tensor.name for tensor in net.onnx().graph.initializer]
    assert names.count(OWNER) == 1
    assert ALIAS not in names


def test_back_ends_agree_on_a_tied_weight() -> None:
    """`verify` finds no difference, and a random weight gives the same outputs everywhere."""
    net = netdsl.loads(TIED)
    assert_back_ends_agree(net, {"T": 5})
    report = net.verify()
    assert report.ok, str(report)


def test_source_ties_the_weight() -> None:
    """The exported PyTorch source has one parameter too, and loads the same state dict."""
    net = netdsl.loads(TIED)
    space: dict[str, Any] = {"__name__": "standalone"}
    exec(compile(net.pytorch_source(), "standalone.py", "exec"), space)
    other = space["Tied"]()
    module = randomise(net.torch())
    other.load_state_dict(module.state_dict())
    assert other.head.weight is other.emb.weight
    inputs = inputs_for(net, sizes={"T": 4})
    np.testing.assert_array_equal(run_torch(module, inputs)[0], run_torch(other.eval(), inputs)[0])


def test_copies_stay_tied() -> None:
    """A copy of the module has one parameter as well, and so has one in double precision."""
    for module in (copy.deepcopy(netdsl.loads(TIED).torch()), netdsl.loads(TIED).torch().double()):
        assert module.get_parameter(ALIAS) is module.get_parameter(OWNER)


def test_training_changes_the_weight_for_both_layers() -> None:
    """A step of training changes the one parameter; afterwards both layers still have it."""
    net = netdsl.loads(TIED)
    module = net.torch()
    before = module.get_parameter(OWNER).clone()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    module(torch.randint(0, 20, (2, 4))).square().mean().backward()
    optimizer.step()
    assert not torch.equal(before, module.get_parameter(OWNER))
    assert torch.equal(module.get_parameter(ALIAS), module.get_parameter(OWNER))


# ---- freezing


@pytest.mark.parametrize("owner", [True, False])
def test_only_the_owner_freezes_a_tied_weight(owner: bool) -> None:
    """`frozen` of the owner freezes the weight; that of the other layer freezes only its bias."""
    first, second = (" -> frozen", "") if owner else ("", " -> frozen")
    text = f"a: dense(8){first}\nb: dense(8, weight = @a.weight){second}"
    module = body(text).torch()
    trained = {name for name, p in module.named_parameters() if p.requires_grad}
    assert trained == ({"b.bias"} if owner else {"a.weight", "a.bias"})
    trainable = sum(p.numel() for p in module.parameters() if p.requires_grad)
    body(f"{text}\nexpect trainable == {trainable}\nexpect params == {8 * 8 + 16}")


# ---- which weight is meant


@pytest.mark.parametrize(
    ("text", "owner"),
    [
        ("a: dense(8)\ny: dense(8, weight = @a.weight)", "a.weight"),
        (
            "a: dense(8)\nb: dense(8, weight = @a.weight)\ny: dense(8, weight = @b.weight)",
            "a.weight",
        ),
        ("g: { dense(8) }\ny: dense(8, weight = @g.0.weight)", "g.0.weight"),
        ("matrix: param(8x8)\n@x -> y: dense(8, weight = @matrix)", "matrix"),
        ("g: { m: param(8x8) }\n@x -> y: dense(8, weight = @g.m)", "g.m"),
        ("a: { weight: param(8x8) }\n@x -> y: dense(8, weight = @a.weight)", "a.weight"),
        ("a: dense(8)\nlet w = @a.weight\ny: dense(8, weight = w)", "a.weight"),
        ("a: dense(8)\ny: dense(8, weight = @a.weight if true else [[1]])", "a.weight"),
        ("a: dense(8)\n@x -> a\ny: dense(8, weight = @a.weight)", "a.weight"),
    ],
)
def test_the_weight_that_is_meant(text: str, owner: str) -> None:
    """A label comes first; a tied weight leads to its owner; a `let` can be a weight."""
    net = body(text)
    module = net.torch()
    assert module.get_parameter("y.weight") is module.get_parameter(owner)
    assert net.verify().ok


def test_a_block_takes_a_weight() -> None:
    """A weight can be the argument of a block, whose own names do not matter."""
    net = netdsl.loads(
        "block head(w) { dense(8, weight = w) }\n"
        "net N {\n input x: 8\n a: dense(8)\n y: head(@a.weight)\n}"
    )
    module = net.torch()
    assert module.get_parameter("y.0.weight") is module.get_parameter("a.weight")


def test_a_block_used_twice_ties_its_own_weights() -> None:
    """Both uses of a label have the same parameters, of which one is tied to another."""
    net = netdsl.loads(
        "net N {\n input a: 8\n input b: 8\n"
        " tower: { up: dense(8) -> down: dense(8, weight = @up.weight) }\n"
        " second: @b -> tower\n add(@tower)\n}"
    )
    assert net.params == 8 * 8 + 8 + 8
    assert net.verify().ok


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        (
            "3x8x8",
            "a: conv(3, 3)\ny: conv(3, 3, dilation = 2, weight = @a.weight)",
        ),
        ("3x8x8", "a: conv(4, 3)\ny: deconv(3, 3, weight = @a.weight, bias = false)"),
        ("3x8x8", "a: depthwise(3)\ny: depthwise(3, weight = @a.weight, bias = @a.bias)"),
        ("3x8x8", "a: conv(3, 1, bias = false) -> bn\ny: conv(3, 1, weight = @a.weight) -> bn"),
        ("5", "a: dense(5)\ny: rbf(5, weight = @a.weight)"),
        ("4 int64", "a: embedding(9, 3)\n@x -> y: embedding(9, 3, weight = @a.weight)"),
    ],
)
def test_every_kind_takes_weights(shape: str, text: str) -> None:
    """Each kind with the argument `weight` can be tied, and back ends agree on it."""
    net = body(text, shape)
    module = net.torch()
    assert module.get_parameter("y.weight") is module.get_parameter("a.weight")
    report = net.verify()
    assert report.ok, str(report)


def test_an_auxiliary_head_takes_a_weight_of_the_net() -> None:
    """The head is tied in training; the weight belongs to the net, so that the model has it."""
    net = body("a: dense(8) -> relu\naux early { h: dense(8, weight = @a.weight) }\ndense(3)")
    module = net.torch()
    assert module.get_parameter("early.h.weight") is module.get_parameter("a.weight")
    assert net.params == 8 * 8 + 8 + 8 * 3 + 3
    assert net.verify().ok


# ---- checkpoints


def numbers() -> dict[str, np.ndarray]:
    """A checkpoint with both names."""
    state = randomise(netdsl.loads(TIED).torch()).state_dict()
    return {name: tensor.numpy().copy() for name, tensor in state.items()}


@pytest.mark.parametrize("without", [(), (ALIAS,), (OWNER,)])
def test_a_checkpoint_has_either_name_or_both(tmp_path: Path, without: tuple[str, ...]) -> None:
    """The weight is found under either name, in a state dict and in a file."""
    full = numbers()
    given = {name: array for name, array in full.items() if name not in without}
    save_file(given, tmp_path / "w.safetensors")
    net = netdsl.loads(TIED)
    for weights in (given, tmp_path / "w.safetensors"):
        module = net.torch(weights)
        np.testing.assert_array_equal(module.get_parameter(ALIAS).detach().numpy(), full[OWNER])
        model = net.onnx(weights=weights)
        (stored,) = [t for t in model.graph.initializer if t.name == OWNER]
        assert np.frombuffer(stored.raw_data, np.float32).tolist() == full[OWNER].ravel().tolist()


def test_a_checkpoint_with_two_different_weights_is_refused() -> None:
    """Numbers that contradict each other are an error, which names both."""
    given = numbers()
    given[ALIAS] = given[ALIAS] + 1
    with pytest.raises(netdsl.CompileError, match=r"`head\.weight` and `emb\.weight` differ"):
        netdsl.loads(TIED).torch(given)


def test_without_the_weight_the_checkpoint_is_refused() -> None:
    """The message names the owner."""
    given = {n: a for n, a in numbers().items() if n not in (OWNER, ALIAS)}
    with pytest.raises(netdsl.CompileError, match=r"`emb\.weight` is missing"):
        netdsl.loads(TIED).torch(given)


def test_a_training_run_saves_a_tied_weight(tmp_path: Path) -> None:
    """A file of a run has both names, so that PyTorch loads it without netdsl."""
    net = netdsl.loads(TIED)
    module = randomise(net.torch())
    write_tensors(tmp_path / "w.safetensors", module.state_dict(), {})
    assert {OWNER, ALIAS} <= set(load_file(tmp_path / "w.safetensors"))
    other = net.torch(tmp_path / "w.safetensors")
    assert torch.equal(other.get_parameter(ALIAS), module.get_parameter(OWNER))
