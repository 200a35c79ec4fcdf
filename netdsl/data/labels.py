"""Class labels of a user's own data: their names and their range."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from netdsl.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_CLASSES = 100_000


def class_names(
    given: Sequence[str], labels: Sequence[np.ndarray], place: str, ignored: int | None = None
) -> tuple[str, ...]:
    """The names that the user gives, or the numbers up to the largest label.

    Raises SettingError `label-out-of-range` for a label beyond `MOST_CLASSES`, and if none is 0.
    """
    if given:
        return tuple(given)
    kept = [own[own != ignored] for own in labels]
    largest = max(int(own.max(initial=0)) for own in kept)
    least = min(int(own.min(initial=largest)) for own in kept)
    if least > 0:
        message = f"{place} has the labels {least:,} to {largest:,}, but labels begin at 0"
        help_ = (
            f"subtract {least:,} from all of them, or name all classes, `classes = [...]`; store"
            " numbers to predict as floats"
        )
        raise SettingError("label-out-of-range", message, "data", help_)
    if largest >= MOST_CLASSES:
        message = f"{place} has the label {largest:,}, beyond the limit of {MOST_CLASSES:,} classes"
        help_ = "store numbers to predict as floats; labels are 0, 1, 2 and so on"
        raise SettingError("label-out-of-range", message, "data", help_)
    return tuple(map(str, range(largest + 1)))


def range_text(classes: int) -> str:
    """The labels that a number of classes has, as a clause."""
    if classes == 1:
        return "the label of 1 class is 0"
    return f"the labels of {classes:,} classes are 0 to {classes - 1:,}"


def checked_labels(
    labels: np.ndarray, classes: int, place: str, ignored: int | None = None
) -> np.ndarray:
    """The labels as int64; raises SettingError `label-out-of-range` for one that is no class."""
    wrong = (labels < 0) | (labels >= classes)
    if ignored is not None:
        wrong &= labels != ignored
    if wrong.any():
        first = int(np.flatnonzero(wrong.reshape(len(labels), -1).any(1))[0])
        label = labels[wrong].flat[0]
        count = int(wrong.sum())
        sample = f" in sample {first}" if len(labels) > 1 else ""
        message = f"{place} has the label {label}{sample}, but {range_text(classes)}"
        if count > 1:
            message += f" ({count:,} labels are out of range)"
        help_ = "correct the labels, or name all classes: `classes = [...]`"
        if labels.min() == 1 and labels.max() == classes:
            help_ = "labels begin at 0: subtract 1 from all of them"
        elif labels.ndim > 1:
            help_ += f"; if {label} means that a pixel has no class, write `ignored = {label}`"
        raise SettingError("label-out-of-range", message, "data", help_)
    return labels.astype(np.int64)
