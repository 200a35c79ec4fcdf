"""The recipe of CifarResNet20 is that of a loop written by hand, to the rounding of the sums."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

import netdsl
from netdsl.data.dataset import Dataset, InputData, Split, TargetData
from netdsl.driver import compile_net, open_program
from netdsl.train.section import read_config
from tests.support.paths import ROOT

COUNT = 140  # two batches, the second one smaller


def test_the_first_steps_are_those_of_a_loop_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Net, order, crops, flips, optimizer and schedule give the same losses in three epochs."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    hand = import_module("by_hand")
    rng = np.random.default_rng(0)
    split = Split.of(
        rng.integers(0, 256, (COUNT, 3, 32, 32), np.uint8), rng.integers(0, 10, COUNT, np.int64)
    )
    image, classes = InputData(True, (0.5,) * 3, (0.25,) * 3), TargetData(tuple("0123456789"))
    dataset = Dataset("tiny", "", {"image": image}, {"label": classes}, split, split)
    compiled = compile_net(open_program(hand.LIBRARY), hand.NET)
    config = read_config(compiled, "fashion_mnist_sample", {"epochs": "3"})
    torch.manual_seed(0)
    module, other = netdsl.load("resnet:CifarResNet20").torch(), hand.ResNet20()
    other.load_state_dict(module.state_dict())
    theirs = hand.by_hand(other, dataset, 3)
    ours = hand.by_netdsl(module, dataset, config, tmp_path)
    for a, b in zip(theirs, ours, strict=True):
        assert a.train_loss == pytest.approx(b.train_loss, rel=1e-3)
