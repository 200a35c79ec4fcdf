"""Receptive fields, compared with a slow and obvious way to find them."""

from __future__ import annotations

import pytest
import torch

import netdsl
from netdsl.analysis.receptive import receptive_fields
from netdsl.ir.types import Sym
from tests.support.back_ends import randomise
from tests.support.small_nets import net_with

SEEN = {
    "conv(2, 3)": 3,
    "conv(2, 3, pad = 1) -> relu": 3,
    "conv(2, 5, stride = 2)": 5,
    "conv(2, 3, dilation = 4)": 9,
    "conv(2, 3) -> conv(2, 3)": 5,
    "relu": 1,
    "lrn(3) -> bn": 1,
    "conv(2, 3, stride = 2) -> conv(2, 3)": 7,
    "conv(2, 3, stride = 2) -> conv(2, 3, stride = 3) -> maxpool(2)": 13,
    "maxpool(3, stride = 2) -> avgpool(2)": 5,
    "maxpool(2) -> maxpool(2) -> maxpool(2)": 8,
    "conv(2, 7, stride = 2, pad = 3) -> maxpool(3, stride = 2, pad = 1)": 11,
    "maxpool(2) -> upsample(2) -> conv(2, 3)": 4,
    "deconv(2, 4, stride = 2, pad = 1)": 2,
    "residual { conv(2, 3, pad = 1) -> conv(2, 3, pad = 1) }": 5,
    "add { | conv(2, 3, pad = 1) | conv(2, 7, pad = 3) }": 7,
    "concat { | conv(2, 3, pad = 2, dilation = 2) -> conv(2, 3, pad = 1) | conv(2, 5, pad = 2) }": (
        7
    ),
    "add { | pad([(4, 0)]) -> conv(2, 5) | conv(2, 3, pad = 1) }": 6,
    "add { | pad([(3, 0)]) | pad([(0, 3)]) }": 4,
    "conv(2, 3, stride = 2, pad = 1) -> add { | pad([(2, 0)]) -> conv(2, 3) | identity }": 7,
    "concat { | maxpool(2) | conv(2, 4, stride = 2, pad = 1) }": 4,
    "concat { | slice(2, 40, axis = 2) | slice(0, 38, axis = 2) } -> conv(2, 2)": 4,
    "gap": 48,
    "conv(2, 3) -> flatten -> dense(3) -> relu": 48,
    "residual { | gap | conv(2, 1) }": 48,
}


def seen(net: netdsl.Net, size: int) -> int:
    """The largest number of inputs that one output depends on.

    A NaN at one input makes every output NaN that depends on this input.
    """
    x = torch.ones(size, 2, size)
    for i in range(size):
        x[i, :, i] = torch.nan
    with torch.no_grad():
        unknown = (
            randomise(net.torch())(x).isnan().flatten(2).any(1)
            if net.outputs[0].value.type.spatial
            else randomise(net.torch())(x).isnan()
        )
    places = [column.nonzero().flatten() for column in unknown.T]
    return max(int(p.max() - p.min()) + 1 for p in places)


@pytest.mark.parametrize("body", SEEN)
def test_receptive_fields(body: str) -> None:
    """The receptive field has the size counted by hand, and a NaN spreads just as far."""
    net = net_with(body, "2x48")
    assert receptive_fields(net.graph)[-1] == (SEEN[body],)
    assert seen(net, 48) == SEEN[body]


def test_receptive_fields_between_inputs() -> None:
    """Receptive fields along several axes, of several inputs, and of vectors.

    Each axis has its own field. A layer that joins several inputs has the field of the first. A
    vector has no field until a layer depends on all of it.
    """
    assert [
        receptive_fields(net_with(body, *shapes).graph)[-1]
        for body, shapes in (
            ("conv(2, [3, 1], stride = [2, 1]) -> maxpool([1, 2])", ["2x9x9"]),
            ("conv(2, 3) -> upsample(2) -> conv(2, 5)", ["2x9x9x9"]),
            ("conv(2, 3, pad = 1) -> add(@x1)", ["2x9", "2x9"]),
            ("conv(2, 3)\na: conv(2, 3)\n@x1 -> conv(2, 2) -> add(@a)", ["2x9", "2x6"]),
            ("relu", ["7"]),
            ("relu -> dense(2)", ["7"]),
            ("dense(2) -> relu", ["Tx7"]),
            ("gap -> conv(2, 1)", ["3xHxW"]),
            ("embedding(9, 4) -> relu", ["5x3 int64"]),
            ("conv(2, 3) -> add { | gap | identity }", ["3x9x9"]),
        )
    ] == [(3, 2), (5, 5, 5), (3,), (2,), (), (7,), (7,), (Sym.var("H"), Sym.var("W")), (1,), (9, 9)]
