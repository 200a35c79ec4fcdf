"""Tensors that do not depend on the numbers of the input: `param`, `const` and `positions`."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import netdsl
from tests.support.back_ends import assert_back_ends_agree, run_onnx, run_torch


def body(text: str, shape: str = "8") -> netdsl.Net:
    """A net with one input of that shape."""
    return netdsl.loads(f"net N {{\n    input x: {shape}\n{text}\n}}")


def shapes(net: netdsl.Net) -> dict[str, tuple[int, ...]]:
    """The shapes in the state dict."""
    return {name: tuple(tensor.shape) for name, tensor in net.torch().state_dict().items()}


# ---- param


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("token: param(3)", {"token": (3,)}),
        ("param(3)", {"0": (3,)}),
        ("relu -> param(3)", {"1": (3,)}),
        ("g: { t: param(2x3, leading = 1) }", {"g.t": (1, 2, 3)}),
        ("g: { param(2x3, leading = 3) }", {"g.0": (1, 1, 1, 2, 3)}),
        ("forward: param(3)", {"forward": (3,)}),
        ("_hidden: param(3)", {"_hidden": (3,)}),
        ("weight: param(3)", {"weight": (3,)}),
        ("t: param(value = [[1, 2], [3, 4]])", {"t": (2, 2)}),
        ("t: param(2, leading = 2, value = [1, 2])", {"t": (1, 1, 2)}),
    ],
)
def test_a_param_has_the_name_of_its_label(text: str, wanted: dict[str, tuple[int, ...]]) -> None:
    """The tensor has the label or the position as its name, in PyTorch and in ONNX."""
    net = body(text)
    assert shapes(net) == wanted
    (name,) = wanted
    (stored,) = [t for t in net.onnx().graph.initializer if not t.name.startswith("constant/")]
    assert (stored.name, tuple(stored.dims)) == (name, wanted[name])
    assert_back_ends_agree(net)
    assert net.verify().ok


def test_params_come_before_the_layers_of_their_module() -> None:
    """The state dict lists the parameters of a module before those of its members, as PyTorch."""
    text = "g: { dense(4) -> scale: param(4) -> mul(@g_in) }"
    net = body(f"g_in: dense(4)\n{text}")
    assert list(shapes(net)) == ["g_in.weight", "g_in.bias", "g.scale", "g.0.weight", "g.0.bias"]


def test_a_param_can_have_the_name_of_an_output() -> None:
    """The output and the stored tensor have the same name in the text; back ends agree."""
    net = body("output t: param(2x8)\noutput c: const([1, 2], dtype = int64)")
    assert [output.name for output in net.outputs] == ["t", "c"]
    assert list(shapes(net)) == ["t", "c"]
    assert_back_ends_agree(net)
    assert net.verify().ok


def test_a_param_used_again_is_one_tensor() -> None:
    """A label used twice gives the same tensor for both inputs."""
    net = netdsl.loads(
        "net N {\n input a: 3\n input b: 3\n t: param(3)\n second: @b -> t\n add(@t)\n}"
    )
    assert net.params == 3
    assert shapes(net) == {"t": (3,)}
    assert_back_ends_agree(net)


def test_a_param_can_be_frozen() -> None:
    """A frozen `param` is not trained; one with literal numbers is trained unless it is frozen."""
    net = body("a: param(value = [1, 2]) -> frozen\nb: @x -> param(value = [3, 4])\nadd(@a)")
    module = net.torch()
    assert {n: p.requires_grad for n, p in module.named_parameters()} == {"a": False, "b": True}
    assert module.get_parameter("a").tolist() == [1, 2]
    body("a: param(2) -> frozen\nexpect trainable == 0\nexpect params(a) == 2")


def test_a_param_loads_from_a_checkpoint() -> None:
    """The tensor has its published shape, with the leading axes."""
    net = body("g: { token: param(2x3, leading = 1) }")
    numbers = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    module = net.torch({"g.token": numbers})
    (y,) = run_torch(module, [torch.zeros(4, 8)])
    assert y.shape == (4, 2, 3)
    np.testing.assert_array_equal(y[3], numbers[0])


# ---- literal biases


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ("8", "y: dense(2, bias = [0.5, -1])"),
        ("3x8x8", "y: conv(2, 3, bias = [0.5, -1])"),
        ("3x8x8", "y: conv(2, 3, bias = [0.5, -1], connections = [[0, 1], [2]])"),
        ("2x8x8", "y: depthwise(3, bias = [0.5, -1])"),
        ("3x8x8", "y: deconv(2, 3, bias = [0.5, -1])"),
    ],
)
def test_a_bias_can_be_literal(shape: str, text: str) -> None:
    """The list is the initial bias, in fresh weights of both back ends, and is learned."""
    net = body(text, shape)
    assert net.torch().get_parameter("y.bias").tolist() == [0.5, -1]
    assert net.torch().get_parameter("y.bias").requires_grad
    (stored,) = [t for t in net.onnx().graph.initializer if t.name == "y.bias"]
    assert np.frombuffer(stored.raw_data, np.float32).tolist() == [0.5, -1]
    assert net.verify().ok


@pytest.mark.parametrize("call", ["gcn(2", "cheb(2, 2", "sage(2"])
def test_graph_layers_take_a_literal_bias(call: str) -> None:
    """The list is the bias of the sum."""
    net = netdsl.loads(
        f"net N {{\n input x: 4x3\n input e: 4x4\n @x -> y: {call}, bias = [0.5, -1], @e)\n}}"
    )
    biases = [p.tolist() for n, p in net.torch().named_parameters() if n.endswith("bias")]
    assert biases == [[0.5, -1]]
    assert net.verify().ok


# ---- const

BIAS = """
net Bias {
    input x: 2x3x8
    table: {
        index: const([[1, 0, 2], [2, 1, 0]], dtype = int64)
        relative: embedding(3, 8)
    }
    add(@x)
}
"""


def test_a_const_is_a_buffer_in_the_state_dict() -> None:
    """It has no parameters, keeps its numbers, and is stored under its label."""
    net = netdsl.loads(BIAS)
    state = net.torch().state_dict()
    assert list(state) == ["table.index", "table.relative.weight"]
    assert state["table.index"].dtype == torch.int64
    assert state["table.index"].tolist() == [[1, 0, 2], [2, 1, 0]]
    assert net.params == 24
    assert_back_ends_agree(net)
    assert net.verify().ok


@pytest.mark.parametrize("form", ["float32", "float16"])
def test_a_const_is_exported(form: str) -> None:
    """The numbers of the text are those of the model, in its precision; integers stay integers."""
    net = body("c: const([0.5, 1, 2, 3, 4, 5, 6, 7]) -> add(@x)")
    model = net.onnx(dtype=form) if form != "float32" else net.onnx()
    x = torch.zeros(2, 8, dtype=getattr(torch, form))
    (y,) = run_onnx(model, [x])
    assert y[1].tolist() == [0.5, 1, 2, 3, 4, 5, 6, 7]


def test_a_checkpoint_need_not_have_a_const() -> None:
    """Without it, the numbers of the text apply; with it, they must be the same."""
    net = netdsl.loads(BIAS)
    state = {name: tensor.numpy() for name, tensor in net.torch().state_dict().items()}
    for given in (state, {n: a for n, a in state.items() if n != "table.index"}):
        assert net.torch(given).state_dict()["table.index"].tolist() == [[1, 0, 2], [2, 1, 0]]
        net.onnx(weights=given)
    for wrong in (state["table.index"] + 1, state["table.index"][:1]):
        with pytest.raises(netdsl.CompileError, match=r"table\.index"):
            net.torch(state | {"table.index": wrong})
        with pytest.raises(netdsl.CompileError, match=r"table\.index"):
            net.onnx(weights=state | {"table.index": wrong})


def test_large_integers_keep_their_value() -> None:
    """An int64 that no float32 and no float64 has is exact in both back ends."""
    large = 2**53 + 1
    net = body(f"const([{large}, -{large}], dtype = int64)")
    x = torch.zeros(1, 8)
    assert run_torch(net.torch(), [x])[0].tolist() == [[large, -large]]
    assert run_onnx(net.onnx(), [x])[0].tolist() == [[large, -large]]


# ---- positions


@pytest.mark.parametrize(("shape", "axis", "count"), [("T", 1, 5), ("3xTx2", 2, 5), ("4x6", -1, 6)])
def test_positions_count_along_an_axis(shape: str, axis: int, count: int) -> None:
    """They are 0, 1, 2, ... for each sample, for open axes too, at any batch."""
    net = body(f"positions(axis = {axis})", shape)
    for batch in (1, 3):
        (y,) = assert_back_ends_agree(net, {"T": 5}, batch)
        assert y.tolist() == [list(range(count))] * batch
    assert net.verify().ok


def test_positions_are_limited_by_the_embedding() -> None:
    """The net is only valid for sequences that are not longer than the table."""
    text = "net N {\n input x: T\n positions -> embedding(6, 2)\n}"
    assert str(netdsl.loads(text).valid_for) == "T in 1, 2, 3, 4, 5, 6"
    assert netdsl.loads(text, inputs={"x": (6,)}).params == 12
    with pytest.raises(netdsl.CompileError, match=r"index-out-of-range.*contains 6"):
        netdsl.loads(text, inputs={"x": (7,)})
