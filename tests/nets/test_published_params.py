"""Published nets whose names need `param` and tied weights, written from their checkpoints."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import netdsl

REFERENCE = Path(__file__).parents[3] / "shared" / "reference" / "state_dicts"

VIT = """
# ViT-B/16 (Dosovitskiy et al. 2020), with torchvision's names.
let width = 768

block encoder_layer(heads, hidden, drop = 0.0) {
    residual {
        ln_1: layernorm(eps = 1e-6) -> self_attention: attention(heads) -> dropout(drop)
    }
    residual {
        ln_2: layernorm(eps = 1e-6)
        mlp: { dense(hidden) -> gelu -> dropout(drop) -> dense(width) -> dropout(drop) }
    }
}

net ViT(classes = 1000) {
    input image: 3x224x224
    class_token: param(1x768, leading = 1)
    @image -> conv_proj: conv(width, 16, stride = 16)
    patches: tokens
    @class_token -> concat(@patches)
    encoder: {
        x: identity
        pos_embedding: param(197x768, leading = 1, init = normal)
        add(@x)
        dropout(0.0)
        layers: {
            repeat 12 as i { encoder_layer_{i}: encoder_layer(12, 3072) }
        }
        ln: layernorm(eps = 1e-6)
    }
    slice(0, 1) -> flatten
    heads: { output logits: head: dense(classes) }
    expect params == 86_567_656
}
"""
# `groupnorm(1)` has the tensors of torchvision's LayerNorm2d.
CONVNEXT = """
# ConvNeXt-T (Liu et al. 2022), with torchvision's names; groupnorm(1) stands for LayerNorm2d.
block cn_block(width) {
    x: identity
    block: {
        depthwise(7, pad = 3)
        tokens
        layernorm(eps = 1e-6)
        dense(4 * width) -> gelu -> dense(width)
        permute([2, 1]) -> reshape(in.shape)
    }
    layer_scale: param([width, 1, 1], init = ones)
    mul(@block) -> droppath(0.1) -> add(@x)
}
block stage(width, depth) { repeat depth { cn_block(width) } }
block stem(width) { conv(width, 4, stride = 4) -> groupnorm(1, eps = 1e-6) }
block down(width) { groupnorm(1, eps = 1e-6) -> conv(width, 2, stride = 2) }
net ConvNeXtT(classes = 1000) {
    input image: 3x224x224
    features: {
        stem(96) -> stage(96, 3)
        for width, depth in [(192, 3), (384, 9), (768, 3)] { down(width) -> stage(width, depth) }
    }
    gap
    classifier: {
        groupnorm(1, eps = 1e-6) -> flatten -> dense(classes)
    }
    expect params == 28_589_128
}
"""
GPT2 = """
# GPT-2 small (Radford et al. 2019); the output is tied to the embedding of the tokens.
block layer(heads) {
    residual { ln_1: layernorm -> attn: attention(heads, causal = true) -> dropout(0.1) }
    residual {
        ln_2: layernorm
        mlp: {
            c_fc: dense(4 * 768) -> gelu(approximate = tanh)
            c_proj: dense(768) -> dropout(0.1)
        }
    }
}
net GPT2(depth = 12, words = 50257) {
    input tokens: T int64
    transformer: {
        at: positions -> wpe: embedding(1024, 768)
        wte: @tokens -> embedding(words, 768)
        add(@wpe) -> dropout(0.1)
        h: { repeat depth { layer(12) } }
        ln_f: layernorm
    }
    output logits: lm_head: dense(words, bias = false, weight = @transformer.wte.weight)
}
"""
NETS = {"vit_b_16": (VIT, 86_567_656), "convnext_tiny": (CONVNEXT, 28_589_128)}


@pytest.mark.skipif(
    not REFERENCE.is_dir(), reason="the published names are not beside the repository"
)
@pytest.mark.parametrize("name", NETS)
def test_names_of_checkpoints_with_params(name: str) -> None:
    """The state dict has the keys and shapes of the published one, in the same order."""
    text, params = NETS[name]
    with torch.device("meta"):
        net = netdsl.loads(text)
        state = net.torch().state_dict()
    path = REFERENCE / f"{name}.txt"
    expected = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line]
    assert expected == [[key, "x".join(map(str, t.shape))] for key, t in state.items()]
    assert net.params == params


def test_the_parameters_of_gpt2() -> None:
    """GPT-2 small, whose output is tied to its embedding, has 124,439,808 parameters."""
    net = netdsl.loads(GPT2)
    assert net.params == 124_439_808
    with torch.device("meta"):
        module = net.torch()
    assert net.params == sum(p.numel() for p in module.parameters())
    assert "1024" in str(net.valid_for)


def test_a_small_gpt2_agrees_in_all_back_ends() -> None:
    """The same text with few layers and words passes `verify`, at open sizes too."""
    assert netdsl.loads(GPT2, depth=1, words=50).verify().ok
