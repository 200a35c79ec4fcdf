"""Graph layers compared with their formulas, written out in numpy."""

from __future__ import annotations

import numpy as np
import pytest

from netdsl.analysis.valid import valid_for
from tests.support.back_ends import assert_back_ends_agree, both, numbers
from tests.support.small_nets import message, net_of

# A triangle with a tail, and a vertex without edges.
EDGES = np.array(
    [[0, 1, 1, 0, 0], [1, 0, 1, 0, 0], [1, 1, 0, 1, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0]]
)


def test_gcn_formula() -> None:
    """`normalize` computes D^(-1/2) (A + I) D^(-1/2).

    A layer without `normalize` gives the same values for this matrix.
    """
    x, looped = numbers(1, 5, 3), EDGES + np.eye(5)
    normal = looped / np.sqrt(np.outer(looped.sum(1), looped.sum(1)))
    w, y = both(net_of("gcn(2, @x1, normalize = true)", "5x3", "5x5"), x, EDGES[None])
    np.testing.assert_allclose(
        y[0], normal @ x[0] @ w["lin.weight"].T + w["bias"], rtol=1e-4, atol=1e-5
    )
    _, plain = both(net_of("gcn(2, @x1)", "5x3", "5x5"), x, normal[None])
    np.testing.assert_allclose(y, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_cheb_formula(k: int) -> None:
    """The filter acts on the eigenvalues: T_k(l) = cos(k arccos l) (Defferrard et al. 2016)."""
    x, laplacian = numbers(1, 5, 3), np.diag(EDGES.sum(1)) - EDGES
    scaled = 2 * laplacian / np.linalg.eigvalsh(laplacian)[-1] - np.eye(5)
    values, vectors = np.linalg.eigh(scaled)
    w, y = both(net_of(f"cheb(2, @x1, k = {k})", "5x3", "5x5"), x, scaled[None])
    filters = [
        vectors @ np.diag(np.cos(i * np.arccos(values.clip(-1, 1)))) @ vectors.T for i in range(k)
    ]
    expected = sum(f @ x[0] @ w[f"lins.{i}.weight"].T for i, f in enumerate(filters)) + w["bias"]
    np.testing.assert_allclose(y[0], expected, rtol=1e-3, atol=1e-4)


def test_sage_formula() -> None:
    """Each vertex takes the mean of its neighbours; without neighbours the mean is 0."""
    x = numbers(1, 5, 3)
    w, y = both(net_of("sage(2, @x1)", "5x3", "5x5"), x, EDGES[None])
    for i, row in enumerate(EDGES):
        mean = x[0][row > 0].mean(0) if row.any() else np.zeros(3)
        np.testing.assert_allclose(
            y[0, i],
            w["lin_r.weight"] @ x[0, i] + w["lin_l.weight"] @ mean + w["lin_l.bias"],
            rtol=1e-4,
            atol=1e-5,
        )


def test_graph_counts() -> None:
    """MACs for an open number of vertices, counted by hand.

    They use the symbol of the vertices, even if the edges have a symbol of their own.
    """
    for shapes in (("Vx10", "VxV"), ("Vx10", "WxW")):
        assert [
            str(net_of(c, *shapes).macs)
            for c in ("gcn(4, @x1)", "cheb(4, @x1, k = 3)", "sage(4, @x1)")
        ] == ["4 * V * V + 40 * V", "20 * V * V + 120 * V", "10 * V * V + 80 * V"]


def test_initial_weights_of_graph_layers() -> None:
    """The weights are initialised as in PyTorch Geometric.

    `gcn` and `cheb` use Glorot's method, with biases of 0; `sage` is initialised as a dense layer.
    """
    initial = {
        call: {n: (p.shape, p.init) for n, p in node.op.params(*node.types).items()}
        for call in ("gcn(4, @x1)", "cheb(4, @x1, k = 2)", "sage(4, @x1)")
        for node in net_of(call, "5x3", "5x5").graph.nodes
    }
    assert initial == {
        "gcn(4, @x1)": {"bias": ((4,), "zeros"), "lin.weight": ((4, 3), "xavier_uniform")},
        "cheb(4, @x1, k = 2)": {
            "bias": ((4,), "zeros"),
            "lins.0.weight": ((4, 3), "xavier_uniform"),
            "lins.1.weight": ((4, 3), "xavier_uniform"),
        },
        "sage(4, @x1)": {
            "lin_l.weight": ((4, 3), "default"),
            "lin_r.weight": ((4, 3), "default"),
            "lin_l.bias": ((4,), "uniform:3"),
        },
    }


@pytest.mark.parametrize(
    "call", ["gcn(2, @x1, normalize = true)", "cheb(2, @x1, k = 3)", "sage(2, @x1)"]
)
def test_graphs_of_any_size(call: str) -> None:
    """One model takes graphs of every size, and each sample has its own edges."""
    net = net_of(call, "Vx3", "VxV")
    for vertices in (1, 4, 9):
        assert_back_ends_agree(net, {"V": vertices})


@pytest.mark.parametrize(
    ("call", "shapes", "expected"),
    [
        (
            "gcn(2, @x1)",
            ["5x3", "5x4"],
            "shape-mismatch: `gcn` has 5 vertices, so its edges must be 5x5, found 5x4",
        ),
        (
            "sage(2, @x1)",
            ["5x3", "4x5"],
            "shape-mismatch: `sage` has 5 vertices, so its edges must be 5x5, found 4x5",
        ),
        (
            "sage(2, @x1)",
            ["5x3", "5"],
            "shape-mismatch: `sage` has 5 vertices, so its edges must be 5x5, found 5",
        ),
        (
            "cheb(2, @x1, k = 2)",
            ["2x5x3", "5x5"],
            "wrong-rank: `cheb` takes the features of vertices, V x D, but its input is 2x5x3",
        ),
        (
            "gcn(2, @x1)",
            ["5xD", "5x5"],
            "open-size: `gcn` needs to know the number of features, but D is open",
        ),
        (
            "gcn(2)",
            ["5x3"],
            "wrong-inputs: `gcn` takes one reference besides the current value, found 0",
        ),
    ],
)
def test_graph_errors(call: str, shapes: list[str], expected: str) -> None:
    """The error names the values that do not fit."""
    assert expected == message(call, *shapes)


def test_edges_must_be_square() -> None:
    """Open sizes of the edges must equal the number of vertices."""
    assert valid_for(net_of("gcn(2, @x1)", "Vx3", "AxB").graph) == "V >= 1, A == V, B == V"
