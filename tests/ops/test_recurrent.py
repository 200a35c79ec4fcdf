"""Recurrent layers and attention against their formulas, written out once more; whole nets of the newer families."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import netdsl
from tests.support.back_ends import assert_back_ends_agree, both, numbers, randomise, run_torch
from tests.support.small_nets import message, net_of, weights_of


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + e^-x)."""
    made: np.ndarray = 1 / (1 + np.exp(-x))
    return made


# ---- recurrent


def step(kind: str, w: dict[str, np.ndarray], end: str, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One step of a recurrent layer: the new state, and the LSTM's cell."""
    a, b = w[f"weight_ih_{end}"] @ x + w[f"bias_ih_{end}"], w[f"weight_hh_{end}"] @ h + w[f"bias_hh_{end}"]
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
    """Two layers in both directions are what the formula gives, step by step; `last` is the final state of both directions."""
    x = numbers(1, 5, 3)
    w, y = both(net_of(f"{kind}(4, layers = 2, bidirectional = true)", "5x3"), x)
    states = x[0]
    for i in (0, 1):
        forward, backward = unrolled(kind, w, states, f"l{i}"), unrolled(kind, w, states, f"l{i}_reverse")
        states = np.concatenate([forward, backward[::-1]], axis=1)
    np.testing.assert_allclose(y[0], states, rtol=1e-4, atol=1e-5)
    _, last = both(net_of(f"{kind}(4, layers = 2, bidirectional = true, last = true)", "5x3"), x)
    np.testing.assert_allclose(last[0], np.concatenate([forward[-1], backward[-1]]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("kind", "gates"), [("rnn", 1), ("lstm", 4), ("gru", 3)])
def test_recurrent_counts(kind: str, gates: int) -> None:
    """Parameters and MACs of a published size, counted by hand, the length open or given; PyTorch's checkpoints load."""
    net = net_of(f"{kind}(256, layers = 2)", "Tx100")
    weights = gates * 256 * (100 + 256 + 256 + 256)
    assert (net.params, weights_of(net), str(net.macs)) == (weights + gates * 256 * 4, weights, f"{weights} * T")
    module = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[kind](100, 256, 2)
    net.torch().load_state_dict({f"y.{n}": t for n, t in module.state_dict().items()})


@pytest.mark.parametrize("call", ["rnn(4, nonlinearity = relu)", "lstm(4, layers = 2)", "gru(4, bidirectional = true)", "lstm(4, last = true)", "gru(3, bidirectional = true, last = true)"])
def test_recurrent_of_any_length(call: str) -> None:
    """One model takes sequences of every length."""
    net = net_of(call, "Tx3")
    for length in (1, 2, 9):
        assert_back_ends_agree(net, {"T": length}, batch=3)


@pytest.mark.parametrize(("call", "shape", "wanted"), [
    ("lstm(4)", "3x8x8", "wrong-rank: `lstm` takes a sequence of vectors, T x D, its input is 3x8x8"),
    ("gru(4)", "8", "wrong-rank: `gru` takes a sequence of vectors, T x D, its input is 8"),
    ("rnn(4)", "TxD", "open-size: `rnn` needs to know the length of its input's vectors: it is D"),
    ("lstm(4, dropout = 0.5)", "3x8", "bad-argument: `dropout` of `lstm` is 0.5, between layers, and there is 1 layer"),
    ("lstm(4, layers = 1001)", "3x8", "bad-argument: `layers` of `lstm` must be between 1 and 1000, found 1001"),
    ("rnn(4, nonlinearity = sigmoid)", "3x8", "bad-argument: `nonlinearity` of `rnn` is sigmoid; it can be tanh, relu"),
])  # fmt: skip
def test_recurrent_errors(call: str, shape: str, wanted: str) -> None:
    """What does not fit is said with both values."""
    assert wanted == message(call, shape)


def test_words_that_are_layers_too() -> None:
    """A layer whose name is also a word of another kind can still be given to a block."""
    net = netdsl.loads("block B(act) { conv(3, 3) -> act }\nnet A { input x: 3x8x8\n B(relu) -> B(act = tanh) }")
    assert ["conv", "relu", "conv", "tanh"] == [row.kind for row in net.layers]


# ---- attention


def attended(w: dict[str, np.ndarray], x: np.ndarray, keys: np.ndarray, heads: int, *, causal: bool = False) -> np.ndarray:
    """Attention as the paper writes it, head by head."""
    width = x.shape[1]
    parts = np.split(w["in_proj_weight"], 3) if "in_proj_weight" in w else [w[f"{n}_proj_weight"] for n in "qkv"]
    q, k, v = (s @ p.T + b for s, p, b in zip((x, keys, keys), parts, np.split(w["in_proj_bias"], 3), strict=True))
    made = []
    for h in range(heads):
        part = slice(h * width // heads, (h + 1) * width // heads)
        scores = q[:, part] @ k[:, part].T / np.sqrt(width / heads)
        if causal:
            scores[np.triu_indices(len(x), 1)] = -np.inf
        shares = np.exp(scores - scores.max(1, keepdims=True))
        made.append(shares / shares.sum(1, keepdims=True) @ v[:, part])
    joined: np.ndarray = np.concatenate(made, axis=1) @ w["out_proj.weight"].T + w["out_proj.bias"]
    return joined


@pytest.mark.parametrize("causal", [False, True])
def test_attention_formula(causal: bool) -> None:
    """Self-attention is what the paper's formula gives, with and without a mask."""
    x = numbers(1, 5, 6)
    w, y = both(net_of(f"attention(3, causal = {str(causal).lower()})", "5x6"), x)
    np.testing.assert_allclose(y[0], attended(w, x[0], x[0], 3, causal=causal), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("width", [6, 4])
def test_cross_attention_formula(width: int) -> None:
    """Keys and values come from the reference, whose vectors may have another length."""
    x, keys = numbers(1, 5, 6), numbers(1, 3, width, seed=1)
    w, y = both(net_of("attention(2, @x1)", "5x6", f"3x{width}"), x, keys)
    np.testing.assert_allclose(y[0], attended(w, x[0], keys[0], 2), rtol=1e-4, atol=1e-5)


def test_attention_counts() -> None:
    """BERT-base's attention (Devlin et al. 2019), and cross attention with both lengths open, counted by hand."""
    net = net_of("attention(12)", "512x768")
    assert (net.params, weights_of(net), net.macs) == (4 * (768 * 768 + 768), 4 * 768 * 768, 4 * 512 * 768 * 768 + 2 * 512 * 512 * 768)
    net = net_of("attention(2, @x1)", "Tx8", "Sx6")
    assert (net.params, str(net.macs)) == (2 * 64 + 2 * 48 + 32, "16 * S * T + 96 * S + 128 * T")


@pytest.mark.parametrize("call", ["attention(2)", "attention(2, causal = true)"])
def test_attention_of_any_length(call: str) -> None:
    """One model takes sequences of every length."""
    net = net_of(call, "Tx4")
    for length in (1, 2, 9):
        assert_back_ends_agree(net, {"T": length})


def test_cross_attention_of_any_length() -> None:
    """Both lengths may be open."""
    net = net_of("attention(2, @x1)", "Tx4", "Sx6")
    for sizes in ({"T": 1, "S": 5}, {"T": 4, "S": 1}, {"T": 3, "S": 3}):
        assert_back_ends_agree(net, sizes)


@pytest.mark.parametrize(("call", "shapes", "wanted"), [
    ("attention(2)", ["3x8x8"], "wrong-rank: `attention` takes sequences of vectors, T x D, found 3x8x8"),
    ("attention(2, @x1)", ["3x8", "8"], "wrong-rank: `attention` takes sequences of vectors, T x D, found 8"),
    ("attention(3)", ["4x8"], "bad-groups: vectors of 8 do not divide into 3 heads"),
    ("attention(2, @x1, causal = true)", ["4x8", "5x8"], "bad-argument: `causal` orders the steps of one sequence, found 4x8 and 5x8"),
    ("attention(2)", ["4xD"], "open-size: `attention` needs to know the length of its input's vectors: it is D"),
])  # fmt: skip
def test_attention_errors(call: str, shapes: list[str], wanted: str) -> None:
    """What does not fit is said with both values."""
    assert wanted == message(call, *shapes)


# ---- whole nets

CORA = "net Cora { input x: 2708x1433\n input edges: 2708x2708\n @x -> dropout(0.5) -> gcn(16, @edges) -> relu -> dropout(0.5)\n output logits: gcn(7, @edges) }"

CAPTION = """
net Caption(words = 50) {
    input image: 3x16x16
    input said: T int64
    picture: @image -> conv(8, 3, stride = 2) -> relu -> gap -> flatten -> reshape(1x8)
    sentence: @said -> embedding(words, 8)
    @picture -> concat(@sentence, axis = 1) -> lstm(12, layers = 2)
    output scores: dense(words)
}
"""

DECODER = """
block Decoder(heads, hidden, memory) {
    residual { norm1: layernorm -> self_attn: attention(heads, causal = true) }
    residual { norm2: layernorm -> multihead_attn: attention(heads, @memory) }
    residual { norm3: layernorm -> linear1: dense(hidden) -> gelu -> linear2: dense(in.shape[1]) }
}
net Small(words = 40, width = 16) {
    input said: T int64
    input source: Sx6
    @said -> embed: embedding(words, width)
    layers: { repeat 2 { Decoder(4, 64, @source) } }
    layernorm
    output scores: dense(words)
}
"""

DETECTOR = """
net Detector(classes = 4) {
    input image: 3xHxW
    input boxes: Rx4
    conv(8, 3, stride = 2, pad = 1) -> relu -> features: conv(8, 3, stride = 2, pad = 1) -> relu
    roi_pool(3, 1 / 4, @boxes) -> reshape([-1, 72]) -> hidden: dense(20) -> relu
    output scores: dense(classes + 1)
    @hidden -> relu
    output moves: dense(4 * classes)
}
"""


def test_caption_net() -> None:
    """A picture as the first step of a sentence of any length, into an LSTM."""
    net = netdsl.loads(CAPTION)
    for length in (1, 6):
        assert (2, length + 1, 50) == assert_back_ends_agree(net, {"T": length})[0].shape
    lstm = next(row for row in net.layers if row.kind == "lstm")
    assert str(lstm.macs) == f"{4 * 12 * (8 + 12 + 12 + 12)} * T + {4 * 12 * (8 + 12 + 12 + 12)}"


def test_transformer_net() -> None:
    """Decoder blocks with residuals, causal and cross attention, their weights named as `nn.TransformerDecoderLayer` names its own."""
    net = netdsl.loads(DECODER)
    for sizes in ({"T": 5, "S": 3}, {"T": 1, "S": 8}):
        assert_back_ends_agree(net, sizes)
    theirs = torch.nn.TransformerDecoderLayer(16, 4, 64)
    ours = {n.removeprefix("layers.0.") for n in net.torch().state_dict() if n.startswith("layers.0.")}
    cross = {f"multihead_attn.{n}_proj_weight" for n in "qkv"}  # the source's vectors have a length of their own
    assert ours ^ set(theirs.state_dict()) == {*cross, "multihead_attn.in_proj_weight"}


def test_causal_net() -> None:
    """What comes later changes nothing before it."""
    module = randomise(netdsl.loads(DECODER).torch())
    said, source = torch.tensor([[1, 2, 3, 4]]), torch.randn(1, 3, 6)
    (first,), (other,) = run_torch(module, [said, source]), run_torch(module, [torch.tensor([[1, 2, 9, 9]]), source])
    np.testing.assert_allclose(first[:, :2], other[:, :2], rtol=1e-4, atol=1e-5)
    assert not np.allclose(first[:, 2:], other[:, 2:])


def test_graph_net() -> None:
    """The net for Cora with any number of vertices."""
    net = netdsl.loads(CORA.replace("2708", "V").replace("1433", "20"))
    for vertices in (2, 7):
        assert_back_ends_agree(net, {"V": vertices})


def test_region_net() -> None:
    """Fast R-CNN's head on pictures of any size with any number of boxes."""
    net = netdsl.loads(DETECTOR)
    scores, moves = assert_back_ends_agree(net, {"H": 33, "W": 20, "R": 5})
    assert ((2, 5, 5), (2, 5, 16)) == (scores.shape, moves.shape)


@pytest.mark.parametrize("text", [CAPTION, DECODER, CORA, DETECTOR], ids=["caption", "decoder", "cora", "detector"])
def test_source_stands_alone(text: str) -> None:
    """The exported source of each net runs without netdsl, and has the same weights."""
    net = netdsl.loads(text)
    space: dict[str, Any] = {"__name__": "standalone"}
    exec(compile(net.pytorch_source(), "standalone.py", "exec"), space)
    space[net.name]().load_state_dict(net.torch().state_dict())
