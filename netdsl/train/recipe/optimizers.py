"""The optimizers of a `train` section; imports no torch."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from netdsl.data.arguments import Constraint, Names, NonNegative, PerWeight, Positive
from netdsl.errors import EntryPart, SettingError
from netdsl.train.selection import Selection

BETAS = (0.9, 0.999)
REST = "rest"  # the weights that no pair of `lr` names


def _are_rates(value: PerWeight) -> bool:
    if isinstance(value, float):
        return value > 0
    names = [name for name, _ in value]
    return bool(value) and len({*names}) == len(names) and all(rate > 0 for _, rate in value)


Momentum = Annotated[float, Constraint("a number of at least 0 and below 1", lambda v: 0 <= v < 1)]
Betas = Annotated[
    tuple[float, float],
    Constraint(
        "a list of two numbers of at least 0 and below 1", lambda v: all(0 <= b < 1 for b in v)
    ),
]
Rates = Annotated[
    PerWeight,
    Constraint("a number above 0, or a list of pairs with such numbers", _are_rates),
]


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent."""

    lr: Rates
    momentum: Momentum = 0.0
    weight_decay: NonNegative = 0.0
    nesterov: bool = False
    no_decay: Names = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        if self.nesterov and not self.momentum:
            raise SettingError(
                "bad-argument",
                "`nesterov` of `sgd` is true, but its `momentum` is 0",
                help="give it a momentum: `sgd(lr = 0.1, momentum = 0.9, nesterov = true)`",
                part=EntryPart("sgd", "nesterov"),
            )


@dataclass(frozen=True)
class Adam:
    """Adam, with the weight decay added to the gradient.

    `betas` are the decays of the running means of the gradient and of its squares, and `eps` is
    added to the root of the latter.
    """

    lr: Rates = 1e-3
    weight_decay: NonNegative = 0.0
    betas: Betas = field(default=BETAS, kw_only=True)
    eps: Positive = field(default=1e-8, kw_only=True)
    no_decay: Names = field(default=(), kw_only=True)


@dataclass(frozen=True)
class AdamW:
    """Adam, with the weight decay applied to the weights."""

    lr: Rates = 1e-3
    weight_decay: NonNegative = 0.01
    betas: Betas = field(default=BETAS, kw_only=True)
    eps: Positive = field(default=1e-8, kw_only=True)
    no_decay: Names = field(default=(), kw_only=True)


@dataclass(frozen=True)
class RMSprop:
    """RMSprop: the gradient over the root of a running mean of its squares, plus `eps`.

    `alpha` is the decay of that mean.
    """

    lr: Rates = 1e-2
    alpha: Momentum = 0.99
    momentum: Momentum = 0.0
    weight_decay: NonNegative = 0.0
    eps: Positive = field(default=1e-8, kw_only=True)
    no_decay: Names = field(default=(), kw_only=True)


@dataclass(frozen=True)
class Muon:
    """Muon for weights with two axes, with updates as large as those of AdamW; AdamW for others.

    Jordan et al., "Muon: an optimizer for hidden layers", 2024, scaled as in Liu et al., "Muon is
    scalable for LLM training", 2025.
    """

    lr: Rates = 1e-3
    momentum: Momentum = 0.95
    weight_decay: NonNegative = 0.1
    nesterov: bool = True
    no_decay: Names = field(default=(), kw_only=True)


Optimizer = SGD | Adam | AdamW | RMSprop | Muon

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "sgd": SGD,
    "adam": Adam,
    "adamw": AdamW,
    "rmsprop": RMSprop,
    "muon": Muon,
}


def weight_values(optimizer: Optimizer, selection: Selection) -> dict[str, tuple[float, float]]:
    """The learning rate and the weight decay of each weight; raises as `Selection` does."""
    name = next(name for name, kind in OPTIMIZERS.items() if kind is type(optimizer))
    if isinstance(optimizer.lr, float):
        rates = dict.fromkeys(selection.kinds, optimizer.lr)
    else:
        rates = selection.values(optimizer.lr, "optimizer", EntryPart(name, "lr"), REST)
    spared = {
        weight
        for chosen in optimizer.no_decay
        for weight in selection.weights(chosen, "optimizer", EntryPart(name, "no_decay"))
    }
    return {
        weight: (rate, 0.0 if weight in spared else optimizer.weight_decay)
        for weight, rate in rates.items()
    }
