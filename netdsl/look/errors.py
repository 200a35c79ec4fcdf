"""Where a net is wrong: its confusion matrix, and its worst errors as pictures.

A net that gives a map is judged by the pixels of its pictures.
"""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
import torch

from netdsl.data.source import tracked
from netdsl.look.parts import Grid, Tile, View, rows_of
from netdsl.look.pictures import NO_CLASS, as_colours
from netdsl.train.confusion import ConfusionMatrix
from netdsl.train.sheet import COLOURS, coloured
from netdsl.words import counted

if TYPE_CHECKING:
    from torch import Tensor

    from netdsl.look.net import LayeredNet
    from netdsl.look.pictures import Pictures

MOST, COLUMNS = 16, 8


def errors(pictures: Pictures, scores: np.ndarray) -> View:
    """The confusion matrix of scores, N x K, and the errors in which the true class has least.

    The pictures have classes.
    """
    labels = pictures.truth
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


def pixel_errors(net: LayeredNet, pictures: Pictures) -> View:
    """The confusion matrix of pixels, and the pictures with the largest share of wrong ones.

    The pictures have masks.
    """
    masks = pictures.truth
    names = tuple(pictures.class_of(i) for i in range(len(pictures.classes)))
    counts = np.zeros((len(names),) * 2, np.int64)
    guesses = np.empty_like(masks)
    for numbers in tracked(pictures.batches(), "comparing the pixels"):
        guesses[numbers] = answers(net, pictures.prepared(numbers), by_pixel=True)
    counted_ = masks != NO_CLASS
    np.add.at(counts, (masks[counted_], guesses[counted_]), 1)
    wrong = (guesses != masks) & counted_
    shares = wrong.sum((1, 2)) / counted_.sum((1, 2)).clip(1)
    worst = [i for i in np.argsort(-shares, kind="stable")[:MOST] if shares[i] > 0]
    total, right = int(counts.sum()), int(np.trace(counts))
    legend = ", ".join(f"{c} is `{n}`" for n, c in zip(names[1:], cycle(COLOURS), strict=False))
    text = (
        f"{right:,} of {counted(total, 'pixel')} in {counted(len(masks), 'test picture')} of"
        f" {pictures.name} are classified correctly: {100 * right / max(total, 1):.2f} %. The worst"
        " pictures have the largest share of wrong pixels; beside each are its true classes and the"
        f" answer. In colours over grey: {legend}; `{names[0]}` has none."
    )
    parts: list[Grid | ConfusionMatrix] = [ConfusionMatrix(0, names, counts)]
    tiles = []
    for i in worst:
        tiles.append(Tile(pictures.shown(i), f"{_percent(shares[i])} wrong"))
        grey = pictures.pixels[i].mean(0, keepdims=True) / 255
        answer = np.where(counted_[i], guesses[i], NO_CLASS)
        tiles += [Tile(as_colours(coloured(grey, m))) for m in (masks[i], answer)]
    if tiles:
        title = f"The {counted(len(worst), 'worst picture')}"
        heads = ("picture", "true classes", "answer") * 2
        parts.append(Grid(title, rows_of(tiles, len(heads)), heads=heads))
    return View("errors", "Errors", [text], parts)


def answers(net: LayeredNet, images: Tensor, *, by_pixel: bool) -> np.ndarray:
    """The class with the highest score of each image, N, or of each of its pixels, N x H x W."""
    with torch.inference_mode():
        scores = net.values(images, [net.scores])[0] if by_pixel else net(images)
    found: np.ndarray = probabilities(scores.numpy()).argmax(1)
    return found


def probabilities(scores: np.ndarray) -> np.ndarray:
    """The softmax of scores, N x K or N x K x H x W; a single score is that of the second class.

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
