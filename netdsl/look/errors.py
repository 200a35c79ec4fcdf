"""Where a net is wrong: its confusion matrix, and its worst errors as pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from netdsl.look.parts import Grid, Tile, View, rows_of
from netdsl.train.confusion import ConfusionMatrix
from netdsl.words import counted

if TYPE_CHECKING:
    from netdsl.look.pictures import Pictures

MOST, COLUMNS = 16, 8


def errors(pictures: Pictures, scores: np.ndarray) -> View:
    """The confusion matrix of scores, N x K, and the errors in which the true class has least.

    The pictures have classes.
    """
    labels = pictures.labels
    assert labels is not None
    shares = probabilities(scores)
    guesses = shares.argmax(1)
    counts = np.zeros((shares.shape[1],) * 2, np.int64)
    np.add.at(counts, (labels, guesses), 1)
    names = tuple(pictures.class_of(i) for i in range(len(counts)))
    wrong = np.flatnonzero(guesses != labels)
    own = shares[np.arange(len(labels)), labels]
    worst = wrong[np.argsort(own[wrong], kind="stable")[:MOST]]
    right = len(labels) - len(wrong)
    text = (
        f"{right:,} of {counted(len(labels), 'test picture')} of {pictures.name} are classified"
        f" correctly: {100 * right / len(labels):.2f} %. The worst errors are those in which the"
        " true class has the lowest probability; below each are the true class and the answer,"
        " with their probabilities."
    )
    tiles = []
    for i in worst:
        caption = f"{names[labels[i]]} {_percent(own[i])}"
        caption += f"\n{names[guesses[i]]} {_percent(shares[i].max())}"
        tiles.append(Tile(pictures.shown(i), caption))
    parts: list[Grid | ConfusionMatrix] = [ConfusionMatrix(0, names, counts)]
    if tiles:
        title = f"The {counted(len(tiles), 'worst error')}: true class above, answer below"
        parts.append(Grid(title, rows_of(tiles, COLUMNS)))
    return View("errors", "Errors", [text], parts)


def probabilities(scores: np.ndarray) -> np.ndarray:
    """The softmax of scores, N x K; a single score is that of the second of two classes.

    Rows that sum to 1 already are left as they are.
    """
    if scores.shape[1] == 1:
        scores = np.concatenate([np.zeros_like(scores), scores], 1)
    values = scores.astype(np.float64)
    if values.min() >= 0 and np.allclose(values.sum(1), 1, atol=1e-3):
        return values
    raised = np.exp(values - values.max(1, keepdims=True))
    found: np.ndarray = raised / raised.sum(1, keepdims=True)
    return found


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else "<1 %"
