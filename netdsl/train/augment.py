"""Augments images on the training device, and prepares them for the net.

Everything random is drawn from PyTorch's generators, which every step seeds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import kornia.augmentation as kornia
import torch
from kornia.augmentation.auto import RandAugment
from torch import Tensor, nn

from netdsl.train import settings
from netdsl.train.permitted import MIXED, check_kind, kind_of

if TYPE_CHECKING:
    from netdsl.data.dataset import Dataset, InputData, TargetData
    from netdsl.train.feed import Batch
    from netdsl.train.portion import Portion

Prepare = Callable[["Batch"], tuple[list[Tensor], dict[str, Tensor]]]
Stage = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]  # from images and targets to the same
Change = Callable[[nn.Module], nn.Module]


def mixes(augment: tuple[settings.Augment, ...]) -> bool:
    """Whether the augmentations mix samples, so that a share of a batch needs all the others."""
    return any(isinstance(item, MIXED) for item in augment)


def build_input(
    augment: tuple[settings.Augment, ...],
    dataset: Dataset,
    device: torch.device,
    portion: Portion | None = None,
) -> Prepare:
    """A function that turns a batch into the inputs of the net in training, and the targets.

    With a `portion`, the batch has only the samples of that.

    It maps images N x C x H x W of bytes to float32 of the same shape. Pixels are scaled to 0..1,
    then the augmentations run in the order of the list; normalisation is the last one unless the
    list contains it. The first target moves with its image, if it is a mask. After `mixup` and
    `cutmix`, it has the shares of the classes, N x K.

    Raises SettingError `bad-argument` for an augmentation that the data does not permit.
    """
    check_kind(augment, kind_of(dataset))
    stages = {
        name: _stages(augment, given, dataset, device, portion)
        for name, given in dataset.inputs.items()
        if given.is_image
    }

    first = next(iter(dataset.targets))

    def run(batch: Batch) -> tuple[list[Tensor], dict[str, Tensor]]:
        inputs = []
        targets = {name: as_target(batch.targets[name]) for name in dataset.targets}
        for name in dataset.inputs:
            values = batch.inputs[name]
            if name in stages:
                images, targets[first] = stages[name](values.float() / 255, targets[first])
                inputs.append(images)
            else:
                inputs.append(values.float() if values.is_floating_point() else values.long())
        return inputs, targets

    return run


def as_target(values: Tensor) -> Tensor:
    """A target as losses take it: classes as int64, numbers as they are."""
    return values if values.is_floating_point() else values.long()


def _stages(
    augment: tuple[settings.Augment, ...],
    given: InputData,
    dataset: Dataset,
    device: torch.device,
    portion: Portion | None,
) -> Stage:
    """All that is done to the images of one input."""
    mean, std = (torch.tensor(v, device=device)[:, None, None] for v in (given.mean, given.std))
    normalise = _Normalise(mean, std)
    divide = (lambda change: change) if portion is None else portion.divide
    stages = [_stage(item, normalise, dataset, divide) for item in augment]
    if not any(isinstance(item, settings.Normalize) for item in augment):
        stages.append(_images_only(normalise))

    def run(images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        for stage in stages:
            images, targets = stage(images, targets)
        return images, targets

    return run


class _Normalise(nn.Module):
    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.mean, self.std = mean, std

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std


def _stage(item: settings.Augment, normalise: nn.Module, dataset: Dataset, divide: Change) -> Stage:
    """What one augmentation does; `divide` is applied to those of kornia."""
    match item:
        case settings.Normalize():
            return _images_only(normalise)
        case settings.MixUp(alpha=alpha):
            return _mix_up(alpha, dataset.target)
        case settings.CutMix(alpha=alpha):
            return _cut_mix(alpha, dataset.target)
        case settings.RandomErasing() | settings.ColorJitter() | settings.GaussianBlur():
            return _images_only(divide(_of_pixels(item)))
        case settings.RandAugment(n=n, m=m):
            return _with_mask(divide(RandAugment(n=n, m=m)), dataset.target)
    return _with_mask(divide(_geometric(item, dataset.shape[-2:])), dataset.target)


def _of_pixels(
    item: settings.RandomErasing | settings.ColorJitter | settings.GaussianBlur,
) -> nn.Module:
    """An augmentation that changes pixels in their places."""
    chosen: nn.Module
    match item:
        case settings.RandomErasing(p=p):
            chosen = kornia.RandomErasing(p=p)
        case settings.ColorJitter():
            parts = (item.brightness, item.contrast, item.saturation, item.hue)
            chosen = kornia.ColorJitter(*parts)
        case settings.GaussianBlur(kernel=kernel, sigma=sigma, p=p):
            chosen = kornia.RandomGaussianBlur((kernel, kernel), sigma, p=p)
    return chosen


def _geometric(item: settings.Augment, size: tuple[int, ...]) -> nn.Module:
    """An augmentation that moves pixels."""
    chosen: nn.Module
    match item:
        case settings.RandomCrop(size=side, pad=pad):
            chosen = kornia.RandomCrop((side, side), padding=pad or None)
        case settings.RandomResizedCrop(scale=scale, ratio=ratio):
            chosen = kornia.RandomResizedCrop(size, scale, ratio, align_corners=False)
        case settings.HFlip():
            chosen = kornia.RandomHorizontalFlip(p=0.5)
        case settings.VFlip():
            chosen = kornia.RandomVerticalFlip(p=0.5)
        case settings.Rotation(degrees=degrees):
            chosen = kornia.RandomRotation(degrees, p=1.0)
        case settings.Scale(range=factors):
            chosen = kornia.RandomAffine(0.0, scale=factors, p=1.0)
        case settings.Shift(share=share):
            chosen = kornia.RandomAffine(0.0, translate=(share, share), p=1.0)
        case settings.Shear(degrees=degrees):
            bounds = (-degrees, degrees)
            chosen = kornia.RandomShear((*bounds, *bounds), p=1.0)
    return chosen


def _images_only(change: Callable[[Tensor], Tensor]) -> Stage:
    return lambda images, targets: (change(images), targets)


def _with_mask(change: nn.Module, target: TargetData) -> Stage:
    """Move a mask, N x H x W, with its images; places from outside get the ignored class."""
    if target.ignored is None:
        return _images_only(change)
    parts: list[Any] = [change]  # kornia's annotations leave out its own policies
    both = kornia.AugmentationSequential(*parts, data_keys=["input", "mask"])
    ignored = target.ignored

    def run(images: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        # Places from outside become 0, so classes begin at 1 here.
        shifted = torch.where(masks == ignored, 0, masks + 1)[:, None].float()
        images, moved = both(images, shifted)
        numbers = moved[:, 0].round().long()
        return images, torch.where(numbers == 0, ignored, numbers - 1)

    return run


def _shares(targets: Tensor, target: TargetData) -> Tensor:
    """Labels N as shares of the classes, N x K; numbers and shares as they are."""
    if targets.is_floating_point():
        return targets
    return nn.functional.one_hot(targets, len(target.classes)).float()


def _mix_up(alpha: float, target: TargetData) -> Stage:
    """Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018: one weight for a batch."""

    def run(images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        weight = float(torch.distributions.Beta(alpha, alpha).sample())
        order = torch.randperm(len(images)).to(images.device)
        shares = _shares(targets, target)
        return images.lerp(images[order], 1 - weight), shares.lerp(shares[order], 1 - weight)

    return run


def _cut_mix(alpha: float, target: TargetData) -> Stage:
    """Yun et al., "CutMix", 2019: a rectangle of each image comes from another one of the batch."""

    def run(images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        height, width = images.shape[-2:]
        side = (1 - float(torch.distributions.Beta(alpha, alpha).sample())) ** 0.5
        order = torch.randperm(len(images)).to(images.device)
        y, x = (torch.rand(2) * torch.tensor([height, width])).long().tolist()
        half_height, half_width = round(height * side / 2), round(width * side / 2)
        rows = slice(max(0, y - half_height), y + half_height)
        columns = slice(max(0, x - half_width), x + half_width)
        mixed = images.clone()
        mixed[..., rows, columns] = images[order][..., rows, columns]
        share = mixed[0, 0, rows, columns].numel() / (height * width)
        shares = _shares(targets, target)
        return mixed, shares.lerp(shares[order], share)

    return run
