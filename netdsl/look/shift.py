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
from netdsl.look.errors import answers
from netdsl.look.parts import Curve, Curves, View
from netdsl.look.pictures import NO_CLASS
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.look.net import LayeredNet
    from netdsl.look.pictures import Pictures

    Matrix = list[list[float]]

MOVES = 8  # pixels, or a quarter of the picture if that is less
ANGLES = (-180, -135, -90, -60, -45, -30, -15, 0, 15, 30, 45, 60, 90, 135, 180)
SCALES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.4, 1.7, 2.0)
LIGHTS = (0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0)
PRODUCTS = 2e12  # multiply-accumulates of the whole view, about; a large net gets fewer pictures
LEAST = 50  # pictures


class PictureChange(NamedTuple):
    """A change of pictures: a quantity, its values, and the one that changes nothing.

    `place` gives the matrix, 2 x 3, that takes the column and the row of a pixel, counted from the
    middle of the picture, to its new place. Without it, the value is a factor of the light.
    """

    quantity: str
    values: tuple[float, ...]
    still: float
    place: Callable[[float], Matrix] | None = None

    def apply(self, pixels: Tensor, value: float) -> Tensor:
        """Changed pixels, N x C x H x W from 0 to 1; what comes in repeats the border."""
        if self.place is None:
            return (pixels * value).clamp(0, 1)  # none is brighter than white
        return _warped(pixels, self.place(value), "bilinear", "border")

    def apply_to_masks(self, masks: np.ndarray, value: float) -> np.ndarray:
        """Masks, N x H x W, that move with their pictures; what comes in has no class."""
        if self.place is None:
            return masks
        numbers = torch.from_numpy(masks - NO_CLASS)[:, None].float()
        moved = _warped(numbers, self.place(value), "nearest", "zeros")
        return moved[:, 0].long().numpy() + NO_CLASS


def shift(net: LayeredNet, pictures: Pictures) -> View:
    """The accuracy against each change; the pictures or their pixels have classes."""
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
        " is where nothing is changed, and the dashed line is what"
    )
    least, after = _least(some)
    parts = [Curves("Accuracy of changed pictures", "accuracy (%)", curves, least)]
    return View("shift", "Shift, rotation, scale and light", [f"{text} {after}"], parts)


def _least(pictures: Pictures) -> tuple[float, str]:
    """The accuracy in percent of an answer without looking, and a text about it.

    Most pixels of masks are often of one class, so that guessing would give too little.
    """
    if pictures.masks is None:
        return 100 / max(len(pictures.classes), 1), (
            "guessing gives: a net is invariant only in part, as far as pooling and its data made"
            " it so."
        )
    known = pictures.masks[pictures.masks != NO_CLASS]
    sums = np.bincount(known, minlength=1)
    return 100 * float(sums.max()) / max(len(known), 1), (
        f"the answer `{pictures.class_of(int(sums.argmax()))}` for every pixel gives. The accuracy"
        " is that of pixels: masks move with their pictures, and what comes in does not count."
    )


def changes_for(side: int) -> list[PictureChange]:
    """The changes of pictures with sides of so many pixels."""
    most = min(MOVES, side // 4)
    moves = tuple(float(i) for i in range(-most, most + 1))
    return [
        PictureChange("shift to the right (pixels)", moves, 0, _moved),
        PictureChange("rotation (degrees)", ANGLES, 0, _turned),
        PictureChange("scale", SCALES, 1, _scaled),
        PictureChange("light (factor)", LIGHTS, 1),
    ]


def accuracy(net: LayeredNet, pictures: Pictures, change: PictureChange, value: float) -> float:
    """The share of changed pictures, or of their pixels, that are classified correctly, in %."""
    mean, std = (torch.tensor(v)[:, None, None] for v in (pictures.given.mean, pictures.given.std))
    right = counted_ = 0
    for numbers in pictures.batches():
        pixels = torch.from_numpy(pictures.pixels[numbers]).float() / 255
        labels = pictures.truth[numbers]
        if value != change.still:
            pixels = change.apply(pixels, value)
            if pictures.masks is not None:
                labels = change.apply_to_masks(labels, value)
        guesses = answers(net, (pixels - mean) / std, by_pixel=pictures.masks is not None)
        right += int((guesses == labels).sum())
        counted_ += int((labels != NO_CLASS).sum())
    return 100 * right / max(counted_, 1)


def _moved(columns: float) -> Matrix:
    return [[1.0, 0.0, columns], [0.0, 1.0, 0.0]]


def _turned(degrees: float) -> Matrix:
    """A turn counterclockwise."""
    angle = math.radians(degrees)
    return [[math.cos(angle), math.sin(angle), 0.0], [-math.sin(angle), math.cos(angle), 0.0]]


def _scaled(factor: float) -> Matrix:
    return [[factor, 0.0, 0.0], [0.0, factor, 0.0]]


def _warped(pixels: Tensor, place: Matrix, mode: str, padding: str) -> Tensor:
    height, width = pixels.shape[2:]
    matrix = torch.tensor(place)
    middle = torch.tensor([(width - 1) / 2, (height - 1) / 2])
    matrix[:, 2] += middle - matrix[:, :2] @ middle  # places are counted from the first pixel
    whole = matrix.expand(len(pixels), 2, 3)
    size = (height, width)
    return warp_affine(pixels, whole, size, mode, padding_mode=padding, align_corners=True)


def _affordable(net: LayeredNet, count: int, passes: int) -> int:
    """How many pictures are used: fewer for a large net."""
    macs = float(str(net.graph.derived(Costs).totals().macs))
    return int(min(count, max(LEAST, PRODUCTS // max(macs * passes, 1.0))))
