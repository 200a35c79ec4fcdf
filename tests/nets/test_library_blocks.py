"""The blocks of `nets/lib` build the nets of their families, with the published figures."""

from __future__ import annotations

import pytest
import torch

import netdsl

# Tan, Le: EfficientNet, 2019. Table 1. The SE modules squeeze to a quarter of a block's input.
EFFICIENTNET_B0 = """
block mbconv(expand, k, out, stride) {
    let scale = se(width = in.channels // 4, act = silu)
    inverted_residual(out, stride, expand, k, act = silu, scale = scale)
}
net EfficientNetB0(classes = 1000) {
    input image: 3x224x224
    conv(32, 3, stride = 2, pad = 1, bias = false) -> bn -> silu
    for (expand, k, stride, out, n) in [
        (1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3),
        (6, 5, 1, 112, 3), (6, 5, 2, 192, 4), (6, 3, 1, 320, 1)
    ] {
        repeat n as i { mbconv(expand, k, out, stride if i == 0 else 1) }
    }
    conv(1280, 1, bias = false) -> bn -> silu
    gap -> flatten -> dropout(0.2) -> dense(classes)
}
"""
# Howard et al.: Searching for MobileNetV3, 2019. Table 1. `squeeze` is 0 where a block has no SE.
MOBILENET_V3_LARGE = """
net MobileNetV3Large(classes = 1000) {
    input image: 3x224x224
    conv(16, 3, stride = 2, pad = 1, bias = false) -> bn -> hard_swish
    for (k, expanded, out, squeeze, act, stride) in [
        (3, 16, 16, 0, relu, 1), (3, 64, 24, 0, relu, 2), (3, 72, 24, 0, relu, 1),
        (5, 72, 40, 24, relu, 2), (5, 120, 40, 32, relu, 1), (5, 120, 40, 32, relu, 1),
        (3, 240, 80, 0, hard_swish, 2), (3, 200, 80, 0, hard_swish, 1),
        (3, 184, 80, 0, hard_swish, 1), (3, 184, 80, 0, hard_swish, 1),
        (3, 480, 112, 120, hard_swish, 1), (3, 672, 112, 168, hard_swish, 1),
        (5, 672, 160, 168, hard_swish, 2), (5, 960, 160, 240, hard_swish, 1),
        (5, 960, 160, 240, hard_swish, 1)
    ] {
        let scale = se(width = squeeze, gate = hard_sigmoid) if squeeze > 0 else identity
        inverted_residual(out, stride, expanded / @.channels, k, act, scale)
    }
    conv(960, 1, bias = false) -> bn -> hard_swish
    gap -> flatten -> dense(1280) -> hard_swish -> dropout(0.2) -> dense(classes)
}
"""
# Hu et al.: Squeeze-and-Excitation Networks, 2017, with the blocks of ResNet-18.
SE_RESNET18 = """
import resnet
net SEResNet18 = ResNet(basicblock(scale = se), [2, 2, 2, 2])
"""


@pytest.mark.parametrize(
    ("text", "params", "billions_of_macs"),
    [(EFFICIENTNET_B0, 5_288_548, 0.386), (MOBILENET_V3_LARGE, 5_483_032, 0.217)],
    ids=["EfficientNet-B0", "MobileNetV3-Large"],
)
def test_families_of_the_inverted_residual(text: str, params: int, billions_of_macs: float) -> None:
    """EfficientNet-B0 and MobileNetV3-Large have the figures that torchvision publishes."""
    net = netdsl.loads(text)
    assert isinstance(net.macs, int)
    assert (net.params, round(net.macs / 1e9, 3)) == (params, billions_of_macs)


def test_scale_of_a_basicblock() -> None:
    """SE modules add their weights to each block, under the label `se`, and to nothing else."""
    with torch.device("meta"):
        scaled = netdsl.loads(SE_RESNET18).torch().state_dict()
        plain = netdsl.load("resnet:ResNet18").torch().state_dict()
    assert {name.partition(".se.")[2] for name in scaled.keys() - plain.keys()} == {
        f"{layer}.{tensor}" for layer in ("fc1", "fc2") for tensor in ("weight", "bias")
    }
    assert [name for name in scaled if ".se." not in name] == list(plain)
    assert scaled["layer4.1.se.fc1.weight"].shape == (512 // 16, 512, 1, 1)


def test_a_bottleneck_has_the_widths_of_torchvision() -> None:
    """The width of a group is rounded down before it is multiplied by the number of groups."""
    net = netdsl.loads("net N { input x: 8x4x4\n bottleneck(40, groups = 3, base = 26) }")
    assert net.torch().state_dict()["0.conv2.weight"].shape == (3 * 16, 16, 3, 3)


def test_a_dense_block_with_dropout() -> None:
    """`drop` puts dropout after both convolutions of each layer; without it there is none."""
    text = "net N {{ input x: 8x4x4\n dense_block(3, growth = 4{more}) }}"
    for more, layers in (("", 0), (", drop = 0.2", 3)):
        kinds = [n.op.kind for n in netdsl.loads(text.format(more=more)).graph.nodes]
        assert kinds.count("dropout") == layers
