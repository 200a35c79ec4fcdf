"""The schedules of the learning rate in a `train` section; imports no torch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from netdsl.config import BareWord
from netdsl.data.arguments import (
    Constraint,
    Count,
    Counts,
    Natural,
    NonNegative,
    Positive,
    Probability,
    one_of,
)

By = Annotated[BareWord, one_of("epoch", "step")]
EPOCH, STEP = BareWord("epoch"), BareWord("step")
Share = Annotated[float, Constraint("a number above 0 and below 1", lambda v: 0 < v < 1)]
AtLeast1 = Annotated[float, Constraint("a number of at least 1", lambda v: v >= 1)]


@dataclass(frozen=True)
class Constant:
    """A constant learning rate, after a linear rise in the first `warmup` epochs."""

    warmup: NonNegative = 0.0


@dataclass(frozen=True)
class Cosine:
    """The rate falls as half a cosine, from the end of the warm-up to `end` times its value."""

    warmup: NonNegative = 0.0
    end: Probability = 0.0
    by: By = STEP


@dataclass(frozen=True)
class Polynomial:
    """The rate falls to 0 as (1 - t) ** `power`; t is the part of the run after the warm-up."""

    power: Positive = 1.0
    warmup: NonNegative = 0.0
    by: By = STEP


@dataclass(frozen=True)
class OneCycle:
    """The rate rises to `lr` and falls, both as half a cosine; `rise` is the part that rises.

    It begins at `lr` / `start_divisor`, and ends `end_divisor` times lower than that.
    """

    rise: Share = 0.3
    start_divisor: AtLeast1 = 25.0
    end_divisor: AtLeast1 = 1e4
    warmup: NonNegative = 0.0


@dataclass(frozen=True)
class StepDecay:
    """The learning rate is multiplied by `gamma` every `every` epochs or steps."""

    every: Count
    gamma: Positive = 0.1
    warmup: NonNegative = 0.0
    by: By = EPOCH


@dataclass(frozen=True)
class MultiStep:
    """The learning rate is multiplied by `gamma` at the end of each of the epochs or steps `at`."""

    at: Counts
    gamma: Positive = 0.1
    warmup: NonNegative = 0.0
    by: By = EPOCH


@dataclass(frozen=True)
class Exponential:
    """The learning rate is multiplied by `gamma` after every epoch or step."""

    gamma: Positive
    warmup: NonNegative = 0.0
    by: By = EPOCH


@dataclass(frozen=True)
class Plateau:
    """The rate is multiplied by `gamma` after more than `patience` epochs without a lower loss.

    A loss is lower if it is below (1 - `threshold`) times the lowest one. It is that of the
    validation set, or that of training if there is none. The next `cooldown` epochs do not count.
    """

    patience: Natural = 10
    gamma: Positive = 0.1
    threshold: Probability = 1e-4
    cooldown: Natural = 0
    warmup: NonNegative = 0.0


Schedule = Constant | Cosine | Polynomial | OneCycle | StepDecay | MultiStep | Exponential | Plateau
# These spread over all epochs, so a run with another number of epochs has other rates.
SPREAD = (Cosine, Polynomial, OneCycle)

SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "constant": Constant,
    "cosine": Cosine,
    "polynomial": Polynomial,
    "one_cycle": OneCycle,
    "step": StepDecay,
    "multistep": MultiStep,
    "exponential": Exponential,
    "plateau": Plateau,
}
