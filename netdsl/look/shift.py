"""How the accuracy of a net changes as its pictures are moved, turned, scaled, or lit otherwise."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from kornia.geometry.transform import warp_affine
from torch import Tensor

from netdsl.analysis.cost import Costs
from netdsl.data.source import tracked
from netdsl.look.errors import probabilities
from netdsl.look.parts import Curve, Curves, View
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.look.net import LayeredNet
    from netdsl.look.pictures import Pictures

MOVES = 8  # pixels, or a quarter of the picture if that is less
ANGLES = (-180, -135, -90, -60, -45, -30, -15, 0, 15, 30, 45, 60, 90, 135, 180)
SCALES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.4, 1.7, 2.0)
LIGHTS = (0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0)
PRODUCTS = 2e12  # multiply-accumulates of the whole view, about; a large net gets fewer pictures
LEAST = 50  # pictures


class PictureChange(NamedTuple):
    """A change of pictures: a quantity, its values, and the one that changes nothing.

    `apply` changes pixels, N x C x H x W from 0 to 1.
    """

    quantity: str
    values: tuple[float, ...]
    still: float
    apply: Callable[[Tensor, float], Tensor]


def shift(net: LayeredNet, pictures: Pictures) -> View:
    """The accuracy against each change; the pictures have classes."""
    changes = changes_for(min(net.sizes))
    count = _affordable(net, len(pictures), sum(len(change.values) for change in changes))
    some = pictures.take(np.arange(count) * len(pictures) // count)
    pairs = [(change, value) for change in changes for value in change.values]
    found = {
        (change.quantity, value): accuracy(net, some, change, value)
        for change, value in tracked(pairs, "changing the pictures")
    }
    curves = [
        Curve(c.quantity, c.values, [found[c.quantity, v] for v in c.values], c.still)
        for c in changes
    ]
    text = (
        f"The accuracy on {counted(count, 'test picture')} of {pictures.name} that are all changed"
        " in the same way. Pixels that come into the picture repeat its border. The vertical line"
        " is where nothing is changed, and the dashed line is what guessing gives: a net is"
        " invariant only in part, as far as pooling and its data made it so."
    )
    guess = 100 / max(len(pictures.classes), 1)
    parts = [Curves("Accuracy of changed pictures", "accuracy (%)", curves, guess)]
    return View("shift", "Shift, rotation, scale and light", [text], parts)


def changes_for(side: int) -> list[PictureChange]:
    """The changes of pictures with sides of so many pixels."""
    most = min(MOVES, side // 4)
    moves = tuple(float(i) for i in range(-most, most + 1))
    return [
        PictureChange("shift to the right (pixels)", moves, 0, _moved),
        PictureChange("rotation (degrees)", ANGLES, 0, turned),
        PictureChange("scale", SCALES, 1, scaled),
        PictureChange("light (factor)", LIGHTS, 1, lit),
    ]


def accuracy(net: LayeredNet, pictures: Pictures, change: PictureChange, value: float) -> float:
    """The share of changed pictures that the net classifies correctly, in percent."""
    labels = pictures.labels
    assert labels is not None
    mean, std = (torch.tensor(v)[:, None, None] for v in (pictures.given.mean, pictures.given.std))
    right = 0
    for numbers in pictures.batches():
        pixels = torch.from_numpy(pictures.pixels[numbers]).float() / 255
        if value != change.still:
            pixels = change.apply(pixels, value)
        with torch.inference_mode():
            scores = net((pixels - mean) / std)
        right += int((probabilities(scores.numpy()).argmax(1) == labels[numbers]).sum())
    return 100 * right / len(pictures)


def _moved(pixels: Tensor, columns: float) -> Tensor:
    return _warped(pixels, torch.tensor([[1.0, 0.0, columns], [0.0, 1.0, 0.0]]))


def turned(pixels: Tensor, degrees: float) -> Tensor:
    """Pictures turned around their middle, counterclockwise."""
    angle = math.radians(degrees)
    return _around_middle(
        pixels, [[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]]
    )


def scaled(pixels: Tensor, factor: float) -> Tensor:
    """Pictures enlarged from their middle."""
    return _around_middle(pixels, [[factor, 0.0], [0.0, factor]])


def lit(pixels: Tensor, factor: float) -> Tensor:
    """Pictures with brighter or darker pixels, none of which is brighter than white."""
    return (pixels * factor).clamp(0, 1)


def _around_middle(pixels: Tensor, matrix: list[list[float]]) -> Tensor:
    """Apply a matrix to the places of pixels, as columns and rows from the middle."""
    turn = torch.tensor(matrix)
    middle = torch.tensor([(pixels.shape[3] - 1) / 2, (pixels.shape[2] - 1) / 2])
    move = middle - turn @ middle
    return _warped(pixels, torch.cat([turn, move[:, None]], 1))


def _warped(pixels: Tensor, matrix: Tensor) -> Tensor:
    size = (pixels.shape[2], pixels.shape[3])
    whole = matrix.expand(len(pixels), 2, 3)
    return warp_affine(pixels, whole, size, padding_mode="border", align_corners=True)


def _affordable(net: LayeredNet, count: int, passes: int) -> int:
    """How many pictures are used: fewer for a large net."""
    macs = float(str(net.graph.derived(Costs).totals().macs))
    return int(min(count, max(LEAST, PRODUCTS // max(macs * passes, 1.0))))
