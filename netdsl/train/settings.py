"""The losses, optimizers, schedules and augmentations of a `train` section; imports no torch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from netdsl.data.arguments import (
    Constraint,
    Count,
    Counts,
    Natural,
    NonNegative,
    Numbers,
    Padding,
    Positive,
    PositiveNumbers,
    Probability,
)
from netdsl.errors import EntryPart, SettingError

Smoothing = Annotated[float, Constraint("a number from 0 to below 1", lambda v: 0 <= v < 1)]
Momentum = Annotated[float, Constraint("a number from 0 to below 1", lambda v: 0 <= v < 1)]


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
class CrossEntropy:
    """Cross entropy of the softmax of the logits."""

    label_smoothing: Smoothing = 0.0


@dataclass(frozen=True)
class MSE:
    """Mean squared error: the target is 1 for the image's class and 0 for the others."""


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent."""

    lr: Positive
    momentum: Momentum = 0.0
    weight_decay: NonNegative = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        if self.nesterov and not self.momentum:
            raise SettingError(
                "bad-argument",
                "`nesterov` of `sgd` is true, and its `momentum` is 0",
                help="give it a momentum: `sgd(lr = 0.1, momentum = 0.9, nesterov = true)`",
                part=EntryPart("sgd", "nesterov"),
            )


@dataclass(frozen=True)
class Adam:
    """Adam, with the weight decay added to the gradient."""

    lr: Positive = 1e-3
    weight_decay: NonNegative = 0.0


@dataclass(frozen=True)
class AdamW:
    """Adam, with the weight decay applied to the weights."""

    lr: Positive = 1e-3
    weight_decay: NonNegative = 0.01


@dataclass(frozen=True)
class Constant:
    """A constant learning rate."""


@dataclass(frozen=True)
class Cosine:
    """The learning rate rises linearly for `warmup` epochs, then falls to 0 as half a cosine."""

    warmup: Natural = 0


@dataclass(frozen=True)
class StepDecay:
    """The learning rate is multiplied by `gamma` every `every` epochs."""

    every: Count
    gamma: Positive = 0.1


@dataclass(frozen=True)
class MultiStep:
    """The learning rate is multiplied by `gamma` at the end of each of the epochs `at`."""

    at: Counts
    gamma: Positive = 0.1


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


Loss = CrossEntropy | MSE
Optimizer = SGD | Adam | AdamW
Schedule = Constant | Cosine | StepDecay | MultiStep
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

LOSSES: dict[str, Callable[..., Loss]] = {"cross_entropy": CrossEntropy, "mse": MSE}
OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {"sgd": SGD, "adam": Adam, "adamw": AdamW}
SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "constant": Constant,
    "cosine": Cosine,
    "step": StepDecay,
    "multistep": MultiStep,
}
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
