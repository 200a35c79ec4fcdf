"""What a view of a net consists of: arrays with captions, which figures and pages show."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.train.confusion import ConfusionMatrix


class Tile(NamedTuple):
    """A picture, H x W x 3 with colours from 0 to 1, or a map of numbers, H x W."""

    values: np.ndarray
    caption: str = ""

    @property
    def is_map(self) -> bool:
        """Whether it is a map of numbers."""
        return self.values.ndim == 2


class ColourScale(NamedTuple):
    """The numbers that the first and the last colour of maps stand for.

    A scale of signed numbers has white in its middle, which is 0.
    """

    low: float
    high: float

    @property
    def is_signed(self) -> bool:
        """Whether there are numbers below 0."""
        return self.low < 0


class TileRow(NamedTuple):
    """Tiles in a row; its name is at its left."""

    name: str
    tiles: Sequence[Tile]


class Grid(NamedTuple):
    """Rows of tiles; all maps among them have one scale."""

    title: str
    rows: Sequence[TileRow]
    scale: ColourScale | None = None
    heads: Sequence[str] = ()  # of the columns


class Curve(NamedTuple):
    """Values in percent over a quantity, whose name has its unit.

    `still` is the number at which nothing is changed.
    """

    quantity: str
    xs: Sequence[float]
    ys: Sequence[float]
    still: float


class Curves(NamedTuple):
    """Curves with one vertical axis; each has a panel of its own."""

    title: str
    label: str
    curves: Sequence[Curve]
    lowest: float  # what an answer without looking would give, in percent


class Bars(NamedTuple):
    """Numbers with names, as bars; `marked` is the number of the bar that is true."""

    title: str
    values: Sequence[tuple[str, float]]
    label: str
    marked: int | None = None


class View(NamedTuple):
    """A view of a net: a name, a title, sentences about it, and its parts."""

    name: str
    title: str
    text: Sequence[str]
    parts: Sequence[Grid | Curves | Bars | ConfusionMatrix]


def scale_of(maps: Sequence[np.ndarray]) -> ColourScale:
    """The one scale of maps: 0 is white if there are negative numbers, or else the first colour.

    Infinities and what is not a number have no place on it.
    """
    finite = [values[np.isfinite(values)] for values in maps]
    low = min((float(values.min()) for values in finite if values.size), default=0.0)
    high = max((float(values.max()) for values in finite if values.size), default=0.0)
    most = max(abs(low), abs(high)) or 1.0
    if low < 0:
        return ColourScale(-most, most)
    return ColourScale(0.0, most)


def coloured(values: np.ndarray, most: float) -> np.ndarray:
    """Signed numbers, 3 x H x W, as a picture: grey is 0, and the lightest colour is `most`."""
    shares = 0.5 + values.transpose(1, 2, 0) / (2 * (most or 1.0))
    return np.nan_to_num(shares).clip(0, 1)


def rows_of(tiles: Sequence[Tile], columns: int) -> list[TileRow]:
    """Tiles in rows without names."""
    return [TileRow("", tiles[i : i + columns]) for i in range(0, len(tiles), columns)]
