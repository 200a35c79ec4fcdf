"""How training scales: the time and the efficiency of a step on several devices, on paper.

The model has two numbers for the machine: the rate at which a device computes, and the bandwidth
of its connection. It leaves out delays, reading data and the optimizer. Scaling is weak: each
device has the same number of samples, however many devices there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.ir.types import Sym

if TYPE_CHECKING:
    from netdsl.analysis.traffic import Traffic

OPERATIONS = 2  # of a multiply-accumulate: a product and a sum


class Machine(NamedTuple):
    """What a device sends in each direction, in bytes per second, and computes, in FLOP/s."""

    bandwidth: float
    compute: float


class StepTime(NamedTuple):
    """The seconds that a device computes in a step."""

    forward: float
    backward: float

    @property
    def seconds(self) -> float:
        """Both passes together."""
        return self.forward + self.backward


class Exchange(NamedTuple):
    """What a device sends in a step, the seconds that this takes, and the efficiency.

    The efficiency is the time of a step on one device, divided by that on several. It is `after` if
    devices send only when they do not compute, and `during` if they send while they compute, as far
    as possible. Both are None if the time to compute is not known.
    """

    bytes: float
    seconds: float
    after: float | None
    during: float | None


def work_of(traffic: Traffic, batch: int, machine: Machine) -> StepTime | None:
    """The time that a device computes on a batch; None for open sizes and without products."""
    forward, backward = traffic.forward, traffic.backward
    if isinstance(forward, Sym) or isinstance(backward, Sym) or not forward:
        return None
    second = machine.compute / (OPERATIONS * batch)
    return StepTime(forward / second, backward / second)


def gathered(size: int, devices: int) -> float:
    """What each device sends in a ring to gather `size` bytes, or to sum and scatter them.

    Each device sends all parts but one, of which there are as many as devices: (n - 1) / n.
    """
    return size * (devices - 1) / devices


def all_reduced(size: int, devices: int) -> float:
    """What each device sends to sum `size` bytes over a ring: it scatters sums and gathers them.

    This is 2 (n - 1) / n of the size, the least possible: Patarasuk and Yuan, "Bandwidth optimal
    all-reduce algorithms for clusters of workstations", 2009.
    """
    return 2 * gathered(size, devices)


def data_parallel(
    traffic: Traffic, work: StepTime | None, devices: int, machine: Machine, pieces: int = 1
) -> Exchange:
    """Every device has the whole net, and the gradients are summed.

    The sums can be exchanged during the backward pass: those of the last layers are known first. If
    a step accumulates the gradients of several `pieces`, it is the backward pass of the last one.
    """
    sent = all_reduced(traffic.gradients, devices)
    seconds = sent / machine.bandwidth
    if work is None:
        return Exchange(sent, seconds, None, None)
    last = work.backward / pieces
    return Exchange(
        sent,
        seconds,
        work.seconds / (work.seconds + seconds),
        work.seconds / (work.seconds - last + max(last, seconds)),
    )


def sharded(
    traffic: Traffic, work: StepTime | None, devices: int, machine: Machine, pieces: int = 1
) -> Exchange:
    """Every device has a part of each weight, of its gradient and of the optimizer's state.

    The weights are gathered for the forward pass and again for the backward pass, and the gradients
    are summed and scattered: 3/2 of the traffic of data parallel training, as Rajbhandari et al.
    write in "ZeRO: Memory Optimizations Toward Training Trillion Parameter Models", 2020. If a step
    accumulates the gradients of several `pieces`, the weights are gathered for each of them.
    """
    weights = gathered(traffic.params, devices) * pieces
    gradients = gathered(traffic.gradients, devices)
    sent = 2 * weights + gradients
    seconds = sent / machine.bandwidth
    if work is None:
        return Exchange(sent, seconds, None, None)
    forward = max(work.forward, weights / machine.bandwidth)
    backward = max(work.backward, (weights + gradients) / machine.bandwidth)
    return Exchange(
        sent,
        seconds,
        work.seconds / (work.seconds + seconds),
        work.seconds / (forward + backward),
    )


def bubbles(stages: int, pieces: int) -> float:
    """The share of the time that the devices of a pipeline wait.

    The batch is divided into `pieces`, and all stages take the same time. Huang et al., "GPipe:
    Efficient Training of Giant Neural Networks using Pipeline Parallelism", 2019.
    """
    return (stages - 1) / (pieces + stages - 1)


def steps_of_epoch(samples: int, batch: int) -> int:
    """The steps of an epoch; a last batch of one sample is left out, unless it is the only one."""
    steps = -(-samples // batch)
    is_single = samples - (steps - 1) * batch == 1
    return steps - 1 if is_single and steps > 1 else steps
