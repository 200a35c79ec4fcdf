"""The learning rate at a step of a run.

It depends only on the schedule, the number of the step, and the losses of the epochs before it, so
a resumed run needs no state of a schedule. The factors are those of PyTorch's schedulers.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from netdsl.train.recipe import schedules
from netdsl.train.recipe.schedules import EPOCH, SPREAD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.train.recipe.schedules import Schedule


def rate_factor(
    schedule: Schedule, step: int, per_epoch: int, epochs: int, losses: Sequence[float] = ()
) -> float:
    """The factor of the learning rate at batch `step` of the run, counted from 0.

    An epoch has `per_epoch` batches. `losses` are those of the epochs before, for `plateau`.
    """
    rise = schedule.warmup * per_epoch
    rising = 1.0
    if step < rise:
        rising = min(1.0, (step + 1) / rise)
    if isinstance(schedule, SPREAD):
        if step < rise:
            return rising
        return _spread(schedule, step - rise, per_epoch, epochs * per_epoch - rise)
    at = step // per_epoch if getattr(schedule, "by", EPOCH) == EPOCH else step
    match schedule:
        case schedules.StepDecay(every=every, gamma=gamma):
            return rising * gamma ** (at // every)
        case schedules.MultiStep(at=milestones, gamma=gamma):
            return rising * gamma ** sum(at >= milestone for milestone in milestones)
        case schedules.Exponential(gamma=gamma):
            return rising * gamma**at
        case schedules.Plateau():
            return rising * _plateau(schedule, losses)
    return rising


def _spread(schedule: Schedule, step: float, per_epoch: int, total: float) -> float:
    """The factor of a schedule that spreads over `total` steps, which follow the warm-up.

    `Cosine` is the annealing of Loshchilov and Hutter, "SGDR", 2017, equation 5, without restarts;
    `OneCycle` is the policy of Smith and Topin, "Super-convergence", 2018.
    """
    if getattr(schedule, "by", None) == EPOCH:
        step = step // per_epoch * per_epoch
    done = step / total
    match schedule:
        case schedules.Cosine(end=end):
            return end + (1 - end) * (1 + math.cos(math.pi * done)) / 2
        case schedules.Polynomial(power=power):
            return float((1 - done) ** power)
        case schedules.OneCycle(rise=rise, start_divisor=start, end_divisor=end):
            top = rise * total - 1
            if step < top:
                return _between(1 / start, 1.0, step / top)
            return _between(1.0, 1 / start / end, min(1.0, (step - top) / (total - 1 - top)))
    raise TypeError(f"{schedule} does not spread over a run")


def _between(first: float, last: float, share: float) -> float:
    """A value on half a cosine from the first to the last."""
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2


def _plateau(schedule: schedules.Plateau, losses: Sequence[float]) -> float:
    factor, lowest, waited, cooldown = 1.0, math.inf, 0, 0
    for loss in losses:
        waited += 1
        if loss < lowest * (1 - schedule.threshold):
            lowest, waited = loss, 0
        if cooldown:
            cooldown, waited = cooldown - 1, 0
        if waited > schedule.patience:
            factor, cooldown, waited = factor * schedule.gamma, schedule.cooldown, 0
    return factor
