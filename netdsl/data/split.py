"""Chooses samples at random, with the classes in their proportions.

The choice depends only on the samples, so that a later command finds the same splits.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from netdsl.errors import SettingError
from netdsl.words import are, counted

if TYPE_CHECKING:
    import numpy.typing as npt

    from netdsl.data.columns import Indices
    from netdsl.data.dataset import Dataset, Split

SEED = 0


def divided(dataset: Dataset, val: float, limit: int | None) -> Dataset:
    """The dataset with at most `limit` training samples, a share `val` of them for validation.

    Raises SettingError `bad-argument` if the dataset has a validation set of its own, or too few
    samples.
    """
    train, note = dataset.train, dataset.note
    if limit is not None and limit < len(train):
        if limit < len(dataset.classes):
            has = counted(len(dataset.classes), "class")
            message = f"`limit` is {limit}, but {dataset.name} has {has}"
            help_ = "each class needs a sample, better many more"
            raise SettingError("bad-argument", message, "data", help_)
        note += f", limited to {counted(limit, 'training sample')}"
        train = train.take(np.sort(spread(groups_of(dataset, train))[:limit]))
    if not val:
        return replace(dataset, train=train, note=note)
    if dataset.val is not None:
        message = f"`val` is {val:g}, but {dataset.name} has a validation set of its own"
        raise SettingError("bad-argument", message, "data", "leave out `val`")
    rest, chosen = parted(groups_of(dataset, train), val, "val")
    note += f", of which {len(chosen):,} {are(len(chosen))} for validation"
    return replace(dataset, train=train.take(rest), val=train.take(chosen), note=note)


def groups_of(dataset: Dataset, split: Split) -> npt.NDArray[np.int64]:
    """The class of each sample, or 0 for all if samples do not have a single class."""
    labels = next(iter(split.targets.values()))
    if not dataset.classes or labels.shape:
        return np.zeros(len(split), np.int64)
    return split.labels


def parted(groups: npt.NDArray[np.int64], share: float, name: str) -> tuple[Indices, Indices]:
    """The indices of all samples but a share, and those of the share, each in order.

    `name` is the argument that gives the share. Raises SettingError `bad-argument` if one of the
    two parts would be empty.
    """
    count = round(share * len(groups))
    if not 0 < count < len(groups):
        message = f"`{name}` is {share:g}, which is {count} of {counted(len(groups), 'sample')}"
        help_ = "add samples: each part needs at least one"
        if len(groups) > 1:
            smallest = 1 / len(groups)
            help_ = f"write a share from {smallest:.2g} to {1 - smallest:.2g}, or add samples"
            if len(groups) == 2:
                help_ = f"write `{name} = 0.5`, or add samples"
        raise SettingError("bad-argument", message, "data", help_)
    order = spread(groups)
    return np.sort(order[count:]), np.sort(order[:count])


def spread(groups: npt.NDArray[np.int64]) -> Indices:
    """All indices in a random order, any beginning of which has the groups in proportion."""
    order = np.random.default_rng(SEED).permutation(len(groups))
    _, numbers, counts = np.unique(groups[order], return_inverse=True, return_counts=True)
    by_group = np.argsort(numbers, kind="stable")
    starts = np.cumsum(counts) - counts
    ranks = np.empty(len(order))
    ranks[by_group] = np.arange(len(order)) - starts[numbers[by_group]]
    return order[np.argsort((ranks + 0.5) / counts[numbers], kind="stable")]
