"""The order of the samples and the seeds of all random draws.

Both depend only on the seed of the run, the epoch and the number of the step in it, so that a run
can go on from any step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt


class TrainStep(NamedTuple):
    """The indices of the samples of a batch, and the seed of what is drawn for them."""

    indices: npt.NDArray[np.int64]
    seed: int

    def seed_of(self, piece: int, rank: int | None = None) -> int:
        """The seed of what is drawn for a piece of the batch, counted from 0.

        It is that of the augmentations, which all processes draw alike. With the number `rank` of a
        process among several, it is that of the layers, such as dropout.
        """
        if piece == 0 and rank is None:
            return self.seed
        own = [piece] if rank is None else [piece, rank]
        return int(np.random.SeedSequence([self.seed, *own]).generate_state(1, np.uint64)[0] >> 1)


def steps_of(seed: int, epoch: int, count: int, batch: int) -> Sequence[TrainStep]:
    """The steps of an epoch, counted from 0, over `count` samples in random order.

    A last batch of a single sample is left out, unless it is the only one: batch normalisation
    cannot be trained on it.
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(count)
    starts = range(0, count, batch)
    if len(starts) > 1 and count - starts[-1] == 1:
        starts = starts[:-1]
    seeds = rng.integers(0, 2**63, len(starts))
    return [TrainStep(order[i : i + batch], int(own)) for i, own in zip(starts, seeds, strict=True)]


def seed_draws(seed: int, device: torch.device) -> None:
    """Seed the generators of PyTorch that layers and augmentations draw from."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
