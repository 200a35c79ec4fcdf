"""Optimizers, their groups, and the names of weights."""

from typing import Any

import pytest
import torch
from torch import nn

import netdsl
from netdsl.config import BareWord
from netdsl.errors import SettingError
from netdsl.train.optimizers import build_optimizer
from netdsl.train.recipe.optimizers import SGD, Adam, AdamW, Muon, Optimizer, RMSprop
from netdsl.train.selection import Selection, kinds_of

NET = """net Small {
    input image: 1x8x8
    layer1: {
        conv1: conv(4, 3) -> relu
        norm: bn
    }
    bn: conv(4, 3, bias = false)
    gap -> flatten
    fc: dense(3)
}
"""


PARAMS = ("weight", "bias")


def module_and_selection() -> tuple[nn.Module, Selection]:
    compiled = netdsl.loads(NET)
    return compiled.torch(), Selection(kinds_of(compiled._compiled.graph))


def build(optimizer: Optimizer) -> torch.optim.Optimizer:
    module, selection = module_and_selection()
    return build_optimizer(optimizer, dict(module.named_parameters()), selection)


def settings_of(optimizer: torch.optim.Optimizer) -> dict[str, tuple[float, float]]:
    """The learning rate and the weight decay of each weight."""
    return {
        name: (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for name in group["param_names"]
    }


def words(*names: str) -> tuple[BareWord, ...]:
    return tuple(map(BareWord, names))


def pairs(**values: float) -> tuple[tuple[BareWord, float], ...]:
    return tuple((BareWord(name), value) for name, value in values.items())


@pytest.mark.parametrize(
    ("setting", "kind", "options"),
    [
        (SGD(0.1, 0.9, 1e-4, True), torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
        (Adam(0.1, 1e-4), torch.optim.Adam, {"betas": (0.9, 0.999)}),
        (AdamW(0.1, 1e-4), torch.optim.AdamW, {"betas": (0.9, 0.999)}),
        (
            Adam(0.1, 1e-4, betas=(0.8, 0.9), eps=1e-3),
            torch.optim.Adam,
            {"betas": (0.8, 0.9), "eps": 1e-3},
        ),
        (
            AdamW(0.1, 1e-4, betas=(0.8, 0.9), eps=1e-3),
            torch.optim.AdamW,
            {"betas": (0.8, 0.9), "eps": 1e-3},
        ),
        (RMSprop(0.1, 0.9, 0.5, 1e-4, eps=1e-3), torch.optim.RMSprop, {"alpha": 0.9, "eps": 1e-3}),
        (RMSprop(0.1, 0.9, 0.5, 1e-4), torch.optim.RMSprop, {"alpha": 0.9, "momentum": 0.5}),
    ],
)
def test_optimizers_get_their_settings(
    setting: Optimizer, kind: type[torch.optim.Optimizer], options: dict[str, Any]
) -> None:
    """The optimizer is PyTorch's, and one group has all weights."""
    optimizer = build(setting)
    assert type(optimizer) is kind
    (group,) = optimizer.param_groups
    assert (group["lr"], group["weight_decay"]) == (0.1, 1e-4)
    assert {name: group[name] for name in options} == options


def test_a_rate_for_each_layer() -> None:
    """A pair names a layer or a block, and `rest` all other weights; a later pair wins."""
    rates = pairs(layer1=0.1, fc=0.5, rest=0.01)
    found = settings_of(build(SGD((*rates, (BareWord("layer1.norm"), 0.2)))))
    assert {name: rate for name, (rate, _) in found.items()} == {
        "layer1.conv1.weight": 0.1,
        "layer1.conv1.bias": 0.1,
        "layer1.norm.weight": 0.2,
        "layer1.norm.bias": 0.2,
        "bn.weight": 0.01,
        "fc.weight": 0.5,
        "fc.bias": 0.5,
    }


@pytest.mark.parametrize(
    ("names", "spared"),
    [
        (("bias",), {"layer1.conv1.bias", "layer1.norm.bias", "fc.bias"}),
        (("bn",), {"bn.weight"}),
        (("conv",), {"layer1.conv1.weight", "layer1.conv1.bias", "bn.weight"}),
        (("fc", "layer1.norm"), {f"{n}.{t}" for n in ("fc", "layer1.norm") for t in PARAMS}),
    ],
)
def test_no_decay_names_layers_kinds_and_biases(names: tuple[str, ...], spared: set[str]) -> None:
    """A label comes before a kind of the same name, and `bias` means all biases."""
    found = settings_of(build(AdamW(0.1, 0.5, no_decay=words(*names))))
    assert {name for name, (_, decay) in found.items() if not decay} == spared


@pytest.mark.parametrize(
    ("optimizer", "code", "text"),
    [
        (SGD(pairs(fcc=0.1, rest=0.1)), "unknown-layer", "did you mean `fc`"),
        (SGD(0.1, no_decay=words("layer2")), "unknown-layer", "the kind `layer2`"),
        (SGD(pairs(fc=0.1)), "bad-argument", "no value for `layer1.conv1.weight`"),
    ],
)
def test_wrong_names(optimizer: Optimizer, code: str, text: str) -> None:
    """A name that means no weight is an error, and so are weights without a rate."""
    with pytest.raises(SettingError) as caught:
        build(optimizer)
    assert caught.value.code == code
    assert text in f"{caught.value.message} {caught.value.help}"


def test_muon_takes_the_matrices_and_adamw_the_rest() -> None:
    """Both take the steps that PyTorch's own would take, also after the state was loaded."""
    module, selection = module_and_selection()
    peer, _ = module_and_selection()
    peer.load_state_dict(module.state_dict())
    own = build_optimizer(Muon(0.02, 0.9, 0.1), dict(module.named_parameters()), selection)
    parameters = dict(peer.named_parameters())
    matrices = [p for p in parameters.values() if p.dim() == 2]
    assert [name for name, p in parameters.items() if p.dim() == 2] == ["fc.weight"]
    others = [p for p in parameters.values() if p.dim() != 2]
    peers = [
        torch.optim.Muon(
            matrices, lr=0.02, momentum=0.9, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"
        ),
        torch.optim.AdamW(others, lr=0.02, weight_decay=0.1),
    ]
    for step in range(4):
        torch.manual_seed(step)
        image = torch.randn(6, 1, 8, 8)
        for net, optimizers in ((module, [own]), (peer, peers)):
            net.zero_grad()
            net(image).square().mean().backward()
            for optimizer in optimizers:
                optimizer.step()
        if step == 1:
            own.load_state_dict(own.state_dict())
    for name, value in module.state_dict().items():
        assert torch.equal(value, peer.state_dict()[name]), name


def test_nothing_to_train() -> None:
    """A net without weights, and one whose weights are all frozen, are refused."""
    with pytest.raises(SettingError, match="no weights"):
        build_optimizer(Adam(), {}, Selection({}))
    module, selection = module_and_selection()
    module.requires_grad_(False)
    with pytest.raises(SettingError, match="frozen"):
        build_optimizer(Adam(), dict(module.named_parameters()), selection)
