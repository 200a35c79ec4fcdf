"""Graph layers, regions and partial convolutions against their formulas, written out once more."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import netdsl
from netdsl.analysis.valid import valid_for
from tests.ops.test_recurrent import CORA
from tests.support.back_ends import assert_back_ends_agree, both, numbers
from tests.support.small_nets import codes, message, net_of, weights_of

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


def test_cora() -> None:
    """Kipf and Welling's net for Cora: 23,063 parameters."""
    net = netdsl.loads(CORA)
    assert (net.params, weights_of(net)) == (23_063, 1433 * 16 + 16 * 7)
    assert net.macs == 2708 * (1433 * 16 + 16 * 7) + 2708 * 2708 * (16 + 7)


def test_graph_counts() -> None:
    """MACs with the number of vertices open, counted by hand, and told in the vertices' symbol even where the edges have one of their own."""
    for shapes in (("Vx10", "VxV"), ("Vx10", "WxW")):
        assert [str(net_of(c, *shapes).macs) for c in ("gcn(4, @x1)", "cheb(4, @x1, k = 3)", "sage(4, @x1)")] == ["4 * V * V + 40 * V", "20 * V * V + 120 * V", "10 * V * V + 80 * V"]


def test_graph_weights_start() -> None:
    """As PyTorch Geometric starts them: Glorot's for gcn and cheb, their biases at 0; sage as a dense layer of that many features."""
    started = {call: {n: (p.shape, p.init) for n, p in node.op.params(*node.types).items()} for call in ("gcn(4, @x1)", "cheb(4, @x1, k = 2)", "sage(4, @x1)") for node in net_of(call, "5x3", "5x5").graph.nodes}
    assert started == {
        "gcn(4, @x1)": {"bias": ((4,), "zeros"), "lin.weight": ((4, 3), "xavier_uniform")},
        "cheb(4, @x1, k = 2)": {"bias": ((4,), "zeros"), "lins.0.weight": ((4, 3), "xavier_uniform"), "lins.1.weight": ((4, 3), "xavier_uniform")},
        "sage(4, @x1)": {"lin_l.weight": ((4, 3), "default"), "lin_r.weight": ((4, 3), "default"), "lin_l.bias": ((4,), "uniform:3")},
    }


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


def test_boxes_have_four_corners() -> None:
    """Where the length of a box is open it must be 4."""
    assert valid_for(net_of("roi_pool(2, 1, @x1)", "3x8x8", "RxB").graph) == "R >= 1, B == 4"


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
