"""Recurrent layers compared with their formulas, written out in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import netdsl
from tests.support.back_ends import assert_back_ends_agree, both, numbers
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
