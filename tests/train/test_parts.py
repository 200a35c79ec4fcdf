"""The augmentations and the normalisation."""

from pathlib import Path

import numpy as np
import pytest
import torch

from netdsl.config import SettingCall
from netdsl.data.dataset import Dataset
from netdsl.errors import SettingError
from netdsl.train.augment import build_input
from netdsl.train.config import TrainConfig
from netdsl.train.feed import Batch
from tests.support.training import CPU, config, net, run, tiny


def prepared(augment: list[SettingCall], images: torch.Tensor, data: Dataset) -> torch.Tensor:
    torch.manual_seed(0)
    return prepared_by(config(augment=augment), images, data)


def prepared_by(setup: TrainConfig, images: torch.Tensor, data: Dataset) -> torch.Tensor:
    batch = Batch({"image": images}, {"label": torch.zeros(len(images), dtype=torch.int64)})
    inputs, _ = build_input(setup.augment, data, CPU)(batch)
    return inputs[0]


def test_input_without_augmentation_is_that_of_the_test() -> None:
    data = tiny()
    images = torch.from_numpy(data.train.images)
    assert np.allclose(
        prepared([], images, data).numpy(), data.normalise(data.train.images), atol=1e-6
    )


def test_augmentations() -> None:
    data = tiny().normalised_by((0.0,), (1.0,))
    ramp = torch.arange(64, dtype=torch.uint8).reshape(1, 1, 8, 8).repeat(64, 1, 1, 1) + 100
    plain = ramp / 255
    flipped = prepared([SettingCall("hflip")], ramp, data)
    same = torch.isclose(flipped, plain).flatten(1).all(1)
    mirrored = torch.isclose(flipped, plain.flip(3)).flatten(1).all(1)
    assert (same ^ mirrored).all() and 16 < mirrored.sum() < 48
    cropped = prepared([SettingCall("random_crop", (8, 2))], ramp, data)
    shifts = {tuple(torch.nonzero(image[0])[0].tolist()) for image in cropped}
    assert cropped.shape == ramp.shape and len(shifts) >= 9
    erased = prepared([SettingCall("random_erasing", (), {"p": 1})], ramp, data)
    assert ((erased == 0).flatten(1).sum(1) > 0).all()
    assert torch.allclose(erased[erased != 0], plain[erased != 0])
    turned = prepared([SettingCall("rotation", (45,))], ramp, data)
    assert not torch.isclose(turned, plain).flatten(1).all(1).any()
    assert len({tuple(image.flatten().tolist()) for image in turned}) == 64


def test_normalize_replaces_the_constants_in_training_and_test() -> None:
    setup = config(
        augment=[SettingCall("normalize", ([0.5], [0.25])), SettingCall("random_erasing", (1,))]
    )
    data = setup.adapt(tiny())
    assert (data.mean, data.std) == ((0.5,), (0.25,))
    images = torch.full((4, 1, 8, 8), 255, dtype=torch.uint8)
    # Augmentations after `normalize` work on normalised values: erased pixels are 0, others 2.
    values = prepared_by(setup, images, data)
    assert set(values.flatten().tolist()) == {0.0, 2.0}
    with pytest.raises(
        SettingError, match="`mean` of `normalize` has 1 value, but the images of tiny have 3"
    ):
        setup.adapt(tiny(channels=3))


def test_crop_must_keep_the_size(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="makes 6x6 images, but those of tiny are 8x8"):
        run(net(), tmp_path, config(augment=[SettingCall("random_crop", (6,))]))
