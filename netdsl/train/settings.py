"""The augmentations of a `train` section; imports no torch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from netdsl.data.arguments import (
    Constraint,
    Count,
    Numbers,
    Padding,
    Positive,
    PositiveNumbers,
    Probability,
)


def _is_range(values: tuple[float, ...]) -> bool:
    return len(values) == 2 and 0 < values[0] <= values[1]


Range = Annotated[
    tuple[float, ...],
    Constraint("a list of two numbers above 0, the smaller one first", _is_range),
]
ShareRange = Annotated[
    tuple[float, ...],
    Constraint(
        "a list of two numbers above 0 and at most 1, the smaller one first",
        lambda v: _is_range(v) and v[1] <= 1,
    ),
]
Odd = Annotated[int, Constraint("an odd integer from 3 to 99", lambda v: v in range(3, 100, 2))]
Degrees = Annotated[float, Constraint("a number above 0 and at most 180", lambda v: 0 < v <= 180)]


@dataclass(frozen=True)
class RandomCrop:
    """A random `size` x `size` crop of the image, padded with `pad` zero pixels on each side."""

    size: Count
    pad: Padding = 0


@dataclass(frozen=True)
class HFlip:
    """A horizontal flip of half of the images, chosen at random."""


@dataclass(frozen=True)
class RandomErasing:
    """A random rectangle of 2 to 33 % of the image is set to 0, with probability `p`."""

    p: Probability = 0.5


@dataclass(frozen=True)
class Rotation:
    """A rotation by a random angle between -`degrees` and `degrees`."""

    degrees: Degrees


@dataclass(frozen=True)
class RandomResizedCrop:
    """A random rectangle of the image, enlarged to the size of the image.

    `scale` is the range of its area as a share of the image, and `ratio` that of width by height.
    """

    scale: ShareRange = (0.08, 1.0)
    ratio: Range = (0.75, 4 / 3)


@dataclass(frozen=True)
class VFlip:
    """A vertical flip of half of the images, chosen at random."""


@dataclass(frozen=True)
class Scale:
    """The image is made larger or smaller by a random factor of this range."""

    range: Range


@dataclass(frozen=True)
class Shift:
    """A random shift in each direction by up to this share of the image."""

    share: Probability


@dataclass(frozen=True)
class Shear:
    """A random shear in each direction by an angle between -`degrees` and `degrees`."""

    degrees: Annotated[float, Constraint("a number above 0 and below 90", lambda v: 0 < v < 90)]


@dataclass(frozen=True)
class ColorJitter:
    """Random changes in random order.

    Brightness, contrast and saturation are multiplied by a factor from 1 - x to 1 + x; the hue
    turns by up to this share of a circle.
    """

    brightness: Probability = 0.0
    contrast: Probability = 0.0
    saturation: Probability = 0.0
    hue: Annotated[float, Constraint("a number from 0 to 0.5", lambda v: 0 <= v <= 0.5)] = 0.0


@dataclass(frozen=True)
class GaussianBlur:
    """A blur with a random `sigma` of this range, with probability `p`."""

    kernel: Annotated[
        int, Constraint("an odd integer from 3 to 99", lambda v: 3 <= v <= 99 and v % 2)
    ]
    sigma: Range = (0.1, 2.0)
    p: Probability = 0.5


@dataclass(frozen=True)
class RandAugment:
    """`n` random changes of the strength `m` (Cubuk et al. 2020)."""

    n: Annotated[int, Constraint("an integer from 1 to 10", lambda v: 1 <= v <= 10)] = 2
    m: Annotated[int, Constraint("an integer from 1 to 30", lambda v: 1 <= v <= 30)] = 9


@dataclass(frozen=True)
class MixUp:
    """Every image and its class are mixed with those of another image of the batch."""

    alpha: Positive = 0.2


@dataclass(frozen=True)
class CutMix:
    """A rectangle of every image is replaced by that of another image of the batch."""

    alpha: Positive = 1.0


@dataclass(frozen=True)
class Normalize:
    """(value - mean) / std per channel, with these constants instead of the dataset's own.

    It applies to training and test.
    """

    mean: Numbers
    std: PositiveNumbers


Augment = (
    RandomCrop
    | RandomResizedCrop
    | HFlip
    | VFlip
    | Rotation
    | Scale
    | Shift
    | Shear
    | ColorJitter
    | GaussianBlur
    | RandomErasing
    | RandAugment
    | MixUp
    | CutMix
    | Normalize
)

AUGMENTS: dict[str, Callable[..., Augment]] = {
    "random_crop": RandomCrop,
    "random_resized_crop": RandomResizedCrop,
    "hflip": HFlip,
    "vflip": VFlip,
    "rotation": Rotation,
    "scale": Scale,
    "shift": Shift,
    "shear": Shear,
    "color_jitter": ColorJitter,
    "gaussian_blur": GaussianBlur,
    "random_erasing": RandomErasing,
    "rand_augment": RandAugment,
    "mixup": MixUp,
    "cutmix": CutMix,
    "normalize": Normalize,
}


def name_of(augment: Augment) -> str:
    """The name of an augmentation in a section."""
    return next(name for name, kind in AUGMENTS.items() if kind is type(augment))
