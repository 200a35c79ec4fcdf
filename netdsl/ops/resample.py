"""More or fewer positions on the spatial axes: `upsample` and `pixel_shuffle`."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from netdsl.errors import Correction, OpError
from netdsl.ir.op import Op, Window, ratio
from netdsl.ir.rounding import unless_beyond
from netdsl.ir.types import TensorType
from netdsl.ops.args import integer, sizes, text
from netdsl.ops.base import FLOAT, INT64, amount, arg, for_all_axes, layer, spatial_rank
from netdsl.ops.division import is_divisible
from netdsl.ops.rounding import exact
from netdsl.words import counted

if TYPE_CHECKING:
    from netdsl.ir.lowering import Emitter, Evaluation, Lowered, Recorder, TypedName
    from netdsl.ir.rounding import Bound
    from netdsl.ir.types import Sym

    Sizes = tuple[int | Sym, ...]


@layer(
    "upsample",
    family="shape",
    examples=[
        ("2x3x4", "upsample(2)"),
        ("2x3x4", "upsample(2, mode = bilinear)"),
        ("2x5", "upsample(3)"),
        ("2x3x4", "upsample(size = 7x5, mode = bilinear)"),
        ("2x3x4", "upsample(size = 6x8)"),
        ("2x14x7", "upsample(size = 2x3)"),
        ("2x3x4, 5x7x9", "upsample"),
        ("2x3x4, 5x6x8", "upsample(mode = bilinear)"),
    ],
)
class Upsample(Op):
    """Resize the spatial axes by a factor, to a size, or to that of a reference.

    `nearest` copies input floor(i in / out) to output i, where the ratio is rounded to single
    precision as in PyTorch. `bilinear` interpolates between the centres of pixels.
    """

    scale = arg(integer, None, doc="factor", min=1)
    size: Sizes | None = arg(
        sizes, None, doc="the new size, instead of a factor; not given with a reference"
    )
    mode = arg(
        text,
        "nearest",
        doc="`nearest` copies one input, `bilinear` interpolates between neighbouring inputs",
        choices=("nearest", "bilinear"),
    )
    inputs = (1, 2)

    def infer(self, x: TensorType, like: TensorType | None = None) -> TensorType:
        n = spatial_rank(self, x)
        target = self._target(x, like)
        if self.scale is None:
            self.needs_computed(*target)
        if self.mode == "bilinear" and n != 2:
            raise OpError(
                "wrong-rank",
                f"`mode = bilinear` needs C x H x W, the input is {x}",
                "mode",
                "leave `mode` out: `nearest` takes inputs of any rank",
            )
        return TensorType((x.channels, *target), x.dtype)

    def _target(self, x: TensorType, like: TensorType | None) -> Sizes:
        """The sizes of the result; raises `OpError`."""
        n = spatial_rank(self, x)
        if [self.scale, self.size, like].count(None) != 2:
            raise self._wrong_arguments(x, like)
        if self.scale is not None:
            return tuple(size * self.scale for size in x.spatial)
        if like is None:
            return self._sizes(n)
        if len(like.spatial) != n:
            raise OpError(
                "wrong-rank",
                f"the reference of `upsample` has {counted(len(like.spatial), 'spatial axis')}, the"
                f" input has {counted(n, 'spatial axis')}",
                help="give the reference as many axes as the input has",
            )
        return like.spatial

    def _wrong_arguments(self, x: TensorType, like: TensorType | None) -> OpError:
        """The error of a call that gives no size, or more than one."""
        given = {"`scale`": self.scale, "`size`": self.size, "a reference": like}
        found = " and ".join(name for name, value in given.items() if value is not None)
        help = "write `upsample(2)`, `upsample(size = 16x16)` or `upsample(@label)`"
        correction = None
        if self.scale is not None and self.size is not None and like is None:
            scaled = tuple(size * self.scale for size in x.spatial)
            if self._sizes(len(x.spatial)) == scaled:
                help = "both give the same size: leave out `size`"
                correction = Correction({"size": None})
        message = f"`upsample` needs `scale`, `size` or a reference, found {found or 'none'}"
        return OpError("missing-argument", message, help=help, correction=correction)

    def _sizes(self, n: int) -> Sizes:
        """`size` spread over `n` spatial axes; raises `OpError` if it does not fit."""
        sizes = self.size or ()
        if len(sizes) == 1:
            sizes = sizes * n
        if len(sizes) != n:
            raise OpError(
                "wrong-rank",
                f"`size` has {counted(len(sizes), 'size')}, the input has"
                f" {counted(n, 'spatial axis')}",
                "size",
                *for_all_axes("size", sizes, "give one number for all axes, or one for each"),
            )
        return sizes

    def windows(self, x: TensorType, like: TensorType | None = None) -> tuple[Window, ...]:
        axes = zip(x.spatial, self._target(x, like), strict=True)
        return tuple(self._window(before, after) for before, after in axes)

    def _window(self, before: int | Sym, after: int | Sym) -> Window:
        stride, up = 1, self.scale or 1
        if self.scale is None and isinstance(before, int) and isinstance(after, int):
            stride, up = before, after
        if self.mode == "nearest":
            return Window(1, stride, ratio(up - 1, up), up)  # from floor(o stride / up) on
        # From floor((o + 1/2) stride / up - 1/2) on.
        return Window(2, stride, ratio(3 * up - 1 - stride, 2 * up), up)

    def rounding(self, e: Evaluation) -> Bound | None:
        """`abs(y)` plus the largest input of the channel times the largest coordinate; nearest: 0.

        Underflow: `12`; nearest: 0.
        """
        if self.mode == "nearest":
            return None
        # The coordinates between pixels are rounded too: the effect is a share of the largest
        # coordinate, times the step between pixels.
        largest = e.x.abs().amax((2, 3), keepdim=True)
        rounding = e.y.abs() + largest * max(e.x.shape[2:])
        return e.bound(unless_beyond(rounding, 4 * largest), 12)

    def torch(self, t: Recorder, x: TensorType, like: TensorType | None = None) -> Lowered:
        mode = (self.mode, "nearest")
        if self.scale is not None:
            return t.module("Upsample", scale_factor=(self.scale, None), mode=mode)
        target = self._target(x, like)
        if all(isinstance(size, int) for size in target):
            return t.module("Upsample", size=(target, None), mode=mode)
        return t.inline(f"F.interpolate({{0}}, {t.sizes(target)}, mode={self.mode!r})")

    def onnx(self, g: Emitter, x: TypedName, like: TypedName | None = None) -> str:
        spatial, attributes = x.type.spatial, _RESIZE[self.mode]
        if self.scale is not None:
            factors = g.scales([1.0, 1.0, *(float(self.scale) for _ in spatial)])
            return g.op("Resize", x, "", factors, **attributes)
        sizes = self._target(x.type, None if like is None else like.type)
        if self.mode == "nearest" and not all(map(_repeats, spatial, sizes)):
            return _gather(g, x, sizes)
        new = g.sizes(sizes)
        target = g.op("Concat", g.op("Shape", x, end=2), new, axis=0)
        return g.op("Resize", x, "", "", target, **attributes)


# The attributes of ONNX's operator for each mode.
_RESIZE = {
    "nearest": {
        "mode": "nearest",
        "nearest_mode": "floor",
        "coordinate_transformation_mode": "asymmetric",
    },
    "bilinear": {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
}


def _gather(g: Emitter, x: TypedName, sizes: Sizes) -> str:
    """The positions that PyTorch takes, axis by axis.

    `Resize` may take other positions, because it rounds the inverse of the ratio of the sizes.
    """
    y: str = x
    for axis, (before, after) in enumerate(zip(x.type.spatial, sizes, strict=True), start=2):
        if before == after:
            continue
        if isinstance(before, int) and isinstance(after, int):
            positions = g.ints(_positions(before, after))
        else:
            positions = _open_positions(g, x, axis, after)
        y = g.op("Gather", y, positions, axis=axis)
    return y


def _open_positions(g: Emitter, x: str, axis: int, after: int | Sym) -> str:
    """The positions along an axis if its length or the new one is known only in a running model."""
    length, new = g.op("Shape", x, start=axis, end=axis + 1), g.sizes([after])
    ratio = g.op("Div", g.op("Cast", length, to=FLOAT), g.op("Cast", new, to=FLOAT))
    indices = g.op("Range", g.ints(0), g.op("Squeeze", new), g.ints(1))
    scaled = g.op("Mul", g.op("Cast", indices, to=FLOAT), ratio)
    positions = g.op("Cast", g.op("Floor", scaled), to=INT64)
    return g.op("Min", positions, g.op("Sub", length, g.ints([1])))


def _repeats(before: int | Sym, after: int | Sym) -> bool:
    """Whether each element is taken equally often, by PyTorch's rounding too."""
    return (
        isinstance(before, int)
        and isinstance(after, int)
        and after % before == 0
        and _positions(before, after) == [i // (after // before) for i in range(after)]
    )


def _positions(before: int, after: int) -> list[int]:
    """The positions that nearest takes: floor(i before / after).

    The ratio and the product are rounded to float32, as in PyTorch.
    """
    return [_position(i, before, after) for i in range(after)]


def _position(i: int, before: int, after: int) -> int:
    return min(int(_float32(i * _float32(before / after))), before - 1)


def _float32(value: float) -> float:
    return float(struct.unpack("f", struct.pack("f", value))[0])


@layer(
    "pixel_shuffle",
    family="shape",
    examples=[("8x3x4", "pixel_shuffle(2)"), ("9x2x2", "pixel_shuffle(3)")],
)
class PixelShuffle(Op):
    """Channels into space (Shi et al. 2016): C r^2 x H x W to C x H r x W r."""

    rounding = exact

    r = arg(integer, doc="factor", min=1)

    def infer(self, x: TensorType) -> TensorType:
        if len(x.shape) != 3:
            raise OpError("wrong-rank", f"`pixel_shuffle` needs C x H x W, its input is {x}")
        channels, maps = x.channels, x.channels // self.r**2
        if not is_divisible(self, channels, self.r**2):
            do = "does" if channels == 1 else "do"
            raise OpError(
                "bad-groups",
                f"{amount(channels, 'channel')} {do} not divide by {self.r} x {self.r}",
                "r",
                f"put `conv({(maps + 1) * self.r**2}, 1)` before it",
            )
        return TensorType((maps, *(size * self.r for size in x.spatial)), x.dtype)

    def windows(self, x: TensorType) -> tuple[Window, ...]:
        return tuple(Window(1, 1, ratio(self.r - 1, self.r), self.r) for _ in x.spatial)

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        return t.module("PixelShuffle", self.r)

    def onnx(self, g: Emitter, x: TypedName) -> str:
        return g.op("DepthToSpace", x, blocksize=self.r, mode="CRD")
