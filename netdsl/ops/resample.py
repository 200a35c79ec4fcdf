"""More or fewer positions on the spatial axes: `upsample` and `pixel_shuffle`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.errors import Correction, OpError
from netdsl.ir.op import Op, Window, ratio
from netdsl.ir.types import Sym, TensorType, shape_text
from netdsl.ops.args import boolean, integer, sizes, text
from netdsl.ops.base import FLOAT, arg, fixed, for_all_axes, layer, spatial_rank
from netdsl.ops.interpolation import (
    MODES,
    NEAREST,
    check_mode,
    depends_on_processor,
    nearest_positions,
    resize,
    rounding_of,
    scaled_indices,
    torch_mode,
    window_of,
)
from netdsl.ops.pool_global import AdaptiveAvgPool
from netdsl.ops.rounding import exact
from netdsl.words import counted, do

if TYPE_CHECKING:
    from netdsl.ir.lowering import Emitter, Evaluation, Lowered, Recorder, TypedName
    from netdsl.ir.rounding import Bound


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
        ("2x5", "upsample(2, mode = linear, align_corners = true)"),
        ("2x3x4", "upsample(size = 5x9, mode = bilinear, align_corners = true)"),
        ("2x2x3x2", "upsample(2, mode = trilinear)"),
        ("2x5x4", "upsample(2, mode = bicubic)"),
        ("2x5x4", "upsample(size = 7x3, mode = bicubic, align_corners = true)"),
        ("2x5x4", "upsample(size = 7x2, mode = nearest_exact)"),
        ("2x5x4", "upsample(2, mode = nearest_exact)"),
        ("2x5x4", "upsample(size = 7x3, mode = area)"),
        ("2x4", "upsample(3, mode = area)"),
    ],
)
class Upsample(Op):
    """Resize the spatial axes by a factor, or to a size.

    `nearest` copies input floor(i in / out) to output i, where the ratio is rounded to single
    precision as in PyTorch, and `nearest_exact` the input at the same place, floor((i + 1/2) in /
    out). `linear`, `bilinear` and `trilinear` interpolate along 1, 2 and 3 axes, between the
    centres of pixels or, with `align_corners`, so that the corners keep their values. `bicubic`
    takes 4 x 4 neighbours. `area` is the mean of the inputs that an output covers.

    PyTorch also has factors that are no integers, whose sizes depend on rounding, and `antialias`,
    which onnxruntime computes differently.
    """

    scale = arg(integer, None, doc="factor, a whole number; `size` allows any size", min=1)
    size = arg(sizes, None, doc="the new size, instead of a factor")
    mode = arg(
        text,
        "nearest",
        doc="how an output is computed from the inputs near it",
        choices=MODES,
    )
    align_corners = arg(
        boolean, False, doc="the first and last inputs are the first and last outputs"
    )

    def infer(self, x: TensorType) -> TensorType:
        n = spatial_rank(self, x)
        if (self.scale is None) == (self.size is None):
            help = "write `upsample(2)` or `upsample(size = 16x16)`"
            correction = None
            if self.size is not None:
                help = f"write `upsample({self.scale})`, or give only the new `size`"
            scaled = tuple(size * (self.scale or 1) for size in x.spatial)
            if self.size is not None and self._sizes(n) == scaled:
                help = "both give the same size: leave out `size`"
                correction = Correction({"size": None})
            message = "`upsample` needs `scale` or `size`"
            if self.size is not None:
                message = "`upsample` takes `scale` or `size`, found both"
            raise OpError("missing-argument", message, help=help, correction=correction)
        check_mode(self.mode, n, align_corners=self.align_corners)
        if self.scale is None:
            return TensorType((x.channels, *self._sizes(n)), x.dtype)
        return TensorType((x.channels, *(size * self.scale for size in x.spatial)), x.dtype)

    def _sizes(self, n: int) -> tuple[int, ...]:
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
        known = tuple(size for size in sizes if isinstance(size, int))
        if len(known) < n:
            raise OpError(
                "open-size",
                f"`upsample` to {shape_text(sizes)}: the size must be a number",
                "size",
                "a factor works with open sizes: `upsample(2)`, then `crop(@label)` to the size of"
                " another value",
            )
        return known

    def windows(self, x: TensorType) -> tuple[Window, ...]:
        axes = zip(x.spatial, self.infer(x).spatial, strict=True)
        return tuple(self._window(before, after) for before, after in axes)

    def _window(self, before: int | Sym, after: int | Sym) -> Window:
        stride, up = 1, self.scale or 1
        if self.scale is None and isinstance(before, int) and isinstance(after, int):
            stride, up = before, after
        return window_of(self.mode, stride, up, align_corners=self.align_corners)

    def rounding(self, e: Evaluation) -> Bound | None:
        """`abs(y)` plus the largest input of the channel times the largest coordinate.

        `bicubic` multiplies the largest input by 4, `area` is like `adaptive_avgpool`, and the
        nearest modes are exact.

        Underflow: `12`; nearest: 0.
        """
        return rounding_of(self, self.mode, e)

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        sizes = None if self.size is None else self._sizes(len(x.spatial))
        if sizes is not None and self.mode == "nearest_exact":
            axes = zip(x.spatial, sizes, strict=True)
            if any(isinstance(b, Sym) or depends_on_processor(b, a) for b, a in axes):
                return t.helper("resize_nearest_exact", "{0}", sizes)
        return t.module(
            "Upsample",
            size=(sizes, None),
            scale_factor=(self.scale, None),
            mode=(torch_mode(self.mode), "nearest"),
            align_corners=(self.align_corners or None, None),
        )

    def onnx(self, g: Emitter, x: TypedName) -> str:
        spatial = x.type.spatial
        new = ""
        if self.scale is None:
            sizes = self._sizes(len(spatial))
            if self.mode == "area":
                return AdaptiveAvgPool({"kind": self.kind, "size": sizes}).onnx(g, x)
            if self.mode in NEAREST and not all(map(self._repeats, spatial, sizes)):
                return self._gather(g, x, sizes)
            new = g.ints(sizes)
        return resize(g, x, self.mode, self.scale, new, align_corners=self.align_corners)

    def _gather(self, g: Emitter, x: TypedName, sizes: tuple[int, ...]) -> str:
        """The positions that PyTorch takes, axis by axis.

        `Resize` may take other positions, because it rounds the inverse of the ratio of the sizes.
        """
        y: str = x
        for axis, (before, after) in enumerate(zip(x.type.spatial, sizes, strict=True), start=2):
            if isinstance(before, int):
                positions = g.ints(nearest_positions(self.mode, before, after))
            else:
                positions = self._open_positions(g, x, axis, after)
            y = g.op("Gather", y, positions, axis=axis)
        return y

    def _open_positions(self, g: Emitter, x: str, axis: int, after: int) -> str:
        """The positions along an axis whose length is known only when the model runs."""
        length = g.op("Shape", x, start=axis, end=axis + 1)
        step = g.op("Div", g.op("Cast", length, to=FLOAT), g.scales([after]))
        positions = scaled_indices(g, self.mode, g.scales(range(after)), step)
        return g.op("Min", positions, g.op("Sub", length, g.ints([1])))

    def _repeats(self, before: int | Sym, after: int) -> bool:
        """Whether each element is taken equally often, by PyTorch's rounding too."""
        if not isinstance(before, int) or after % before:
            return False
        repeated = [i // (after // before) for i in range(after)]
        return nearest_positions(self.mode, before, after) == repeated


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
        channels = fixed(self, x.channels, "its input channels")
        maps, rest = divmod(channels, self.r**2)
        if rest:
            raise OpError(
                "bad-groups",
                f"{counted(channels, 'channel')} {do(channels)} not divide by {self.r} x {self.r}",
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
