"""Builds the augmentations of a run, and its input."""

from collections.abc import Callable

import kornia.augmentation as kornia
import torch
from torch import Tensor

from netdsl.data.dataset import Dataset
from netdsl.train import settings

Stage = Callable[[Tensor], Tensor]


def build_input(
    augment: tuple[settings.Augment, ...], dataset: Dataset, device: torch.device
) -> Stage:
    """A function that turns uint8 images into the input of the net in training.

    It maps N x C x H x W to float32 of the same shape. Pixels are scaled to 0..1, then the
    augmentations run in the order of the list; normalisation is the last one unless the list
    contains it.
    """
    mean = torch.tensor(dataset.mean, device=device)[:, None, None]
    std = torch.tensor(dataset.std, device=device)[:, None, None]
    stages = [_stage(item, mean, std) for item in augment]
    if not any(isinstance(item, settings.Normalize) for item in augment):
        stages.append(_normalise(mean, std))

    def run(images: Tensor) -> Tensor:
        values = images.float() / 255
        for stage in stages:
            values = stage(values)
        return values

    return run


def _stage(item: settings.Augment, mean: Tensor, std: Tensor) -> Stage:
    stage: Stage
    match item:
        case settings.RandomCrop(size=size, pad=pad):
            stage = kornia.RandomCrop((size, size), padding=pad or None)
        case settings.HFlip():
            stage = kornia.RandomHorizontalFlip(p=0.5)
        case settings.RandomErasing(p=p):
            stage = kornia.RandomErasing(p=p)
        case settings.Rotation(degrees=degrees):
            stage = kornia.RandomRotation(degrees, p=1.0)
        case settings.Normalize():
            stage = _normalise(mean, std)
    return stage


def _normalise(mean: Tensor, std: Tensor) -> Stage:
    return lambda images: (images - mean) / std
