"""The augmentations of a `train` section; imports no torch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from netdsl.data.arguments import (
    Constraint,
    Count,
    Numbers,
    Padding,
    PositiveNumbers,
    Probability,
)

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
class Normalize:
    """(value - mean) / std per channel, with these constants instead of the dataset's own.

    It applies to training and test.
    """

    mean: Numbers
    std: PositiveNumbers


Augment = RandomCrop | HFlip | RandomErasing | Rotation | Normalize

AUGMENTS: dict[str, Callable[..., Augment]] = {
    "random_crop": RandomCrop,
    "hflip": HFlip,
    "random_erasing": RandomErasing,
    "rotation": Rotation,
    "normalize": Normalize,
}
