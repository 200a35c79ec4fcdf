"""The transformers of the library, compared with PyTorch's layers and with published formulas."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

import netdsl

if TYPE_CHECKING:
    from collections.abc import Mapping

IN_PYTORCH = {  # the names of a layer's parts in `nn.TransformerEncoderLayer`
    "vit": {
        "ln_1": "norm1",
        "self_attention": "self_attn",
        "ln_2": "norm2",
        "mlp.0": "linear1",
        "mlp.3": "linear2",
    },
    "gpt": {
        "ln_1": "norm1",
        "attn": "self_attn",
        "ln_2": "norm2",
        "mlp.c_fc": "linear1",
        "mlp.c_proj": "linear2",
    },
    "bert": {
        "attention.self": "self_attn",
        "attention.output.LayerNorm": "norm1",
        "intermediate.dense": "linear1",
        "output.dense": "linear2",
        "output.LayerNorm": "norm2",
    },
}
LAYERS: dict[str, tuple[str, dict[str, Any]]] = {
    "vit": ("layer: encoder_layer(64, 4)", {"norm_first": True, "layer_norm_eps": 1e-6}),
    "gpt": ("layer: gpt_block(4, 0.1)", {"norm_first": True}),
    "bert": ("layer: bert_layer(4, @padding, 0.1)", {"layer_norm_eps": 1e-12}),
}


def renamed(state: Mapping[str, torch.Tensor], names: Mapping[str, str]) -> dict[str, torch.Tensor]:
    """The tensors of one of our layers with PyTorch's names."""
    result = {}
    for key, tensor in state.items():
        ours = next(name for name in names if key.startswith(f"layer.{name}."))
        result[key.replace(f"layer.{ours}", names[ours])] = tensor
    return result


@pytest.mark.parametrize("file", LAYERS)
def test_layers_are_those_of_pytorch(file: str) -> None:
    """A layer of each file computes what `nn.TransformerEncoderLayer` computes with its weights."""
    call, options = LAYERS[file]
    net = netdsl.loads(
        f"import {file}\nnet Layer {{\n input x: 5x16\n input padding: 5 bool\n @x\n {call}\n}}",
        net="Layer",
    )
    module = net.torch().eval()
    activation = partial(nn.functional.gelu, approximate="tanh" if file == "gpt" else "none")
    theirs = nn.TransformerEncoderLayer(16, 4, 64, 0.1, activation, batch_first=True, **options)
    theirs.load_state_dict(renamed(module.state_dict(), IN_PYTORCH[file]))
    x = torch.randn(3, 5, 16, generator=torch.Generator().manual_seed(1))
    padding = torch.tensor([[False] * 5, [False] * 3 + [True] * 2, [False] * 4 + [True]])
    hidden = torch.ones(5, 5, dtype=torch.bool).triu(1) if file == "gpt" else None
    with torch.no_grad():
        expected = theirs.eval()(
            x, src_mask=hidden, src_key_padding_mask=padding if file == "bert" else None
        )
        torch.testing.assert_close(module(x, padding), expected)


def test_gpt_is_tied() -> None:
    """The matrix of the scores is the embedding, so its gradient comes from both."""
    net = netdsl.load("gpt:ByteGPT")
    module = net.torch()
    embedding = module.get_parameter("transformer.wte.weight")
    assert module.get_parameter("lm_head.weight") is embedding
    assert net.params == sum(p.numel() for p in module.parameters())
    assert "256" in str(net.valid_for)


def test_padding_does_not_change_bert() -> None:
    """What fills the sequence has no influence on the other tokens."""
    module = netdsl.load("bert:BERTTiny", context=9).torch().eval()
    tokens = torch.randint(0, 1000, (1, 9), generator=torch.Generator().manual_seed(1))
    others = tokens.clone()
    others[:, 6:] = 7
    types, padding = torch.zeros_like(tokens), torch.arange(9)[None] >= 6
    with torch.no_grad():
        first, second = (module(t, types, padding) for t in (tokens, others))
    torch.testing.assert_close(first[0][:, :6], second[0][:, :6])
    torch.testing.assert_close(first[1], second[1])
    assert not torch.equal(first[0][:, 6:], second[0][:, 6:])


def relative_positions(m: int) -> torch.Tensor:
    """The numbers of the relative positions, as the authors of Swin compute them."""
    y, x = torch.meshgrid(torch.arange(m), torch.arange(m), indexing="ij")
    places = torch.stack([y.flatten(), x.flatten()])
    difference = places[:, :, None] - places[:, None, :] + m - 1
    return difference[0] * (2 * m - 1) + difference[1]


def shift_mask(size: int, m: int, shift: int) -> torch.Tensor:
    """The mask of shifted windows, as the authors of Swin compute it."""
    regions = torch.zeros(size, size)
    parts = (slice(0, -m), slice(-m, -shift), slice(-shift, None))
    for i, (rows, columns) in enumerate((r, c) for r in parts for c in parts):
        regions[rows, columns] = i
    windows = regions.view(size // m, m, size // m, m).transpose(1, 2).reshape(-1, m * m)
    return -100.0 * (windows[:, None, :] != windows[:, :, None])


def test_swins_constants() -> None:
    """The relative positions and the masks of Swin are those of the published code."""
    state = netdsl.load("swin:FashionSwin").torch().state_dict()
    index = state["features.1.0.attn.relative_position_index"]
    assert torch.equal(index, relative_positions(7))
    for size in (14, 28):
        mask = netdsl.loads(f"import swin\nnet Mask {{ input x: 1\n apart(7, 3, {size}) }}", "Mask")
        computed = mask.torch()(torch.zeros(1, 1))[0, :, 0]
        assert torch.equal(computed, shift_mask(size, 7, 3))
