"""What a training step needs of a recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from netdsl.train.recipe.losses import OutputLoss
    from netdsl.train.recipe.optimizers import Optimizer

BASE = 1.0  # the share of the step's rate of a weight without a rate of its own


class StepTarget(NamedTuple):
    """The labels of an output: the name of the input, and whether they are classes or numbers.

    Labels of the class `ignored` do not count.
    """

    name: str
    has_classes: bool
    ignored: int | None = None


class Recipe(NamedTuple):
    """The settings of a step.

    `targets` has the labels of each of the losses. `rates` has the learning rate of each weight as
    a share of that of the step, `decayed` the weights with weight decay, and `frozen` those that
    are not trained. `clip_value` and `clip_norm` limit the gradients.
    """

    batch: int
    losses: tuple[OutputLoss, ...]
    targets: tuple[StepTarget, ...]
    optimizer: Optimizer
    rates: dict[str, float]
    decayed: frozenset[str]
    frozen: frozenset[str] = frozenset()
    clip_value: float | None = None
    clip_norm: float | None = None
