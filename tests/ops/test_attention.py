"""Attention compared with its formula, written out in numpy."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.back_ends import assert_back_ends_agree, both, numbers
from tests.support.small_nets import message, net_of, weights_of


def attended(
    w: dict[str, np.ndarray], x: np.ndarray, keys: np.ndarray, heads: int, *, causal: bool = False
) -> np.ndarray:
    """Attention computed by the formula of the paper, head by head."""
    width = x.shape[1]
    parts = (
        np.split(w["in_proj_weight"], 3)
        if "in_proj_weight" in w
        else [w[f"{n}_proj_weight"] for n in "qkv"]
    )
    q, k, v = (
        s @ p.T + b
        for s, p, b in zip((x, keys, keys), parts, np.split(w["in_proj_bias"], 3), strict=True)
    )
    results = []
    for h in range(heads):
        part = slice(h * width // heads, (h + 1) * width // heads)
        scores = q[:, part] @ k[:, part].T / np.sqrt(width / heads)
        if causal:
            scores[np.triu_indices(len(x), 1)] = -np.inf
        shares = np.exp(scores - scores.max(1, keepdims=True))
        results.append(shares / shares.sum(1, keepdims=True) @ v[:, part])
    joined = np.concatenate(results, axis=1)
    projected: np.ndarray = joined @ w["out_proj.weight"].T + w["out_proj.bias"]
    return projected


@pytest.mark.parametrize("causal", [False, True])
def test_attention_formula(causal: bool) -> None:
    """Self-attention gives the values of the paper's formula, with and without a mask."""
    x = numbers(1, 5, 6)
    w, y = both(net_of(f"attention(3, causal = {str(causal).lower()})", "5x6"), x)
    np.testing.assert_allclose(
        y[0], attended(w, x[0], x[0], 3, causal=causal), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("width", [6, 4])
def test_cross_attention_formula(width: int) -> None:
    """Keys and values come from the reference, whose vectors can have another length."""
    x, keys = numbers(1, 5, 6), numbers(1, 3, width, seed=1)
    w, y = both(net_of("attention(2, @x1)", "5x6", f"3x{width}"), x, keys)
    np.testing.assert_allclose(y[0], attended(w, x[0], keys[0], 2), rtol=1e-4, atol=1e-5)


def test_attention_counts() -> None:
    """Parameters, weights and MACs, counted by hand.

    The nets are the attention of BERT-base (Devlin et al. 2019), and cross attention with two open
    lengths.
    """
    net = net_of("attention(12)", "512x768")
    assert (net.params, weights_of(net), net.macs) == (
        4 * (768 * 768 + 768),
        4 * 768 * 768,
        4 * 512 * 768 * 768 + 2 * 512 * 512 * 768,
    )
    net = net_of("attention(2, @x1)", "Tx8", "Sx6")
    assert (net.params, str(net.macs)) == (2 * 64 + 2 * 48 + 32, "16 * S * T + 96 * S + 128 * T")


@pytest.mark.parametrize("call", ["attention(2)", "attention(2, causal = true)"])
def test_attention_of_any_length(call: str) -> None:
    """One model takes sequences of every length."""
    net = net_of(call, "Tx4")
    for length in (1, 2, 9):
        assert_back_ends_agree(net, {"T": length})


def test_cross_attention_of_any_length() -> None:
    """Both lengths can be open."""
    net = net_of("attention(2, @x1)", "Tx4", "Sx6")
    for sizes in ({"T": 1, "S": 5}, {"T": 4, "S": 1}, {"T": 3, "S": 3}):
        assert_back_ends_agree(net, sizes)


@pytest.mark.parametrize(
    ("call", "shapes", "expected"),
    [
        (
            "attention(2)",
            ["3x8x8"],
            "wrong-rank: `attention` takes sequences of vectors, T x D, found 3x8x8",
        ),
        (
            "attention(2, @x1)",
            ["3x8", "8"],
            "wrong-rank: `attention` takes sequences of vectors, T x D, found 8",
        ),
        ("attention(3)", ["4x8"], "bad-groups: vectors of length 8 do not divide into 3 heads"),
        (
            "attention(2, @x1, causal = true)",
            ["4x8", "5x8"],
            "bad-argument: `causal` of `attention` needs one sequence, found 4x8 and 5x8",
        ),
        (
            "attention(2)",
            ["4xD"],
            "open-size: `attention` needs to know the length of its input's vectors, but D is open",
        ),
    ],
)
def test_attention_errors(call: str, shapes: list[str], expected: str) -> None:
    """The error names the values that do not fit."""
    assert expected == message(call, *shapes)
