"""What a `train` section can name, with the arguments; no torch is imported to check them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

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
from netdsl.errors import SettingError

Smoothing = Annotated[float, Constraint("a number from 0 to below 1", lambda v: 0 <= v < 1)]
Momentum = Annotated[float, Constraint("a number from 0 to below 1", lambda v: 0 <= v < 1)]
Degrees = Annotated[float, Constraint("a number above 0 and at most 180", lambda v: 0 < v <= 180)]


@dataclass(frozen=True)
class CrossEntropy:
    """Cross entropy of the softmax of the logits."""

    label_smoothing: Smoothing = 0.0


@dataclass(frozen=True)
class MSE:
    """Mean squared distance of the outputs from 1 for the image's class and 0 for the others."""


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
                "bad-argument", "`nesterov` of `sgd` is true, and its `momentum` is 0"
            )


@dataclass(frozen=True)
class Adam:
    """Adam; the weight decay is added to the gradient."""

    lr: Positive = 1e-3
    weight_decay: NonNegative = 0.0


@dataclass(frozen=True)
class AdamW:
    """Adam with the weight decay applied to the weights."""

    lr: Positive = 1e-3
    weight_decay: NonNegative = 0.01


@dataclass(frozen=True)
class Constant:
    """The same learning rate throughout."""


@dataclass(frozen=True)
class Cosine:
    """Half a cosine from the learning rate to 0, after a linear rise over `warmup` epochs."""

    warmup: Natural = 0


@dataclass(frozen=True)
class StepDecay:
    """The learning rate times `gamma` every `every` epochs."""

    every: Count
    gamma: Positive = 0.1


@dataclass(frozen=True)
class MultiStep:
    """The learning rate times `gamma` at the end of each of the epochs `at`."""

    at: Counts
    gamma: Positive = 0.1


@dataclass(frozen=True)
class RandomCrop:
    """A `size` x `size` piece at a random place, of the image with `pad` pixels of zero on each
    side.
    """

    size: Count
    pad: Padding = 0


@dataclass(frozen=True)
class HFlip:
    """Left and right exchanged for half of the images."""


@dataclass(frozen=True)
class RandomErasing:
    """A random rectangle of 2 to 33 % of the image set to 0, in a share `p` of the images."""

    p: Probability = 0.5


@dataclass(frozen=True)
class Rotation:
    """A turn by a random angle of at most `degrees` either way."""

    degrees: Degrees


@dataclass(frozen=True)
class Normalize:
    """(value - mean) / std per channel in place of the dataset's own constants, in training and
    test.
    """

    mean: Numbers
    std: PositiveNumbers


Loss = CrossEntropy | MSE
Optimizer = SGD | Adam | AdamW
Schedule = Constant | Cosine | StepDecay | MultiStep
Augment = RandomCrop | HFlip | RandomErasing | Rotation | Normalize

LOSSES: dict[str, Callable[..., Any]] = {"cross_entropy": CrossEntropy, "mse": MSE}
OPTIMIZERS: dict[str, Callable[..., Any]] = {"sgd": SGD, "adam": Adam, "adamw": AdamW}
SCHEDULES: dict[str, Callable[..., Any]] = {
    "constant": Constant,
    "cosine": Cosine,
    "step": StepDecay,
    "multistep": MultiStep,
}
AUGMENTS: dict[str, Callable[..., Any]] = {
    "random_crop": RandomCrop,
    "hflip": HFlip,
    "random_erasing": RandomErasing,
    "rotation": Rotation,
    "normalize": Normalize,
}
