"""Auxiliary heads anywhere in a net: they give results in training and do not run in inference."""

from __future__ import annotations

import torch

import netdsl
from tests.support.paths import REGRESS

NET = REGRESS / "heads_in_groups.net"


def test_heads_in_groups_run_only_in_training() -> None:
    """In training, the results of the heads follow the output, in the order of the text.

    `aux_weights` has the same order. In inference, no layer of a head is called.
    """
    net = netdsl.load(str(NET))
    module = net.torch()
    heads = [h.name for h in net.graph.aux]
    assert heads == ["stage0.before", "stage0.after", "stage1.before", "stage1.after", "first.side"]
    assert module.aux_weights == [0.5, 0.25, 0.5, 0.25, 1.0]
    called: list[str] = []
    for name in heads:
        module.get_submodule(name).register_forward_hook(
            lambda _module, _inputs, _output, name=name: called.append(name)
        )
    x = torch.randn(2, 3, 8, 8)
    assert [tuple(y.shape) for y in module.train()(x)] == 6 * [(2, 2)]
    assert called == heads
    called.clear()
    assert tuple(module.eval()(x).shape) == (2, 2)
    assert called == []
    assert net.params == 112 + 148 + 10
