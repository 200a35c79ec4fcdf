"""Emits the update of one weight by the optimizer of a recipe, as `torch.optim` computes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeGuard

from netdsl.errors import SettingError
from netdsl.train.recipe.optimizers import SGD, Adam, AdamW, RMSprop

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netdsl.backends.onnx.differentiate import Differentiator
    from netdsl.train.recipe.optimizers import Optimizer

COUNT = "step"  # the number of updates so far


class Hyper(NamedTuple):
    """The names of the inputs that the user can change at every step.

    `momentum` is empty for an optimizer without one, and `decay` for a weight that has none.
    """

    rate: str
    momentum: str
    decay: str


class Update(NamedTuple):
    """The new weight, and the new values of its slots by their names."""

    weight: str
    slots: dict[str, str]


def slots_of(optimizer: Optimizer) -> tuple[str, ...]:
    """What the optimizer keeps for each weight, all zeros at the start."""
    match optimizer:
        case SGD():
            return ("momentum",)
        case Adam() | AdamW():
            return ("mean", "square")
        case RMSprop(momentum=momentum):
            return ("square", "momentum") if momentum else ("square",)
    message = "`muon` cannot be exported as a training step yet"
    raise SettingError(
        "bad-argument", message, "optimizer", "the step has `sgd`, `adam`, `adamw` and `rmsprop`"
    )


def hyper_of(optimizer: Optimizer) -> dict[str, float]:
    """What the user can change at every step, by name, with the values of the recipe.

    The rate is the largest one, if weights have rates of their own.
    """
    rates = optimizer.lr
    rate = rates if isinstance(rates, float) else max(rate for _, rate in rates)
    given = {"rate": rate, "decay": optimizer.weight_decay}
    if "momentum" in slots_of(optimizer):
        given["momentum"] = float(getattr(optimizer, "momentum", 0.0))
    return given


def counts_updates(optimizer: Optimizer) -> TypeGuard[Adam | AdamW]:
    """Whether an update depends on the number of updates so far."""
    return isinstance(optimizer, Adam | AdamW)


class Corrections(NamedTuple):
    """What Adam's means are divided by: 1 - beta ** step; the second is its root."""

    mean: str
    root: str


def corrections(g: Differentiator, optimizer: Adam | AdamW, count: str) -> Corrections:
    """Emit the corrections for an update with that number, counted from 1."""
    first, second = (
        g.op("Sub", g.floats(1.0), g.op("Pow", g.floats(beta), count)) for beta in optimizer.betas
    )
    return Corrections(first, g.op("Sqrt", second))


def emit_update(
    g: Differentiator,
    optimizer: Optimizer,
    weight: str,
    gradient: str,
    slots: Mapping[str, str],
    hyper: Hyper,
    corrected: Corrections | None,
) -> Update:
    """The update of a weight by its gradient."""
    if hyper.decay and not isinstance(optimizer, AdamW):
        gradient = g.op("Add", gradient, g.op("Mul", weight, hyper.decay))
    match optimizer:
        case SGD(nesterov=nesterov):
            velocity = g.op("Add", g.op("Mul", slots["momentum"], hyper.momentum), gradient)
            step = velocity
            if nesterov:
                step = g.op("Add", gradient, g.op("Mul", velocity, hyper.momentum))
            return Update(_moved(g, weight, step, hyper.rate), {"momentum": velocity})
        case Adam() | AdamW():
            assert corrected is not None
            if hyper.decay and isinstance(optimizer, AdamW):
                weight = _moved(g, weight, g.op("Mul", weight, hyper.decay), hyper.rate)
            return _adam(g, optimizer, weight, gradient, slots, hyper, corrected)
        case RMSprop():
            return _rmsprop(g, optimizer, weight, gradient, slots, hyper)
    raise TypeError(optimizer)


def _moved(g: Differentiator, weight: str, step: str, rate: str) -> str:
    return g.op("Sub", weight, g.op("Mul", step, rate))


def _averaged(g: Differentiator, old: str, new: str, beta: float) -> str:
    kept = g.op("Mul", old, g.floats(beta))
    return g.op("Add", kept, g.op("Mul", new, g.floats(1 - beta)))


def _adam(
    g: Differentiator,
    optimizer: Adam | AdamW,
    weight: str,
    gradient: str,
    slots: Mapping[str, str],
    hyper: Hyper,
    corrected: Corrections,
) -> Update:
    first, second = optimizer.betas
    mean = _averaged(g, slots["mean"], gradient, first)
    square = _averaged(g, slots["square"], g.op("Mul", gradient, gradient), second)
    root = g.op("Div", g.op("Sqrt", square), corrected.root)
    ratio = g.op("Div", mean, g.op("Add", root, g.floats(optimizer.eps)))
    step = g.op("Div", hyper.rate, corrected.mean)
    return Update(_moved(g, weight, ratio, step), {"mean": mean, "square": square})


def _rmsprop(
    g: Differentiator,
    optimizer: RMSprop,
    weight: str,
    gradient: str,
    slots: Mapping[str, str],
    hyper: Hyper,
) -> Update:
    square = _averaged(g, slots["square"], g.op("Mul", gradient, gradient), optimizer.alpha)
    ratio = g.op("Div", gradient, g.op("Add", g.op("Sqrt", square), g.floats(optimizer.eps)))
    if "momentum" not in slots:
        return Update(_moved(g, weight, ratio, hyper.rate), {"square": square})
    velocity = g.op("Add", g.op("Mul", slots["momentum"], hyper.momentum), ratio)
    new = _moved(g, weight, velocity, hyper.rate)
    return Update(new, {"square": square, "momentum": velocity})
