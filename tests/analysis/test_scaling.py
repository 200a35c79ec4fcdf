"""The model of scaling on paper, compared with arithmetic that is written out."""

from __future__ import annotations

from fractions import Fraction

import pytest

from netdsl.analysis.scaling import (
    Machine,
    StepTime,
    all_reduced,
    bubbles,
    data_parallel,
    gathered,
    sharded,
    steps_of_epoch,
    work_of,
)
from netdsl.analysis.traffic import Traffic
from netdsl.ir.types import Sym
from netdsl.train.order import steps_of

# 100 bytes of gradients; 300 operations a sample, of which 100 are of the forward pass.
TRAFFIC = Traffic(25, 100, 120, 0, 50, 100, ())
SLOW = Machine(bandwidth=50.0, compute=600.0)


@pytest.mark.parametrize("devices", [1, 2, 3, 8, 1024])
def test_ring(devices: int) -> None:
    """A ring that is played through sends what the formulas say: each device passes on one of n
    parts in each of n - 1 rounds, once to add them up and once to spread the sums.
    """
    size = 1_024 * 3 * 5
    part = Fraction(size, devices)
    rounds = devices - 1
    assert gathered(size, devices) == pytest.approx(float(part * rounds))
    assert all_reduced(size, devices) == pytest.approx(float(part * rounds * 2))


def test_work() -> None:
    """A product and its sum are two operations, and the batch multiplies them."""
    assert work_of(TRAFFIC, 4, SLOW) == StepTime(400 / 600, 800 / 600)
    assert work_of(TRAFFIC._replace(forward=Sym.var("H")), 4, SLOW) is None
    assert work_of(TRAFFIC._replace(forward=0, backward=0), 4, SLOW) is None


def test_data_parallel() -> None:
    """Two devices send all gradients once: 2 seconds; a step takes 2 seconds without them."""
    work = work_of(TRAFFIC, 4, SLOW)
    found = data_parallel(TRAFFIC, work, 2, SLOW)
    assert (found.bytes, found.seconds) == (100, 2)
    assert found.after == pytest.approx(2 / 4)
    assert found.during == pytest.approx(2 / (2 / 3 + 2))  # longer than the backward pass
    fast = data_parallel(TRAFFIC, work, 2, Machine(100.0, 600.0))
    assert fast.after == pytest.approx(2 / 3)
    assert fast.during == 1  # 1 second, while the backward pass takes 4/3


def test_sharded() -> None:
    """Two devices send half of the weights twice, and half of the gradients."""
    work = work_of(TRAFFIC, 4, SLOW)
    found = sharded(TRAFFIC, work, 2, SLOW)
    assert (found.bytes, found.seconds) == (60 + 60 + 50, 3.4)
    assert found.after == pytest.approx(2 / 5.4)
    assert found.during == pytest.approx(2 / (60 / 50 + 110 / 50))
    fast = sharded(TRAFFIC, work, 2, Machine(1e6, 600.0))
    assert fast.during == 1


def test_sharded_sends_half_as_much_again() -> None:
    """If everything is learned, sharded training sends 3/2 of what data parallel training does."""
    traffic = TRAFFIC._replace(params=100)
    for devices in (2, 8, 1024):
        ways = [way(traffic, None, devices, SLOW).bytes for way in (data_parallel, sharded)]
        assert ways[1] == pytest.approx(1.5 * ways[0])


def test_accumulated_gradients() -> None:
    """With two pieces, gradients are exchanged during the second backward pass, and weights are
    gathered for both.
    """
    work = work_of(TRAFFIC, 4, SLOW)
    found = data_parallel(TRAFFIC, work, 2, SLOW, 2)
    assert found.bytes == 100
    assert found.during == pytest.approx(2 / (2 / 3 + 2 / 3 + 2))
    assert sharded(TRAFFIC, work, 2, SLOW, 2).bytes == 2 * (60 + 60) + 50


def test_one_device() -> None:
    """One device sends nothing, and has no loss."""
    work = work_of(TRAFFIC, 4, SLOW)
    for way in (data_parallel, sharded):
        assert way(TRAFFIC, work, 1, SLOW) == (0, 0, 1, 1)


def test_unknown_work() -> None:
    """Without the time to compute, there are bytes and no efficiency."""
    for way in (data_parallel, sharded):
        found = way(TRAFFIC, None, 2, SLOW)
        assert found.bytes
        assert (found.after, found.during) == (None, None)


@pytest.mark.parametrize(("stages", "pieces"), [(1, 4), (2, 1), (2, 4), (4, 8), (9, 32)])
def test_bubbles(stages: int, pieces: int) -> None:
    """The share of waiting in a schedule that is played through: a stage computes a piece in the
    step after the stage before it did.
    """
    busy = {(piece + stage, stage) for piece in range(pieces) for stage in range(stages)}
    length = 1 + max(step for step, _ in busy)
    assert bubbles(stages, pieces) == pytest.approx(1 - len(busy) / (length * stages))


@pytest.mark.parametrize(
    ("samples", "batch", "steps"),
    [(10, 5, 2), (10, 4, 3), (9, 4, 2), (1, 4, 1), (3, 4, 1), (1, 1, 1), (50_000, 128, 391)],
)
def test_steps(samples: int, batch: int, steps: int) -> None:
    """The steps are those of a run, which leaves out a last batch of one sample."""
    assert steps_of_epoch(samples, batch) == steps


def test_steps_of_a_run() -> None:
    """The numbers of steps are those of the training loop."""
    for samples in range(1, 20):
        for batch in range(1, 12):
            assert steps_of_epoch(samples, batch) == len(steps_of(0, 0, samples, batch))
