"""The confusion matrix of a run: how many images of each class were taken for each class."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from netdsl.files import replacing
from netdsl.pipes import refuse_pipe

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt


HEAD = "class, after epoch "  # and the number of the epoch


class ConfusionMatrix(NamedTuple):
    """The counts of the test images after an epoch: a row for each class, a column for each guess.

    `counts` is K x K for K `classes`.
    """

    epoch: int
    classes: tuple[str, ...]
    counts: npt.NDArray[np.int64]

    def most_confused(self, most: int) -> list[tuple[str, str, int, int]]:
        """The most frequent mistakes: the class, the guess, how many, and how many of the class."""
        wrong = self.counts.copy()
        np.fill_diagonal(wrong, 0)
        order = np.argsort(-wrong, axis=None, kind="stable")[:most]
        pairs = [divmod(int(place), len(self.classes)) for place in order]
        sums = self.counts.sum(axis=1)
        return [
            (self.classes[own], self.classes[guess], int(wrong[own, guess]), int(sums[own]))
            for own, guess in pairs
            if wrong[own, guess]
        ]


def write_csv(path: Path, confusion: ConfusionMatrix) -> None:
    """Write a table with a head and a first column of class names; raises OSError."""
    with (
        replacing(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([f"{HEAD}{confusion.epoch}", *confusion.classes])
        for name, row in zip(confusion.classes, confusion.counts.tolist(), strict=True):
            writer.writerow([name, *row])


def read_csv(path: Path, classes: Sequence[str]) -> ConfusionMatrix | None:
    """The matrix in a file; None if there is none for these classes."""
    if not path.exists():
        return None
    refuse_pipe(path)
    with path.open(encoding="utf-8", newline="") as file:
        head, *rows = list(csv.reader(file)) or [[""]]
    if head[1:] != list(classes) or not head[0].startswith(HEAD):
        return None
    if [row[0] for row in rows] != list(classes):
        return None
    try:
        counts = np.array([row[1:] for row in rows], np.int64)
        epoch = int(head[0].removeprefix(HEAD))
    except ValueError:
        return None
    return ConfusionMatrix(epoch, tuple(classes), counts)
