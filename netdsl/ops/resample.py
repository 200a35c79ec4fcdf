"""More or fewer positions on the spatial axes."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from netdsl.errors import OpError
from netdsl.ir.op import Op, Window
from netdsl.ir.rounding import unless_beyond
from netdsl.ir.types import Sym, TensorType, shape_text
from netdsl.ops.args import integer, sizes, text
from netdsl.ops.base import arg, fixed, layer, spatial_rank
from netdsl.ops.rounding import exact
from netdsl.words import counted, do

if TYPE_CHECKING:
    from netdsl.ir.lowering import Emitter, Evaluation, Lowered, Recorder, TypedName
    from netdsl.ir.rounding import Bound

FLOAT, INT64 = 1, 7  # element types of ONNX


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
    ],
)
class Upsample(Op):
    """Enlarge the spatial axes by a factor, or bring them to a size, larger or smaller: output i
    takes input floor(i in / out), the ratio rounded to single precision as in PyTorch, or bilinear
    values between pixel centres.
    """

    scale = arg(integer, None, doc="factor", min=1)
    size = arg(sizes, None, doc="the new size, instead of a factor")
    mode = arg(
        text,
        "nearest",
        doc="`nearest` takes one input, `bilinear` mixes the inputs around the place",
        choices=("nearest", "bilinear"),
    )

    def infer(self, *xs: TensorType) -> TensorType:
        n = spatial_rank(self, xs[0])
        if (self.scale is None) == (self.size is None):
            raise OpError(
                "missing-argument",
                "`upsample` needs `scale` or `size`, and not both",
                help="write `upsample(2)` or `upsample(size = 16x16)`",
            )
        if self.mode == "bilinear" and n != 2:
            raise OpError(
                "wrong-rank",
                f"bilinear needs C x H x W, the input is {xs[0]}",
                "mode",
                "leave out `mode`: nearest takes any rank",
            )
        if self.scale is not None:
            return TensorType(
                (xs[0].channels, *(d * self.scale for d in xs[0].spatial)), xs[0].dtype
            )
        size = self.size * n if len(self.size) == 1 else self.size
        if len(size) != n:
            raise OpError(
                "wrong-rank",
                f"`size` has {counted(len(size), 'size')}, the input has"
                f" {counted(n, 'spatial axis')}",
                "size",
                "one number serves all axes",
            )
        if any(isinstance(d, Sym) for d in size):
            message = f"`upsample` to {shape_text(size)}: the size must be a number"
            way = "`upsample(2)`, then `crop(@label)` to the size of another value"
            raise OpError("open-size", message, "size", f"a factor works with open sizes: {way}")
        return TensorType((xs[0].channels, *size), xs[0].dtype)

    def windows(self, *xs: TensorType) -> tuple[Window, ...]:
        return tuple(
            self._window(*sizes)
            for sizes in zip(xs[0].spatial, self.infer(*xs).spatial, strict=True)
        )

    def _window(self, before: int | Sym, after: int | Sym) -> Window:
        stride, up = 1, self.scale or 1
        if self.scale is None and isinstance(before, int) and isinstance(after, int):
            stride, up = before, after
        if self.mode == "nearest":
            return Window(1, stride, Fraction(up - 1, up), up)  # from floor(o stride / up) on
        # From floor((o + 1/2) stride / up - 1/2) on.
        return Window(2, stride, Fraction(3 * up - 1 - stride, 2 * up), up)

    def _fixed_size(self, x: TensorType) -> tuple[int, ...]:
        return tuple(fixed(self, d, "its output size") for d in self.infer(x).spatial)

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

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        how = (
            {"scale_factor": (self.scale, None)}
            if self.scale is not None
            else {"size": (self._fixed_size(xs[0]), None)}
        )
        return t.module("Upsample", **how, mode=(self.mode, "nearest"))

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        mode = {"nearest": "nearest", "bilinear": "linear"}[self.mode]
        rounding = (
            {"nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
            if mode == "nearest"
            else {"coordinate_transformation_mode": "half_pixel"}
        )
        if self.scale is not None:
            return g.op(
                "Resize",
                xs[0],
                "",
                g.scales([1.0, 1.0, *(float(self.scale) for _ in xs[0].type.spatial)]),
                mode=mode,
                **rounding,
            )
        sizes = self._fixed_size(xs[0].type)
        if mode == "nearest" and not all(
            _repeats(before, after) for before, after in zip(xs[0].type.spatial, sizes, strict=True)
        ):
            return self._chosen(g, xs[0], sizes)
        spatial = g.ints(list(sizes))
        target = g.op("Concat", g.op("Shape", xs[0], end=2), spatial, axis=0)
        return g.op("Resize", xs[0], "", "", target, mode=mode, **rounding)

    def _chosen(self, g: Emitter, x: Any, sizes: tuple[int, ...]) -> str:
        """Axis by axis, the positions that PyTorch takes:

        `Resize` rounds the ratio of the sizes the other way round, and takes others.
        """
        made: str = x
        for axis, (before, after) in enumerate(zip(x.type.spatial, sizes, strict=True), start=2):
            made = g.op(
                "Gather",
                made,
                (
                    g.ints(_positions(before, after))
                    if isinstance(before, int)
                    else self._open_positions(g, x, axis, after)
                ),
                axis=axis,
            )
        return made

    @staticmethod
    def _open_positions(g: Emitter, x: Any, axis: int, after: int) -> str:
        length = g.op("Shape", x, start=axis, end=axis + 1)
        ratio = g.op("Div", g.op("Cast", length, to=FLOAT), g.scales([after]))
        positions = g.op(
            "Cast", g.op("Floor", g.op("Mul", g.scales(range(after)), ratio)), to=INT64
        )
        return g.op("Min", positions, g.op("Sub", length, g.ints([1])))


def _repeats(before: int | Sym, after: int) -> bool:
    """Whether each element is taken equally often, and both libraries say so."""
    return (
        isinstance(before, int)
        and after % before == 0
        and _positions(before, after) == [i // (after // before) for i in range(after)]
    )


def _positions(before: int, after: int) -> list[int]:
    """What nearest takes: floor(i before / after), the ratio and the product in float32 as in
    PyTorch.
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

    r: int = arg(integer, doc="factor", min=1)

    def infer(self, *xs: TensorType) -> TensorType:
        if len(xs[0].shape) != 3:
            raise OpError("wrong-rank", f"`pixel_shuffle` needs C x H x W, its input is {xs[0]}")
        channels = fixed(self, xs[0].channels, "its input channels")
        if channels % self.r**2:
            raise OpError(
                "bad-groups",
                f"{counted(channels, 'channel')} {do(channels)} not divide by {self.r} x {self.r}",
                "r",
                f"`conv({-(-channels // self.r**2) * self.r**2}, 1)` before it makes as many as it"
                " needs",
            )
        return TensorType(
            (channels // self.r**2, *(d * self.r for d in xs[0].spatial)), xs[0].dtype
        )

    def windows(self, *xs: TensorType) -> tuple[Window, ...]:
        return tuple(Window(1, 1, Fraction(self.r - 1, self.r), self.r) for _ in xs[0].spatial)

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.module("PixelShuffle", self.r)

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        return g.op("DepthToSpace", xs[0], blocksize=self.r, mode="CRD")
