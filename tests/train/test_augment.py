"""The augmentations: what they change, from which generator they draw, and their masks."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from netdsl.config import SettingCall
from netdsl.data.columns import ArrayColumn
from netdsl.data.dataset import Dataset, Split, TargetData
from netdsl.errors import SettingError
from netdsl.train.augment import build_input
from netdsl.train.feed import Batch
from netdsl.train.order import seed_draws
from tests.support.training import CPU, config, fails, net, run, tiny

if TYPE_CHECKING:
    from pathlib import Path

CALLS = [
    SettingCall("random_crop", (8,), {"pad": 2}),
    SettingCall("random_resized_crop"),
    SettingCall("hflip"),
    SettingCall("vflip"),
    SettingCall("rotation", (30,)),
    SettingCall("scale", ([0.7, 1.3],)),
    SettingCall("shift", (0.3,)),
    SettingCall("shear", (20,)),
    SettingCall("color_jitter", (0.4, 0.4, 0.4, 0.1)),
    SettingCall("gaussian_blur", (3,)),
    SettingCall("random_erasing"),
    SettingCall("rand_augment"),
    SettingCall("mixup"),
    SettingCall("cutmix"),
]


def prepared(call: SettingCall, data: Dataset, seed: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """All training images of a dataset and their targets, as the net gets them."""
    inputs = {"image": torch.from_numpy(data.train.images)}
    targets = {"label": torch.from_numpy(data.train.labels)}
    prepare = build_input(config(augment=[call]).augment, data, CPU)
    seed_draws(seed, CPU)
    (images,), changed = prepare(Batch(inputs, targets))
    return images, changed["label"]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_draws_depend_only_on_the_seed_of_the_step(call: SettingCall) -> None:
    """The same seed gives the same images, whatever other generators do; another gives others."""
    data = tiny(channels=3).normalised_by((0.0,) * 3, (1.0,) * 3)
    plain = torch.from_numpy(data.train.images) / 255
    random.seed(1)
    images, targets = prepared(call, data)
    random.seed(2)
    again, targets_again = prepared(call, data)
    other, _ = prepared(call, data, seed=4)
    assert images.shape == plain.shape and images.dtype == torch.float32
    assert torch.equal(images, again) and torch.equal(targets, targets_again)
    assert not torch.equal(images, other)
    assert not torch.allclose(images, plain)
    assert images.isfinite().all() and images.min() > -1e-5 and images.max() < 1 + 1e-5


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_mixed_images_have_the_shares_of_their_classes(name: str) -> None:
    """The share of a class is the share of the image that comes from it."""
    levels = np.repeat(np.array([0, 128, 255], np.uint8), 32)
    images = np.broadcast_to(levels[:, None, None, None], (96, 1, 8, 8)).copy()
    split = Split.of(images, np.repeat(np.arange(3), 32))
    data = replace(tiny(), train=split, test=split).normalised_by((0.0,), (1.0,))
    mixed, shares = prepared(SettingCall(name, (1.0,)), data)
    assert shares.shape == (96, 3)
    assert torch.allclose(shares.sum(1), torch.ones(96))
    expected = shares @ torch.tensor([0.0, 128 / 255, 1.0])
    assert torch.allclose(mixed.mean((1, 2, 3)), expected, atol=1e-5)
    assert ((shares > 0).sum(1) == 2).any()


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_mixed_classes_can_be_trained(tmp_path: Path, loss: str) -> None:
    """Both losses take shares of classes."""
    setup = config(
        augment=[SettingCall("mixup"), SettingCall("cutmix")], loss=SettingCall(loss), epochs=3
    )
    result = run(net(), tmp_path, setup)
    assert result.final["train_loss"] < result.history[0]["train_loss"]


def with_masks() -> Dataset:
    """Images that are bright where their masks have the class 1; the frame has no class."""
    rng = np.random.default_rng(0)
    masks = np.zeros((16, 12, 12), np.uint8)
    for mask in masks:
        top, left = rng.integers(1, 6, 2)
        mask[top : top + 5, left : left + 5] = 1
    images = np.where(masks[:, None] == 1, 255, 128).astype(np.uint8).repeat(3, 1)
    masks[:, 0] = 255
    split = Split({"image": ArrayColumn(images)}, {"label": ArrayColumn(masks)})
    labels = {"label": TargetData(("a", "b"), 255)}
    data = replace(tiny(channels=3), targets=labels, train=split, test=split)
    return data.normalised_by((0.0,) * 3, (1.0,) * 3)


MOVING = ("random_resized_crop", "hflip", "vflip", "rotation", "scale", "shift", "shear")


@pytest.mark.parametrize("call", [c for c in CALLS if c.name in MOVING], ids=lambda call: call.name)
def test_masks_move_with_their_images(call: SettingCall) -> None:
    """Where the image is bright, the mask has its class; places from outside have no class."""
    images, masks = prepared(call, with_masks())
    values = images[:, 0]
    assert masks.dtype == torch.int64
    assert set(masks.flatten().tolist()) <= {0, 1, 255}
    assert (values[masks == 1] > 0.7).float().mean() > 0.9
    inside = (masks == 0) & (values > 0.25)
    assert ((values[inside] - 128 / 255).abs() < 0.15).float().mean() > 0.85
    outside = values < 0.1
    assert (masks[outside] == 255).float().mean() > 0.9 or not outside.any()


def refused(call: SettingCall, data: Dataset) -> str:
    with pytest.raises(SettingError) as caught:
        build_input(config(augment=[call]).augment, data, CPU)
    assert caught.value.code == "bad-argument"
    assert caught.value.part is not None and caught.value.part.call == call.name
    return caught.value.message


def test_augmentations_that_the_data_does_not_permit() -> None:
    """Grey images have no colours, and the pixels of masks have no shares of classes."""
    assert "are grey" in refused(SettingCall("rand_augment"), tiny())
    assert "are grey" in refused(SettingCall("color_jitter", (), {"hue": 0.1}), tiny())
    assert "one class or number" in refused(SettingCall("mixup"), with_masks())
    images, _ = prepared(SettingCall("color_jitter", (0.3, 0.3)), tiny())
    assert images.shape == (96, 1, 8, 8)


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("scale", {"range": [1.2, 0.8]}),
    ("scale", {"range": [1]}),
    ("random_resized_crop", {"scale": [0.5, 2]}),
    ("shear", {"degrees": 90}),
    ("gaussian_blur", {"kernel": 4}),
    ("color_jitter", {"hue": 0.6}),
    ("mixup", {"alpha": 0}),
    ("rand_augment", {"m": 31}),
]


@pytest.mark.parametrize(("name", "arguments"), WRONG)
def test_wrong_arguments_are_refused(name: str, arguments: dict[str, Any]) -> None:
    """The message has the values that are allowed."""
    error = fails("bad-argument", {"augment": [SettingCall(name, (), arguments)]})
    assert "it must be" in error.message
