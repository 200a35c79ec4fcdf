"""What a run keeps in memory does not grow with the data that it tests."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef

from netdsl.config import SettingCall
from netdsl.data.columns import ArrayColumn
from netdsl.data.dataset import Split, TargetData
from tests.support.training import config, run, tiny

if TYPE_CHECKING:
    from pathlib import Path


class Counting(nn.Module):
    """Counts, whenever it is tested, how many of its earlier results are still in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, 3, 1)
        self.results: list[StorageWeakRef] = []
        self.alive: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        if not self.training:
            self.alive.append(sum(not one.expired() for one in self.results))  # type: ignore[no-untyped-call]
        scores: Tensor = self.layer(images)
        if not self.training:
            self.results.append(StorageWeakRef(scores.untyped_storage()))  # type: ignore[no-untyped-call]
        return scores


def test_tests_keep_one_batch_of_scores(tmp_path: Path) -> None:
    """Training, validation and test data are measured batch by batch, masks as well."""
    data = tiny()
    masks = ArrayColumn(np.random.default_rng(0).integers(0, 3, (96, 8, 8)))
    split = Split(data.train.inputs, {"mask": masks})
    classes = {"mask": TargetData(("a", "b", "c"), 255)}
    data = replace(data, targets=classes, train=split, test=split, val=split)
    torch.manual_seed(0)
    module = Counting()
    metrics = [SettingCall("accuracy"), SettingCall("mean_iou"), SettingCall("f1")]
    result = run(module, tmp_path, config(batch=4, train_metrics=True, metrics=metrics), data)
    assert len(module.alive) == 1 + 2 * 3 * 24  # with the probe, for 2 epochs and 3 splits
    assert max(module.alive) <= 1
    assert {"train_mean_iou", "val_f1", "accuracy"} <= result.final.keys()
