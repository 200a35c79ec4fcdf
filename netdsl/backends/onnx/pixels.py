"""What prepares pictures, inside the graph: bytes N x H x W x C of any size become what the net
takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.errors import OpError
from netdsl.words import counted

if TYPE_CHECKING:
    from netdsl.backends.onnx.emitter import GraphEmitter
    from netdsl.backends.onnx.form import Pixels
    from netdsl.ir.graph import Value
    from netdsl.ir.types import TensorType

FLOAT = 1  # ONNX's number of float32


def prepare(g: GraphEmitter, value: Value, pixels: Pixels, element: int) -> str:
    """Emit it for an input of the net: to channels first, to the size of the net where that is
    fixed, to 0..1, normalised.

    The graph resizes a picture as Pillow's bilinear filter does: when a picture is made smaller,
    every pixel counts; nothing outside the picture counts; and the result has whole levels from 0
    to 255. Pillow also rounds between the two axes, so its results may differ by one level.
    """
    shape = value.type.shape
    if len(shape) != 3 or value.type.dtype != "float32" or shape[0] not in (1, 3):
        raise OpError(
            "wrong-shape",
            f"`{value.name}` takes {value.type}, which no picture gives",
            help="pictures are 1 x H x W or 3 x H x W",
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
    mean, std = (
        _each(v, channels, d, w)
        for v, d, w in ((pixels.mean, 0.0, "mean"), (pixels.std, 1.0, "std"))
    )
    x = g.op("Mul", x, g.wide([1 / (255 * s) for s in std], (1, channels, 1, 1)))
    if any(mean):
        x = g.op(
            "Sub", x, g.wide([m / s for m, s in zip(mean, std, strict=True)], (1, channels, 1, 1))
        )
    return x if element == FLOAT else g.op("Cast", x, to=element)


def is_resized(type_: TensorType) -> bool:
    """Whether pictures of any size are brought to that of the net: an open size is that of the
    picture.
    """
    return all(isinstance(d, int) for d in type_.spatial)


def _each(values: tuple[float, ...], channels: int, default: float, what: str) -> tuple[float, ...]:
    """A number for each channel."""
    if len(values) not in (0, 1, channels):
        raise OpError(
            "bad-argument",
            f"{what} has {counted(len(values), 'number')}, the picture"
            f" {counted(channels, 'channel')}",
        )
    return values if len(values) == channels else (values or (default,)) * channels
