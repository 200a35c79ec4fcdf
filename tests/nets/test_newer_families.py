"""Whole nets with recurrent layers, attention, graphs and regions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import netdsl
from tests.support.back_ends import assert_back_ends_agree, randomise, run_torch
from tests.support.small_nets import weights_of

# ---- graphs


def test_cora() -> None:
    """Kipf and Welling's net for Cora: 23,063 parameters."""
    net = netdsl.loads(CORA)
    assert (net.params, weights_of(net)) == (23_063, 1433 * 16 + 16 * 7)
    assert net.macs == 2708 * (1433 * 16 + 16 * 7) + 2708 * 2708 * (16 + 7)


# ---- whole nets


CORA = (
    "net Cora { input x: 2708x1433\n input edges: 2708x2708\n @x -> dropout(0.5) -> gcn(16, @edges)"
    " -> relu -> dropout(0.5)\n output logits: gcn(7, @edges) }"
)

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
    """A picture is the first step of a sentence of any length, which an LSTM reads."""
    net = netdsl.loads(CAPTION)
    for length in (1, 6):
        assert (2, length + 1, 50) == assert_back_ends_agree(net, {"T": length})[0].shape
    lstm = next(row for row in net.layers if row.kind == "lstm")
    assert str(lstm.macs) == f"{4 * 12 * (8 + 12 + 12 + 12)} * T + {4 * 12 * (8 + 12 + 12 + 12)}"


def test_transformer_net() -> None:
    """Decoder blocks with causal and cross attention agree in both back ends.

    Their weights have the names of those of `nn.TransformerDecoderLayer`.
    """
    net = netdsl.loads(DECODER)
    for sizes in ({"T": 5, "S": 3}, {"T": 1, "S": 8}):
        assert_back_ends_agree(net, sizes)
    theirs = torch.nn.TransformerDecoderLayer(16, 4, 64)
    ours = {
        n.removeprefix("layers.0.") for n in net.torch().state_dict() if n.startswith("layers.0.")
    }
    # The source has vectors of another length, which need separate projections.
    cross = {f"multihead_attn.{n}_proj_weight" for n in "qkv"}
    assert ours ^ set(theirs.state_dict()) == {*cross, "multihead_attn.in_proj_weight"}


def test_causal_net() -> None:
    """Later words do not change the scores of earlier ones."""
    module = randomise(netdsl.loads(DECODER).torch())
    sentence, source = torch.tensor([[1, 2, 3, 4]]), torch.randn(1, 3, 6)
    (first,), (other,) = (
        run_torch(module, [sentence, source]),
        run_torch(module, [torch.tensor([[1, 2, 9, 9]]), source]),
    )
    np.testing.assert_allclose(first[:, :2], other[:, :2], rtol=1e-4, atol=1e-5)
    assert not np.allclose(first[:, 2:], other[:, 2:])


def test_graph_net() -> None:
    """The net for Cora agrees in both back ends for several numbers of vertices."""
    net = netdsl.loads(CORA.replace("2708", "V").replace("1433", "20"))
    for vertices in (2, 7):
        assert_back_ends_agree(net, {"V": vertices})


def test_region_net() -> None:
    """Fast R-CNN's head agrees in both back ends, with an open picture size and number of boxes."""
    net = netdsl.loads(DETECTOR)
    scores, moves = assert_back_ends_agree(net, {"H": 33, "W": 20, "R": 5})
    assert ((2, 5, 5), (2, 5, 16)) == (scores.shape, moves.shape)


@pytest.mark.parametrize(
    "text", [CAPTION, DECODER, CORA, DETECTOR], ids=["caption", "decoder", "cora", "detector"]
)
def test_source_stands_alone(text: str) -> None:
    """The exported source of each net runs without netdsl and has the same weights."""
    net = netdsl.loads(text)
    space: dict[str, Any] = {"__name__": "standalone"}
    exec(compile(net.pytorch_source(), "standalone.py", "exec"), space)
    space[net.name]().load_state_dict(net.torch().state_dict())
