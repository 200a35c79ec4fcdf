"""Prepares pictures inside the graph: from bytes, N x H x W x C of any size, to the net's input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.backends.onnx.elements import ELEMENT
from netdsl.errors import OpError
from netdsl.words import counted

if TYPE_CHECKING:
    from netdsl.backends.onnx.emitter import GraphEmitter
    from netdsl.backends.onnx.form import Pixels
    from netdsl.ir.graph import Value
    from netdsl.ir.types import TensorType

FLOAT = ELEMENT["float32"]


def prepare(g: GraphEmitter, value: Value, pixels: Pixels, element: int) -> str:
    """Add the nodes that prepare an input of the net; returns the name of the result.

    They put the channels first, resize the picture if the net has a fixed size, scale its levels to
    0..1 and normalise them. The result has the type `element`. Raises `OpError` for an input that
    is no picture.

    The graph resizes a picture as Pillow's bilinear filter does: when a picture is made smaller,
    every pixel counts; nothing outside the picture counts; and the result has whole levels from 0
    to 255. Pillow also rounds between the two axes, so its results may differ by one level.
    """
    shape = value.type.shape
    if len(shape) != 3 or value.type.dtype != "float32" or shape[0] not in (1, 3):
        raise OpError(
            "wrong-shape",
            f"`{value.name}` takes {value.type}, which cannot be a picture",
            help="pictures are 1 x H x W or 3 x H x W, of float32",
        )
    channels = value.type.channels
    assert isinstance(channels, int)
    g.begin_at(value.name, "picture", value.site)
    x = g.op("Cast", g.op("Transpose", value.name, perm=[0, 3, 1, 2]), to=FLOAT)
    if is_resized(value.type):
        sizes = g.ints([d for d in value.type.spatial if isinstance(d, int)])
        bilinear = {"mode": "linear", "antialias": 1, "exclude_outside": 1}
        bilinear |= {"coordinate_transformation_mode": "half_pixel", "axes": [2, 3]}
        x = g.op("Round", g.op("Resize", x, "", "", sizes, **bilinear))
    mean = _per_channel("mean", pixels.mean or (0.0,), channels)
    std = _per_channel("std", pixels.std or (1.0,), channels)
    x = g.op("Mul", x, g.wide([1 / (255 * s) for s in std], (1, channels, 1, 1)))
    if any(mean):
        shift = [m / s for m, s in zip(mean, std, strict=True)]
        x = g.op("Sub", x, g.wide(shift, (1, channels, 1, 1)))
    return x if element == FLOAT else g.op("Cast", x, to=element)


def is_resized(type_: TensorType) -> bool:
    """Whether the graph resizes pictures, to the size of the net.

    A net with an open size takes pictures in their own size.
    """
    return all(isinstance(d, int) for d in type_.spatial)


def _per_channel(name: str, values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """A number for each channel, from one for all of them or from one for each."""
    if len(values) not in (1, channels):
        raise OpError(
            "bad-argument",
            f"{name} has {counted(len(values), 'number')}, but the picture has"
            f" {counted(channels, 'channel')}",
        )
    return values if len(values) == channels else values * channels
