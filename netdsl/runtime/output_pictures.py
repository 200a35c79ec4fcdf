"""Writes the output of a model from image to image as a picture.

A picture goes into a model as numbers from 0 to 1. Its output can be outside, such as that of an
edge filter, whose numbers are negative as often as positive. `SCALES` are the ways to show them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from netdsl.errors import NetdslError
from netdsl.files import replacing
from netdsl.pictures import MODES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

SUFFIXES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}  # with Pillow's names of the formats
OUTSIDE = 0.1  # the share of all absolute values that may be outside 0 to 1 and is clipped
EXTREME = 1  # per cent of the numbers, such as those at the padding, do not determine the scale
QUALITY = 95  # of JPEG
WHITE = 255
AXES = 3  # of a picture: channels, height, width


class GreyScale(NamedTuple):
    """The numbers that become black and white; others in between become grey."""

    name: str
    black: float
    white: float

    def __str__(self) -> str:
        middle = ", 0 is mid-grey" if self.name == "signed" else ""
        return f"{self.black:.4g} is black{middle}, {self.white:.4g} is white"


def _clip(_: np.ndarray) -> GreyScale:
    """0 is black and 1 is white, as in the input; numbers outside are clipped."""
    return GreyScale("clip", 0.0, 1.0)


def _signed(values: np.ndarray) -> GreyScale:
    """0 is mid-grey. Black and white are as far from it as 99 % of the numbers."""
    sizes = np.abs(values)
    largest = float(np.percentile(sizes, 100 - EXTREME)) or float(sizes.max()) or 1.0
    return GreyScale("signed", -largest, largest)


def _stretch(values: np.ndarray) -> GreyScale:
    """Nearly all numbers are between black and white: the 1 % that are furthest out are clipped."""
    low, high = np.percentile(values, (EXTREME / 2, 100 - EXTREME / 2)).tolist()
    if low == high:
        low, high = float(values.min()), float(values.max())
    if low == high:
        low, high = low - 1, high + 1
    return GreyScale("stretch", low, high)


def _auto(values: np.ndarray) -> GreyScale:
    """`clip`, unless much is outside: `signed` if it is negative, else `stretch`."""
    total = float(np.abs(values).sum()) or 1.0
    if float(-values[values < 0].sum()) > OUTSIDE * total:
        return _signed(values)
    if float((values[values > 1] - 1).sum()) > OUTSIDE * total:
        return _stretch(values)
    return _clip(values)


SCALES: dict[str, Callable[[np.ndarray], GreyScale]] = {
    "auto": _auto,
    "clip": _clip,
    "signed": _signed,
    "stretch": _stretch,
}


class Written(NamedTuple):
    """How a picture was written: its scale, and the share of its numbers that are clipped."""

    scale: GreyScale
    clipped: float


def picked(names: Sequence[str], outputs: Sequence[np.ndarray]) -> np.ndarray:
    """The one output that is a picture, as H x W x C; raises `NetdslError`."""
    fit = {n: y[0] for n, y in zip(names, outputs, strict=True) if _is_picture(y)}
    if len(fit) != 1:
        listed = ", ".join(
            f"{n} {'x'.join(map(str, y.shape[1:])) or 'a number'}"
            for n, y in zip(names, outputs, strict=True)
        )
        fact = "no output is a picture" if not fit else "several outputs are pictures"
        raise NetdslError(
            "wrong-shape",
            f"{fact}: the model gives {listed}",
            help="a picture is 1xHxW or 3xHxW; write other outputs with -o NAME.npz",
        )
    ((array),) = fit.values()
    picture: np.ndarray = array.transpose(1, 2, 0)
    return picture


def _is_picture(output: np.ndarray) -> bool:
    is_number = output.dtype.kind in "fiu"
    return is_number and output.ndim == AXES + 1 and output.shape[1] in MODES and output.size > 0


def write_picture(path: Path, array: np.ndarray, scale: str) -> Written:
    """Write H x W x C numbers as a .png or .jpg file; raises `NetdslError`."""
    if not np.isfinite(array).all():
        raise NetdslError(
            "not-finite",
            "the picture contains infinities or NaNs",
            help="check the weights, and the scale of the input",
        )
    values = array.astype(np.float64)
    if array.dtype.kind in "iu":  # pixels already
        values /= WHITE
    chosen = SCALES[scale](values)
    shares = (values - chosen.black) / (chosen.white - chosen.black)
    clipped = float(((shares < 0) | (shares > 1)).mean())
    pixels = np.rint(shares.clip(0, 1) * WHITE).astype(np.uint8)
    if pixels.shape[2] == 1:  # Pillow takes grey pixels without an axis of channels
        pixels = pixels[:, :, 0]
    with replacing(path) as temporary:
        form = SUFFIXES[path.suffix.lower()]
        Image.fromarray(pixels).save(temporary, form, quality=QUALITY)
    return Written(chosen, clipped)
