"""The factors of the learning rate, compared with PyTorch's schedulers step by step."""

from collections.abc import Callable

import pytest
import torch
from torch.optim import lr_scheduler

from netdsl.train.rates import rate_factor
from netdsl.train.recipe.schedules import (
    EPOCH,
    STEP,
    Constant,
    Cosine,
    Exponential,
    MultiStep,
    OneCycle,
    Plateau,
    Polynomial,
    Schedule,
    StepDecay,
)

EPOCHS, PER_EPOCH, LR = 12, 5, 0.4
TOTAL = EPOCHS * PER_EPOCH


def rates(schedule: Schedule, losses: tuple[float, ...] = ()) -> list[float]:
    return [
        LR * rate_factor(schedule, step, PER_EPOCH, EPOCHS, losses[: step // PER_EPOCH])
        for step in range(TOTAL)
    ]


def optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=LR)


Make = Callable[[torch.optim.Optimizer], lr_scheduler.LRScheduler]
PEERS: list[tuple[Schedule, bool, Make]] = [
    (Cosine(), False, lambda o: lr_scheduler.CosineAnnealingLR(o, TOTAL)),
    (Cosine(by=EPOCH), True, lambda o: lr_scheduler.CosineAnnealingLR(o, EPOCHS)),
    (Cosine(end=0.1), False, lambda o: lr_scheduler.CosineAnnealingLR(o, TOTAL, 0.1 * LR)),
    (Polynomial(0.9), False, lambda o: lr_scheduler.PolynomialLR(o, TOTAL, 0.9)),
    (Polynomial(2.0, by=EPOCH), True, lambda o: lr_scheduler.PolynomialLR(o, EPOCHS, 2.0)),
    (StepDecay(3, 0.5), True, lambda o: lr_scheduler.StepLR(o, 3, 0.5)),
    (StepDecay(7, 0.5, by=STEP), False, lambda o: lr_scheduler.StepLR(o, 7, 0.5)),
    (MultiStep((2, 9), 0.1), True, lambda o: lr_scheduler.MultiStepLR(o, [2, 9], 0.1)),
    (MultiStep((2, 9), by=STEP), False, lambda o: lr_scheduler.MultiStepLR(o, [2, 9], 0.1)),
    (Exponential(0.9), True, lambda o: lr_scheduler.ExponentialLR(o, 0.9)),
    (Exponential(0.9, by=STEP), False, lambda o: lr_scheduler.ExponentialLR(o, 0.9)),
    (
        OneCycle(0.3, 25.0, 1e4),
        False,
        lambda o: lr_scheduler.OneCycleLR(o, LR, TOTAL, cycle_momentum=False),
    ),
    (
        OneCycle(0.5, 10.0, 100.0),
        False,
        lambda o: lr_scheduler.OneCycleLR(
            o,
            LR,
            TOTAL,
            pct_start=0.5,
            div_factor=10.0,
            final_div_factor=100.0,
            cycle_momentum=False,
        ),
    ),
]


@pytest.mark.parametrize(
    ("schedule", "by_epoch", "make"),
    PEERS,
    ids=lambda v: str(v)[:40] if isinstance(v, Schedule) else "",
)
def test_schedules_are_those_of_pytorch(schedule: Schedule, by_epoch: bool, make: Make) -> None:
    """The rate is that of PyTorch's scheduler in every step of a run."""
    peer = optimizer()
    scheduler = make(peer)
    for step, rate in enumerate(rates(schedule)):
        assert rate == pytest.approx(peer.param_groups[0]["lr"], rel=1e-9, abs=1e-12), step
        peer.step()
        if not by_epoch or (step + 1) % PER_EPOCH == 0:
            scheduler.step()


LOSSES = (3.0, 2.0, 2.0, 2.1, 1.99999, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 0.5)


@pytest.mark.parametrize("schedule", [Plateau(1), Plateau(2, 0.5, 1e-3, 2), Plateau(0, 0.5)])
def test_plateau_is_that_of_pytorch(schedule: Plateau) -> None:
    """Its rates follow the losses of the epochs before, and need no state of their own."""
    peer = optimizer()
    scheduler = lr_scheduler.ReduceLROnPlateau(
        peer,
        patience=schedule.patience,
        factor=schedule.gamma,
        threshold=schedule.threshold,
        cooldown=schedule.cooldown,
        eps=0,
    )
    own = rates(schedule, LOSSES)
    for epoch, loss in enumerate(LOSSES):
        assert own[epoch * PER_EPOCH] == pytest.approx(peer.param_groups[0]["lr"])
        scheduler.step(loss)
    assert len(set(own)) > 1


@pytest.mark.parametrize(
    "make",
    [
        lambda w: Constant(w),
        lambda w: Cosine(w),
        lambda w: Polynomial(warmup=w),
        lambda w: OneCycle(warmup=w),
        lambda w: StepDecay(5, warmup=w),
        lambda w: MultiStep((6,), warmup=w),
        lambda w: Exponential(0.9, warmup=w),
        lambda w: Plateau(warmup=w),
    ],
)
def test_a_warm_up_before_every_schedule(make: Callable[[float], Schedule]) -> None:
    """The rate rises in equal steps; a warm-up need not be whole epochs, and 0 changes nothing."""
    own, plain = rates(make(1.6)), rates(make(0.0))
    rising = own[: 8 if not isinstance(make(0.0), Exponential) else 5]
    assert rising == pytest.approx([LR * (step + 1) / 8 for step in range(len(rising))])
    assert max(own) <= LR * (1 + 1e-9)
    spread = isinstance(make(0.0), Cosine | Polynomial | OneCycle)
    assert (own[8:] == plain[8:]) == (not spread)
    if isinstance(make(0.0), Cosine | Polynomial):
        assert own[8] == LR


def test_a_warm_up_beyond_the_last_epoch_only_rises() -> None:
    """The rate does not reach its value, and no factor is negative or above 1."""
    assert rates(Cosine(20.0)) == pytest.approx([LR * (step + 1) / 100 for step in range(TOTAL)])
