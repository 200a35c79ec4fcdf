"""Recurrent, attention, graph and region layers, and partial convolutions: against their formulas, written out once more, and in whole nets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from conftest import assert_back_ends_agree, codes, randomise, run_onnx, run_torch

import netdsl
from netdsl.analysis.cost import Costs
from netdsl.analysis.valid import valid_for


def net_of(call: str, *inputs: str) -> netdsl.Net:
    """A net of one layer `y` on the first input, the others given as references in `call`."""
    lines = [f"    input x{i}: {shape}" for i, shape in enumerate(inputs)]
    return netdsl.loads("\n".join(["net Example {", *lines, f"    @x0 -> y: {call}", "}"]))


def both(net: netdsl.Net, *inputs: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The weights without the `y.` (float64), and the output, on which PyTorch and onnxruntime agree."""
    module = randomise(net.torch())
    tensors = [torch.from_numpy(x.astype(np.float32)) for x in inputs]
    (expected,) = run_torch(module, tensors)
    (actual,) = run_onnx(net.onnx(weights=module.state_dict()), tensors)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)
    return {n.removeprefix("y."): t.numpy().astype(np.float64) for n, t in module.state_dict().items()}, expected


def weights_of(net: netdsl.Net) -> int:
    """The weights without biases."""
    return Costs(net.graph).totals().weights


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    """Normal numbers."""
    return np.random.default_rng(seed).normal(size=shape)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + e^-x)."""
    return 1 / (1 + np.exp(-x))


def message(call: str, *inputs: str) -> str:
    """The one error of a layer, in full."""
    with pytest.raises(netdsl.CompileError) as caught:
        net_of(call, *inputs)
    (diagnostic,) = caught.value.diagnostics
    return f"{diagnostic.code}: {diagnostic.message}"


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
    return np.concatenate(made, axis=1) @ w["out_proj.weight"].T + w["out_proj.bias"]


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


# ---- graphs

EDGES = np.array([[0, 1, 1, 0, 0], [1, 0, 1, 0, 0], [1, 1, 0, 1, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0]])  # a triangle, a tail, a vertex alone


def test_gcn_formula() -> None:
    """`normalize` makes D^(-1/2) (A + I) D^(-1/2); given that matrix, the plain layer computes the same."""
    x, looped = numbers(1, 5, 3), EDGES + np.eye(5)
    normal = looped / np.sqrt(np.outer(looped.sum(1), looped.sum(1)))
    w, y = both(net_of("gcn(2, @x1, normalize = true)", "5x3", "5x5"), x, EDGES[None])
    np.testing.assert_allclose(y[0], normal @ x[0] @ w["lin.weight"].T + w["bias"], rtol=1e-4, atol=1e-5)
    _, plain = both(net_of("gcn(2, @x1)", "5x3", "5x5"), x, normal[None])
    np.testing.assert_allclose(y, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_cheb_formula(k: int) -> None:
    """The filter acts on the eigenvalues: T_k(l) = cos(k arccos l) (Defferrard et al. 2016)."""
    x, laplacian = numbers(1, 5, 3), np.diag(EDGES.sum(1)) - EDGES
    scaled = 2 * laplacian / np.linalg.eigvalsh(laplacian)[-1] - np.eye(5)
    values, vectors = np.linalg.eigh(scaled)
    w, y = both(net_of(f"cheb(2, @x1, k = {k})", "5x3", "5x5"), x, scaled[None])
    filters = [vectors @ np.diag(np.cos(i * np.arccos(values.clip(-1, 1)))) @ vectors.T for i in range(k)]
    expected = sum(f @ x[0] @ w[f"lins.{i}.weight"].T for i, f in enumerate(filters)) + w["bias"]
    np.testing.assert_allclose(y[0], expected, rtol=1e-3, atol=1e-4)


def test_sage_formula() -> None:
    """Each vertex takes the mean of its neighbours, the one alone takes none."""
    x = numbers(1, 5, 3)
    w, y = both(net_of("sage(2, @x1)", "5x3", "5x5"), x, EDGES[None])
    for i, row in enumerate(EDGES):
        mean = x[0][row > 0].mean(0) if row.any() else np.zeros(3)
        np.testing.assert_allclose(y[0, i], w["lin_r.weight"] @ x[0, i] + w["lin_l.weight"] @ mean + w["lin_l.bias"], rtol=1e-4, atol=1e-5)


CORA = "net Cora { input x: 2708x1433\n input edges: 2708x2708\n @x -> dropout(0.5) -> gcn(16, @edges) -> relu -> dropout(0.5)\n output logits: gcn(7, @edges) }"


def test_cora() -> None:
    """Kipf and Welling's net for Cora: 23,063 parameters."""
    net = netdsl.loads(CORA)
    assert (net.params, weights_of(net)) == (23_063, 1433 * 16 + 16 * 7)
    assert net.macs == 2708 * (1433 * 16 + 16 * 7) + 2708 * 2708 * (16 + 7)


def test_graph_counts() -> None:
    """MACs with the number of vertices open, counted by hand."""
    shapes = "Vx10", "VxV"
    assert [str(net_of(c, *shapes).macs) for c in ("gcn(4, @x1)", "cheb(4, @x1, k = 3)", "sage(4, @x1)")] == ["4 * V * V + 40 * V", "20 * V * V + 120 * V", "10 * V * V + 80 * V"]


@pytest.mark.parametrize("call", ["gcn(2, @x1, normalize = true)", "cheb(2, @x1, k = 3)", "sage(2, @x1)"])
def test_graphs_of_any_size(call: str) -> None:
    """One model takes graphs of every size, each sample its own edges."""
    net = net_of(call, "Vx3", "VxV")
    for vertices in (1, 4, 9):
        assert_back_ends_agree(net, {"V": vertices})


@pytest.mark.parametrize(("call", "shapes", "wanted"), [
    ("gcn(2, @x1)", ["5x3", "5x4"], "shape-mismatch: `gcn` has 5 vertices and edges of 5x4; they must be 5x5"),
    ("sage(2, @x1)", ["5x3", "4x5"], "shape-mismatch: `sage` has 5 vertices and edges of 4x5; they must be 5x5"),
    ("sage(2, @x1)", ["5x3", "5"], "shape-mismatch: `sage` has 5 vertices and edges of 5; they must be 5x5"),
    ("cheb(2, @x1, k = 2)", ["2x5x3", "5x5"], "wrong-rank: `cheb` takes the features of vertices, V x D, its input is 2x5x3"),
    ("gcn(2, @x1)", ["5xD", "5x5"], "open-size: `gcn` needs to know the number of features: it is D"),
    ("gcn(2)", ["5x3"], "wrong-inputs: `gcn` takes one reference beside the current value, found 0"),
])  # fmt: skip
def test_graph_errors(call: str, shapes: list[str], wanted: str) -> None:
    """What does not fit is said with both values."""
    assert wanted == message(call, *shapes)


def test_edges_must_be_square() -> None:
    """Open sizes of the edges must be those of the vertices."""
    assert valid_for(net_of("gcn(2, @x1)", "Vx3", "AxB").graph) == "V >= 1, A >= 1, B >= 1, A == V, B == V"


# ---- regions

BOXES = np.array([
    [0, 0, 15, 15], [4, 8, 40, 24], [-20, -9, 12, 70], [8, 8, 8, 8], [30, 20, 10, 4], [100, 100, 140, 120], [4, 12, 20, 28], [-4, -12, -1, 60], [2.5, 3.5, 63.9, 63.9],
], dtype=np.float32)  # fmt: skip


def cround(value: np.float32) -> int:
    """To the nearest integer, halves away from 0."""
    return int(np.floor(abs(float(value)) + 0.5)) * (1 if value >= 0 else -1)


def slow_roi_pool(x: np.ndarray, box: np.ndarray, size: tuple[int, int], scale: float) -> np.ndarray:
    """Fast R-CNN's pooling of one box, as Caffe's layer writes it."""
    x1, y1, x2, y2 = (cround(v * np.float32(scale)) for v in box)
    made = np.zeros((x.shape[0], *size))
    high, wide = (np.float32(max(b - a + 1, 1)) / np.float32(n) for a, b, n in ((y1, y2, size[0]), (x1, x2, size[1])))
    for i in range(size[0]):
        for j in range(size[1]):
            top, left = (int(np.floor(np.float32(k) * w)) + a for k, w, a in ((i, high, y1), (j, wide, x1)))
            bottom, right = (int(np.ceil(np.float32(k + 1) * w)) + a for k, w, a in ((i, high, y1), (j, wide, x1)))
            part = x[:, max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
            made[:, i, j] = part.max((1, 2)) if part.size else 0
    return made


def interpolated(x: np.ndarray, row: float, column: float) -> np.ndarray:
    """The value between four pixels, 0 more than one pixel outside."""
    if not (-1 <= row <= x.shape[1] and -1 <= column <= x.shape[2]):
        return np.zeros(x.shape[0])
    row, column = (min(max(v, 0), n - 1) for v, n in ((row, x.shape[1]), (column, x.shape[2])))
    r, c = int(row), int(column)
    r2, c2 = min(r + 1, x.shape[1] - 1), min(c + 1, x.shape[2] - 1)
    a, b = row - r, column - c
    return (1 - a) * ((1 - b) * x[:, r, c] + b * x[:, r, c2]) + a * ((1 - b) * x[:, r2, c] + b * x[:, r2, c2])


def slow_roi_align(x: np.ndarray, box: np.ndarray, size: tuple[int, int], scale: float, samples: int, *, aligned: bool) -> np.ndarray:
    """The mean of the points of each bin of one box, one after the other."""
    x1, y1, x2, y2 = (float(v) * scale - 0.5 * aligned for v in box)
    high, wide = ((b - a if aligned else max(b - a, 1)) / n for a, b, n in ((y1, y2, size[0]), (x1, x2, size[1])))
    made = np.zeros((x.shape[0], *size))
    for i in range(size[0]):
        for j in range(size[1]):
            points = [(y1 + (i + (p + 0.5) / samples) * high, x1 + (j + (q + 0.5) / samples) * wide) for p in range(samples) for q in range(samples)]
            made[:, i, j] = np.mean([interpolated(x, *p) for p in points], axis=0)
    return made


@pytest.mark.parametrize(("size", "scale"), [((2, 2), 0.25), ((7, 7), 0.25), ((3, 5), 0.5), ((1, 4), 0.125)])
def test_roi_pool_formula(size: tuple[int, int], scale: float) -> None:
    """Boxes inside, across and outside the map, upside down and empty; corners on halves; each sample its own boxes."""
    x, boxes = numbers(2, 3, 16, 17).astype(np.float32), np.stack([BOXES, BOXES[::-1]])
    _, y = both(net_of(f"roi_pool({size[0]}x{size[1]}, {scale}, @x1)", "3x16x17", "9x4"), x, boxes)
    for n in range(2):
        for r, box in enumerate(boxes[n]):
            np.testing.assert_array_equal(y[n, r], slow_roi_pool(x[n], box, size, scale))


def test_roi_pool_rounds_as_caffe() -> None:
    """57 rows in 7 bins: in single precision the last reaches a row beyond the box."""
    x = np.arange(64, dtype=np.float32).reshape(1, 1, 64, 1)
    _, y = both(net_of("roi_pool(7x1, 1, @x1)", "1x64x1", "1x4"), x, np.array([[[0, 0, 0, 56]]]))
    assert [8, 16, 24, 32, 40, 48, 57] == [int(v) for v in y.ravel()]


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize(("size", "scale", "samples"), [((2, 2), 0.25, 2), ((7, 7), 0.25, 1), ((3, 5), 0.5, 3)])
def test_roi_align_formula(size: tuple[int, int], scale: float, samples: int, aligned: bool) -> None:
    """Boxes inside, across and outside the map, upside down and empty; each sample its own boxes."""
    x, boxes = numbers(2, 3, 16, 17), np.stack([BOXES, BOXES[::-1]])
    call = f"roi_align({size[0]}x{size[1]}, {scale}, samples = {samples}, aligned = {str(aligned).lower()}, @x1)"
    _, y = both(net_of(call, "3x16x17", "9x4"), x, boxes)
    for n in range(2):
        for r, box in enumerate(boxes[n]):
            np.testing.assert_allclose(y[n, r], slow_roi_align(x[n], box, size, scale, samples, aligned=aligned), rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("call", ["roi_pool(2, 1 / 4, @x1)", "roi_align(2, 1 / 4, @x1)"])
def test_regions_of_any_number(call: str) -> None:
    """One model takes maps of every size and any number of boxes; gradients reach the map."""
    net = net_of(call, "3xHxW", "Rx4")
    for sizes in ({"H": 5, "W": 9, "R": 1}, {"H": 12, "W": 4, "R": 6}):
        assert_back_ends_agree(net, sizes, batch=3)
    x = torch.ones(1, 3, 8, 8, requires_grad=True)
    net.torch()(x, torch.tensor([[[0.0, 0.0, 31.0, 31.0]]])).sum().backward()
    assert x.grad is not None
    assert float(x.grad.sum()) == pytest.approx(3 * 2 * 2)


@pytest.mark.parametrize(("call", "shapes", "wanted"), [
    ("roi_pool(2, 1, @x1)", ["8x8", "3x4"], "wrong-rank: `roi_pool` needs C x H x W, its input is 8x8"),
    ("roi_pool(2, 1, @x1)", ["3x8x8", "3x5"], "shape-mismatch: the boxes of `roi_pool` are 3x5; they must be R x 4: x1, y1, x2, y2"),
    ("roi_align(2, 1, @x1)", ["3x8x8", "4"], "shape-mismatch: the boxes of `roi_align` are 4; they must be R x 4: x1, y1, x2, y2"),
    ("roi_align(2, 0, @x1)", ["3x8x8", "3x4"], "bad-argument: `scale` of `roi_align` must be above 0, found 0"),
    ("roi_pool(2x2x2, 1, @x1)", ["3x8x8", "3x4"], "wrong-rank: `size` of `roi_pool` has 3 sizes, the input has 2 spatial axes"),
])  # fmt: skip
def test_region_errors(call: str, shapes: list[str], wanted: str) -> None:
    """What does not fit is said with both values."""
    assert wanted == message(call, *shapes)


# ---- partial convolutions

C3 = [[(i + d) % 6 for d in range(3)] for i in range(6)] + [[(i + d) % 6 for d in range(4)] for i in range(6)]
C3 += [[(i + d) % 6 for d in (0, 1, 3, 4)] for i in range(3)] + [[0, 1, 2, 3, 4, 5]]  # LeCun et al. 1998, table I


def test_lenet_c3() -> None:
    """LeNet-5's C3: 1,516 parameters and 151,600 connections, each bias being one; it is the convolution that has zeros elsewhere."""
    net = net_of(f"conv(16, 5, connections = {C3})", "6x14x14")
    assert (net.params, weights_of(net), net.macs) == (1_516, 1_500, 150_000)
    assert int(net.macs) + net.outputs[0].value.type.size == 151_600
    x = numbers(2, 6, 14, 14)
    w, y = both(net, x)
    kernel, rows = np.zeros((16, 6, 5, 5)), iter(w["weight"])
    for out, maps in enumerate(C3):
        for m in maps:
            kernel[out, m] = next(rows)
    dense = torch.nn.functional.conv2d(torch.from_numpy(x), torch.from_numpy(kernel), torch.from_numpy(w["bias"]))
    np.testing.assert_allclose(y, dense, rtol=1e-3, atol=1e-4)


def test_connected_weights_learn() -> None:
    """Every weight gets a gradient, and moves with the module."""
    module = net_of(f"conv(16, 5, connections = {C3})", "6x14x14").torch()
    module(torch.randn(1, 6, 14, 14)).square().sum().backward()
    assert all(bool((p.grad != 0).all()) for p in module.parameters() if p.grad is not None)
    bound = (6 * 25) ** -0.5
    assert bound * 0.9 < max(float(p.detach().abs().max()) for p in module.parameters()) <= bound


@pytest.mark.parametrize(("arguments", "wanted"), [
    ("2, 3, connections = [[0], [1], [2]]", "shape-mismatch: `connections` has lists for 3 output maps, there are 2"),
    ("2, 3, connections = [[0], [3]]", "bad-argument: output map 1 looks at input map 3; the input has maps 0 to 2"),
    ("2, 3, connections = [[0], [-1]]", "bad-argument: output map 1 looks at input map -1; the input has maps 0 to 2"),
    ("2, 3, connections = [[0, 2, 0], [1]]", "bad-argument: output map 0 names input map 0 twice"),
    ("2, 3, connections = [[0], []]", "bad-argument: output map 1 looks at no input map"),
    ("3, 3, groups = 3, connections = [[0], [1], [2]]", "bad-argument: `connections` says which maps are connected, and so does `groups` (3)"),
    ("2, 3, init = he_normal, connections = [[0], [1]]", "bad-argument: `init` is he_normal, which needs all outputs to have as many inputs; with `connections` it can be default, normal, zeros, ones"),
    ("2, 3, connections = [0, 1]", "wrong-type: `connections` of `conv` must be a list of lists of integers, one for each output map, found [0, 1]"),
    ("2, 1, connections = [[0], [1]], weight = [[[1]]]", "shape-mismatch: `weight` of `conv` holds 1x1x1 numbers, it needs 2x1x1"),
])  # fmt: skip
def test_connection_errors(arguments: str, wanted: str) -> None:
    """A table that does not fit is said with both values."""
    assert wanted == message(f"conv({arguments})", "3x8x8")


def test_depthwise_has_no_connections() -> None:
    """The table belongs to `conv` alone."""
    assert codes("net A { input x: 3x8x8\n depthwise(3, connections = [[0], [1], [2]]) }") == ["unknown-argument"]


# ---- whole nets

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
