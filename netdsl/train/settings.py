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
class Normalize:
    """(value - mean) / std per channel, with these constants instead of the dataset's own.

    It applies to training and test.
    """

    mean: Numbers
    std: PositiveNumbers


Loss = CrossEntropy | MSE
Optimizer = SGD | Adam | AdamW
Schedule = Constant | Cosine | StepDecay | MultiStep
Augment = RandomCrop | HFlip | RandomErasing | Rotation | Normalize

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
    "hflip": HFlip,
    "random_erasing": RandomErasing,
    "rotation": Rotation,
    "normalize": Normalize,
}
