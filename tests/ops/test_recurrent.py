"""Recurrent layers compared with their formulas, written out in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import netdsl
from netdsl.backends.onnx.export import model_in_memory
from netdsl.backends.onnx.form import Form
from tests.support.back_ends import (
    assert_back_ends_agree,
    both,
    inputs_for,
    numbers,
    randomise,
    run_onnx,
    run_torch,
)
from tests.support.small_nets import message, net_of, weights_of


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + e^-x)."""
    result: np.ndarray = 1 / (1 + np.exp(-x))
    return result


def step(
    kind: str, w: dict[str, np.ndarray], end: str, x: np.ndarray, h: np.ndarray, c: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One step of a recurrent layer: the new state, and the LSTM's cell."""
    a, b = (
        w[f"weight_ih_{end}"] @ x + w[f"bias_ih_{end}"],
        w[f"weight_hh_{end}"] @ h + w[f"bias_hh_{end}"],
    )
    if kind == "rnn":
        return np.tanh(a + b), c
    if kind == "lstm":
        i, f, g, o = np.split(a + b, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c
    (ar, az, an), (br, bz, bn) = np.split(a, 3), np.split(b, 3)
    z = sigmoid(az + bz)
    return (1 - z) * np.tanh(an + sigmoid(ar + br) * bn) + z * h, c


def unrolled(kind: str, w: dict[str, np.ndarray], xs: np.ndarray, end: str) -> np.ndarray:
    """The states of one direction of one layer over a sequence."""
    size = w[f"weight_hh_{end}"].shape[1]
    h, c, states = np.zeros(size), np.zeros(size), []
    for x in xs[::-1] if end.endswith("reverse") else xs:
        h, c = step(kind, w, end, x, h, c)
        states.append(h)
    return np.array(states)


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_recurrent_formula(kind: str) -> None:
    """Two layers in both directions give the values of the formula, step by step.

    With `last`, the result is the final state of both directions.
    """
    x = numbers(1, 5, 3)
    w, y = both(net_of(f"{kind}(4, layers = 2, bidirectional = true)", "5x3"), x)
    states = x[0]
    for i in (0, 1):
        forward, backward = (
            unrolled(kind, w, states, f"l{i}"),
            unrolled(kind, w, states, f"l{i}_reverse"),
        )
        states = np.concatenate([forward, backward[::-1]], axis=1)
    np.testing.assert_allclose(y[0], states, rtol=1e-4, atol=1e-5)
    _, last = both(net_of(f"{kind}(4, layers = 2, bidirectional = true, last = true)", "5x3"), x)
    np.testing.assert_allclose(
        last[0], np.concatenate([forward[-1], backward[-1]]), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(("kind", "gates"), [("rnn", 1), ("lstm", 4), ("gru", 3)])
def test_recurrent_counts(kind: str, gates: int) -> None:
    """Parameters, weights and MACs of two layers, counted by hand for an open length.

    The weights of PyTorch's modules can be loaded.
    """
    net = net_of(f"{kind}(256, layers = 2)", "Tx100")
    weights = gates * 256 * (100 + 256 + 256 + 256)
    assert (net.params, weights_of(net), str(net.macs)) == (
        weights + gates * 256 * 4,
        weights,
        f"{weights} * T",
    )
    module = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[kind](100, 256, 2)
    net.torch().load_state_dict({f"y.{n}": t for n, t in module.state_dict().items()})


@pytest.mark.parametrize(
    "call",
    [
        "rnn(4, nonlinearity = relu)",
        "lstm(4, layers = 2)",
        "gru(4, bidirectional = true)",
        "lstm(4, last = true)",
        "gru(3, bidirectional = true, last = true)",
    ],
)
def test_recurrent_of_any_length(call: str) -> None:
    """One model takes sequences of every length."""
    net = net_of(call, "Tx3")
    for length in (1, 2, 9):
        assert_back_ends_agree(net, {"T": length}, batch=3)


@pytest.mark.parametrize(
    ("call", "shape", "expected"),
    [
        (
            "lstm(4)",
            "3x8x8",
            "wrong-rank: `lstm` takes a sequence of vectors, T x D, but its input is 3x8x8",
        ),
        ("gru(4)", "8", "wrong-rank: `gru` takes a sequence of vectors, T x D, but its input is 8"),
        (
            "rnn(4)",
            "TxD",
            "open-size: `rnn` needs to know the length of its input's vectors, but D is open",
        ),
        (
            "lstm(4, dropout = 0.5)",
            "3x8",
            (
                "bad-argument: `dropout` of `lstm` is 0.5, but it acts between layers,"
                " and there is only 1"
            ),
        ),
        (
            "lstm(4, layers = 1001)",
            "3x8",
            "bad-argument: `layers` of `lstm` must be between 1 and 1000, found 1001",
        ),
        (
            "rnn(4, nonlinearity = sigmoid)",
            "3x8",
            "bad-argument: `nonlinearity` of `rnn` is sigmoid; it can be tanh, relu",
        ),
    ],
)
def test_recurrent_errors(call: str, shape: str, expected: str) -> None:
    """The error gives the value that does not fit, and what is allowed."""
    assert expected == message(call, shape)


def test_words_that_are_layers_too() -> None:
    """`relu` and `tanh` are words of `rnn` too, but can still be passed to a block as layers."""
    net = netdsl.loads(
        "block B(act) { conv(3, 3) -> act }\nnet A { input x: 3x8x8\n B(relu) -> B(act = tanh) }"
    )
    assert ["conv", "relu", "conv", "tanh"] == [row.kind for row in net.layers]


def states_net(kind: str, arguments: str, state: str) -> netdsl.Net:
    """A net of a recurrent layer that takes initial states, and returns the final ones."""
    names = ["h", "c"] if kind == "lstm" else ["h"]
    given = ", ".join(f"{name} = @{name}0" for name in names)
    return netdsl.loads(
        "\n".join(
            [
                "net N {",
                "    input x: 5x3",
                *(f"    input {name}0: {state}" for name in names),
                f"    output y: @x -> enc: {kind}(4, {arguments}{given})",
                *(f"    output last_{name}: @enc.{name}" for name in names),
                "}",
            ]
        )
    )


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_states_formula(kind: str) -> None:
    """Initial and final states are those of the formula; rows are layers, then directions."""
    net = states_net(kind, "layers = 2, bidirectional = true, ", "4x4")
    module = randomise(net.torch())
    inputs = inputs_for(net, 1)
    results = run_torch(module, inputs)
    for ours, theirs in zip(
        run_onnx(net.onnx(weights=module.state_dict()), inputs), results, strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    w = {n.removeprefix("enc."): t.numpy() for n, t in module.state_dict().items()}
    x, *initial = (tensor[0].numpy() for tensor in inputs)
    finals: list[tuple[np.ndarray, np.ndarray]] = []
    sequence = x
    for i in (0, 1):
        runs = []
        for suffix in ("", "_reverse"):
            h, c = (initial * 2)[0][len(finals)], (initial * 2)[1][len(finals)]
            states = []
            for step_x in sequence[::-1] if suffix else sequence:
                h, c = step(kind, w, f"l{i}{suffix}", step_x, h, c)
                states.append(h)
            finals.append((h, c))
            runs.append(np.array(states[::-1] if suffix else states))
        sequence = np.concatenate(runs, axis=1)
    np.testing.assert_allclose(results[0][0], sequence, rtol=1e-4, atol=1e-5)
    for place, result in enumerate(results[1:]):
        rows = [pair[place] for pair in finals]
        np.testing.assert_allclose(result[0], rows, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize(
    ("arguments", "state"),
    [
        ("", "4"),
        ("layers = 3, ", "3x4"),
        ("last = true, bidirectional = true, bias = false, ", "2x4"),
    ],
)
def test_states_are_verified(kind: str, arguments: str, state: str) -> None:
    """All witnesses agree on every form of the states."""
    net = states_net(kind, arguments, state)
    assert net.verify()
    assert str(net.outputs[1].value.type) == state


TRANSLATION = """
block Encoder(words, hidden) {
    embedding(words, 8)
    rnn: lstm(hidden, layers = 2)
}
block Decoder(hidden, enc) {
    lstm(hidden, layers = 2, h = @enc.h, c = @enc.c)
    attention(2, @enc)
}
net Translation {
    input source: S int64
    input target: T int64
    enc: Encoder(20, 6)
    @target -> embedding(20, 8) -> dec: Decoder(6, @enc)
    output scores: dense(20)
    expect shape(enc.h) == 2x6
    expect shape(enc.rnn.c) == 2x6
}
"""


def test_encoder_and_decoder() -> None:
    """States pass from one block to another: in PyTorch, in ONNX and in its functions."""
    net = netdsl.loads(TRANSLATION)
    assert net.verify()
    module = randomise(net.torch())
    reference = torch.nn.LSTM(8, 6, num_layers=2, batch_first=True)
    own = {k: v for k, v in module.state_dict().items() if k.startswith("enc.rnn.")}
    assert [k.removeprefix("enc.rnn.") for k in own] == list(reference.state_dict())
    inputs = inputs_for(net, 2, {"S": 5, "T": 4})
    (wanted,) = run_torch(module, inputs)
    model = model_in_memory(net.graph, module.state_dict(), Form(functions=True))
    assert len(model.functions) == 2
    np.testing.assert_allclose(run_onnx(model, inputs)[0], wanted, rtol=1e-4, atol=1e-5)


def test_unused_states_cost_nothing() -> None:
    """A layer makes only the states that layers use: `shape(@enc.h)` is no use."""
    plain = "net N {\n input x: 5x3\n enc: lstm(4)\n dense(4)\n}"
    asked = plain.replace("dense(4)", "dense(shape(@enc.h)[0])")
    used = plain.replace("dense(4)", "@enc.h -> dense(4)")
    one, two, three = (netdsl.loads(text) for text in (plain, asked, used))
    assert one.pytorch_source() == two.pytorch_source()
    assert one.memory.activations == two.memory.activations
    assert three.memory.activations == one.memory.activations + 4 * 4 - 4 * 4 * 5 + 4 * 4
    assert "with_states" not in two.pytorch_source()
    (row, _) = three.layers
    assert row.results == (("h", (4,)),)
