"""Attention compared with its formula, written out in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import netdsl
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
        (
            "attention(3)",
            ["4x8"],
            "bad-groups: vectors of length 8 cannot be divided into 3 equal heads",
        ),
        (
            "attention(2, @x1, causal = true)",
            ["4x8", "5x8"],
            (
                "bad-argument: `causal` of `attention` needs queries and keys of one sequence, but"
                " the keys come from a reference"
            ),
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


def masked_net(arguments: str, *inputs: str) -> netdsl.Net:
    """A net of one attention, whose weights have no prefix."""
    lines = "".join(f"    input {line}\n" for line in inputs)
    return netdsl.loads(f"net N {{\n{lines}    @x -> y: attention({arguments})\n}}")


@pytest.mark.parametrize("per_head", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "bool"])
@pytest.mark.parametrize("causal", [False, True])
def test_masks_formula(per_head: bool, dtype: str, causal: bool) -> None:
    """Masks of both types, with padding and `causal`, give the values of the formula.

    True hides a key, and a query without any keys gets the bias of the last projection.
    """
    shape = (2, 5, 5) if per_head else (5, 5)
    call = f"2, causal = {str(causal).lower()}, mask = @m, padding = @p"
    net = masked_net(call, "x: 5x6", f"m: {'x'.join(map(str, shape))} {dtype}", "p: 5 bool")
    x, m, p = numbers(1, 5, 6), numbers(1, *shape, seed=1), np.array([[False] * 4 + [True]])
    if dtype == "bool":
        m = m > 0.4
        m[..., 2, :] = True  # nothing is left for this query
    module = randomise(net.torch())
    tensors = [torch.from_numpy(x).float(), torch.from_numpy(m), torch.from_numpy(p)]
    tensors[1] = tensors[1] if dtype == "bool" else tensors[1].float()
    (y,) = run_torch(module, tensors)
    (in_onnx,) = run_onnx(net.onnx(weights=module.state_dict()), tensors)
    np.testing.assert_allclose(in_onnx, y, rtol=1e-4, atol=1e-5)
    w = {n.removeprefix("y."): t.numpy() for n, t in module.state_dict().items()}
    added = np.where(m[0], -np.inf, 0.0) if dtype == "bool" else m[0]
    added = np.broadcast_to(added, (2, 5, 5)) + np.where(p[0], -np.inf, 0.0)
    if causal:
        added = added + np.triu(np.full((5, 5), -np.inf), 1)
    wanted = attended_with(w, x[0], 2, added)
    np.testing.assert_allclose(y[0], wanted, rtol=1e-4, atol=1e-5)
    if dtype == "bool":
        np.testing.assert_allclose(y[0, 2], w["out_proj.bias"], rtol=1e-5)


def attended_with(
    w: dict[str, np.ndarray], x: np.ndarray, heads: int, added: np.ndarray
) -> np.ndarray:
    """Self-attention by the formula, with a mask that is added to the scores of each head."""
    parts = zip(np.split(w["in_proj_weight"], 3), np.split(w["in_proj_bias"], 3), strict=True)
    q, k, v = (np.split(x @ p.T + b, heads, axis=1) for p, b in parts)
    results = []
    for h in range(heads):
        scores = q[h] @ k[h].T / np.sqrt(q[h].shape[1]) + added[h]
        shares = np.exp(scores - np.maximum(scores.max(1, keepdims=True), -1e30))
        total = shares.sum(1, keepdims=True)
        results.append(np.divide(shares, total, where=total > 0, out=np.zeros_like(shares)) @ v[h])
    projected: np.ndarray = np.concatenate(results, axis=1) @ w["out_proj.weight"].T
    projected += w["out_proj.bias"]
    return projected


def test_windows_are_sequences() -> None:
    """With `windowed`, each window gets the values that it gets as a sequence of its own."""
    net = masked_net("2, windowed = true, mask = @m", "x: 3x5x6", "m: 3x1x5x5")
    single = masked_net("2, mask = @m", "x: 5x6", "m: 5x5")
    module = randomise(net.torch())
    x, m = inputs_for(net)
    (y,) = run_torch(module, [x, m])
    alone = single.torch()
    alone.load_state_dict(module.state_dict())
    for i in range(3):
        (own,) = run_torch(alone.eval(), [x[:, i], m[:, i, 0]])
        np.testing.assert_allclose(y[:, i], own, rtol=1e-4, atol=1e-6)
    assert net.params == single.params
    assert net.macs == 3 * single.macs


@pytest.mark.parametrize(
    "body",
    [
        "attention(2, windowed = true, mask = @m, padding = @p, causal = true)",
        "attention(1, windowed = true, padding = @p) -> attention(2, windowed = true, mask = @m)",
    ],
)
def test_windows_of_open_sizes(body: str) -> None:
    """All witnesses agree on masked windows whose number and length are open."""
    text = f"net N {{ input x: WxTx6\n input m: 2xTxT\n input p: WxT bool\n @x -> {body} }}"
    assert netdsl.loads(text).verify()


def test_keys_and_values_of_other_widths() -> None:
    """With two references, the weights are those of PyTorch's `kdim` and `vdim`."""
    net = masked_net("2, @k, @v", "x: 4x6", "k: 3x5", "v: 3x2")
    module = torch.nn.MultiheadAttention(6, 2, kdim=5, vdim=2, batch_first=True)
    assert {k: v.shape for k, v in module.state_dict().items()} == {
        k.removeprefix("y."): v.shape for k, v in net.torch().state_dict().items()
    }
    assert net.verify()
    assert net.macs == 4 * 6 * 6 + 3 * 5 * 6 + 3 * 2 * 6 + 2 * (4 * 3 * 6) + 4 * 6 * 6


def test_values_of_booleans_are_compared() -> None:
    """A layer can move the booleans of a mask, and `verify` compares them."""
    net = netdsl.loads(
        "net N {\n input x: 4x6\n input m: 4x4 bool\n moved: @m -> roll(1, axis = 2)\n"
        " output y: @x -> attention(2, mask = @moved)\n output hidden: @moved\n}"
    )
    assert net.verify()
