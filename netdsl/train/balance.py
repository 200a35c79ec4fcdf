"""Class weights that a recipe leaves to the data: `weights = balanced`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from netdsl.errors import EntryPart, SettingError
from netdsl.train.recipe.losses import (
    BALANCED,
    BinaryCrossEntropy,
    CrossEntropy,
    name_of,
    targets_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.data.columns import Column
    from netdsl.data.dataset import Dataset
    from netdsl.train.recipe.losses import Loss, OutputLoss


def with_class_weights(parts: Sequence[OutputLoss], dataset: Dataset) -> list[OutputLoss]:
    """The losses, with the numbers of the training set in place of `balanced`.

    Raises SettingError as `targets_of`, and `bad-argument` for a class without training samples.
    """
    names = targets_of(parts, dataset.target_classes, dataset.name)
    return [
        replace(part, loss=_weighted(part.loss, name, dataset))
        for part, name in zip(parts, names, strict=True)
    ]


def _weighted(loss: Loss, target: str, dataset: Dataset) -> Loss:
    if not isinstance(loss, CrossEntropy | BinaryCrossEntropy) or loss.weights != BALANCED:
        return loss
    meaning = dataset.targets[target]
    ignored = [meaning.ignored, loss.ignore]
    counts = count_labels(dataset.train.targets[target], len(meaning.classes), ignored)
    missing = [name for name, count in zip(meaning.classes, counts, strict=True) if not count]
    if missing:
        name = name_of(loss)
        message = f"`weights` of `{name}` is `balanced`, but no training sample of {dataset.name}"
        message += f" is of the class `{missing[0]}`"
        help_ = "add samples of it, or give a list with a number for each class"
        raise SettingError("bad-argument", message, "loss", help_, part=EntryPart(name, "weights"))
    return replace(loss, weights=balanced_weights(counts))


def balanced_weights(counts: np.ndarray) -> tuple[float, ...]:
    """The weights n / (K * n_c) of K classes, where n_c of n samples are of the class.

    They are the `class_weight="balanced"` of scikit-learn: the mean over the samples is 1.
    """
    return tuple(float(weight) for weight in counts.sum() / (len(counts) * counts))


def count_labels(column: Column, classes: int, ignored: Sequence[int | None]) -> np.ndarray:
    """How many samples, or pixels of masks, have each class; those of `ignored` do not count."""
    counts = np.zeros(classes, np.int64)
    for piece in column.pieces():
        labels = column.read(piece)
        for own in ignored:
            if own is not None:
                labels = labels[labels != own]
        counts += np.bincount(labels.ravel(), minlength=classes)
    return counts
