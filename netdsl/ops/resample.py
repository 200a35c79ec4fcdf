"""More or fewer positions on the spatial axes: `upsample`, `pixel_shuffle`, `pixel_unshuffle`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.errors import Correction, OpError
from netdsl.ir.op import Op, Window, ratio
from netdsl.ir.types import Sym, TensorType
from netdsl.ops.args import boolean, integer, sizes, text
from netdsl.ops.base import FLOAT, amount, arg, for_all_axes, layer, spatial_rank
from netdsl.ops.division import is_divisible
from netdsl.ops.interpolation import (
    MODES,
    NEAREST,
    check_mode,
    depends_on_processor,
    means,
    nearest_positions,
    resize,
    rounding_of,
    scaled_indices,
    torch_mode,
    window_of,
)
from netdsl.ops.pool_global import AdaptiveAvgPool
from netdsl.ops.rounding import exact
from netdsl.words import counted

if TYPE_CHECKING:
    from netdsl.ir.lowering import Emitter, Evaluation, Lowered, Recorder, TypedName
    from netdsl.ir.rounding import Bound

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
        ("2x5", "upsample(2, mode = linear, align_corners = true)"),
        ("2x3x4", "upsample(size = 5x9, mode = bilinear, align_corners = true)"),
        ("2x2x3x2", "upsample(2, mode = trilinear)"),
        ("2x5x4", "upsample(2, mode = bicubic)"),
        ("2x5x4", "upsample(size = 7x3, mode = bicubic, align_corners = true)"),
        ("2x5x4", "upsample(size = 7x2, mode = nearest_exact)"),
        ("2x5x4", "upsample(2, mode = nearest_exact)"),
        ("2x5x4", "upsample(size = 7x3, mode = area)"),
        ("2x4", "upsample(3, mode = area)"),
        ("2x3x4, 5x7x9", "upsample"),
        ("2x3x4, 5x6x8", "upsample(mode = bilinear)"),
    ],
)
class Upsample(Op):
    """Resize the spatial axes by a factor, to a size, or to that of a reference.

    `nearest` copies input floor(i in / out) to output i, where the ratio is rounded to single
    precision as in PyTorch, and `nearest_exact` the input at the same place, floor((i + 1/2) in /
    out). `linear`, `bilinear` and `trilinear` interpolate along 1, 2 and 3 axes, between the
    centres of pixels or, with `align_corners`, so that the corners keep their values. `bicubic`
    takes 4 x 4 neighbours. `area` is the mean of the inputs that an output covers.

    PyTorch also has factors that are no integers, whose sizes depend on rounding, and `antialias`,
    which onnxruntime computes differently.
    """

    scale = arg(integer, None, doc="factor, a whole number; `size` allows any size", min=1)
    size: Sizes | None = arg(
        sizes, None, doc="the new size, instead of a factor; not given with a reference"
    )
    mode = arg(
        text,
        "nearest",
        doc="how an output is computed from the inputs near it",
        choices=MODES,
    )
    align_corners = arg(
        boolean, False, doc="the first and last inputs are the first and last outputs"
    )

    inputs = (1, 2)

    def infer(self, x: TensorType, like: TensorType | None = None) -> TensorType:
        target = self._target(x, like)
        if self.scale is None:
            self.needs_computed(*target)
        check_mode(self.mode, len(target), align_corners=self.align_corners)
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
                f"the reference of `upsample` has {counted(len(like.spatial), 'spatial axis')}, but"
                f" the input has {counted(n, 'spatial axis')}",
                help="give the reference as many axes as the input has",
            )
        return like.spatial

    def _wrong_arguments(self, x: TensorType, like: TensorType | None) -> OpError:
        """The error of a call that gives no size, or more than one."""
        targets: dict[str, Sizes] = {}
        if self.scale is not None:
            targets["`scale`"] = tuple(size * self.scale for size in x.spatial)
        if self.size is not None:
            targets["`size`"] = self._sizes(len(x.spatial))
        if like is not None:
            targets["a reference"] = like.spatial
        needed, found = "`scale`, `size` and a reference", " and ".join(targets) or "none"
        help = "write `upsample(2)`, `upsample(size = 16x16)` or `upsample(@label)`"
        correction = None
        if len(targets) == 2 and len(set(targets.values())) == 1:
            name = "scale" if self.size is None else "size"
            help = f"both give the same size: leave out `{name}`"
            correction = Correction({name: None})
        elif len(targets) == 2 and like is None:
            help = f"write `upsample({self.scale})`, or give only the new `size`"
        message = f"`upsample` needs one of {needed}, found {found}"
        return OpError("missing-argument", message, help=help, correction=correction)

    def _sizes(self, n: int) -> Sizes:
        """`size` spread over `n` spatial axes; raises `OpError` if it does not fit."""
        sizes = self.size or ()
        if len(sizes) == 1:
            sizes = sizes * n
        if len(sizes) != n:
            raise OpError(
                "wrong-rank",
                f"`size` has {counted(len(sizes), 'size')}, but the input has"
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
        return window_of(self.mode, stride, up, align_corners=self.align_corners)

    def rounding(self, e: Evaluation) -> Bound | None:
        """`abs(y)` plus the largest input of the channel times the largest coordinate.

        `bicubic` multiplies the largest input by 4, `area` is like `adaptive_avgpool`, and the
        nearest modes are exact.

        Underflow: `12`; nearest: 0.
        """
        return rounding_of(self, self.mode, e)

    def torch(self, t: Recorder, x: TensorType, like: TensorType | None = None) -> Lowered:
        target = self._target(x, like)
        known = tuple(size for size in target if isinstance(size, int))
        pairs = list(zip(x.spatial, target, strict=True))
        if self.scale is None and self.mode == "nearest_exact" and any(map(_may_vary, pairs)):
            return t.helper("resize_nearest_exact", "{0}", t.sizes(target))
        if self.scale is None and len(known) < len(target):
            return t.inline(self._call(t.sizes(target)))
        return t.module(
            "Upsample",
            size=(known if self.scale is None else None, None),
            scale_factor=(self.scale, None),
            mode=(torch_mode(self.mode), "nearest"),
            align_corners=(self.align_corners or None, None),
        )

    def _call(self, sizes: str) -> str:
        """The call of the function that resizes to sizes which the model computes."""
        corners = ", align_corners=True" if self.align_corners else ""
        return f"F.interpolate({{0}}, {sizes}, mode={torch_mode(self.mode)!r}{corners})"

    def onnx(self, g: Emitter, x: TypedName, like: TypedName | None = None) -> str:
        new = ""
        if self.scale is None:
            target = self._target(x.type, None if like is None else like.type)
            if self.mode == "area":
                return self._area(g, x, target)
            if self.mode in NEAREST and not all(map(self._repeats, x.type.spatial, target)):
                return self._gather(g, x, target)
            new = g.sizes(target)
        return resize(g, x, self.mode, self.scale, new, align_corners=self.align_corners)

    def _area(self, g: Emitter, x: TypedName, target: Sizes) -> str:
        """The means of the windows that PyTorch takes."""
        if any(isinstance(size, Sym) for size in target):
            return means(g, x, target)
        return AdaptiveAvgPool({"kind": self.kind, "size": target}).onnx(g, x)

    def _gather(self, g: Emitter, x: TypedName, target: Sizes) -> str:
        """The positions that PyTorch takes, axis by axis.

        `Resize` may take other positions, because it rounds the inverse of the ratio of the sizes.
        """
        y: str = x
        for axis, (before, after) in enumerate(zip(x.type.spatial, target, strict=True), start=2):
            if before == after:
                continue
            if isinstance(before, int) and isinstance(after, int):
                positions = g.ints(nearest_positions(self.mode, before, after))
            else:
                positions = self._open_positions(g, x, axis, after)
            y = g.op("Gather", y, positions, axis=axis)
        return y

    def _open_positions(self, g: Emitter, x: str, axis: int, after: int | Sym) -> str:
        """The positions along an axis if its length or the new one is known only in a run."""
        length, new = g.op("Shape", x, start=axis, end=axis + 1), g.sizes([after])
        step = g.op("Div", g.op("Cast", length, to=FLOAT), g.op("Cast", new, to=FLOAT))
        indices = g.op("Range", g.ints(0), g.op("Squeeze", new), g.ints(1))
        positions = scaled_indices(g, self.mode, g.op("Cast", indices, to=FLOAT), step)
        return g.op("Min", positions, g.op("Sub", length, g.ints([1])))

    def _repeats(self, before: int | Sym, after: int | Sym) -> bool:
        """Whether each element is taken equally often, by PyTorch's rounding too."""
        if before == after:
            return True
        if not isinstance(before, int) or not isinstance(after, int) or after % before:
            return False
        repeated = [i // (after // before) for i in range(after)]
        return nearest_positions(self.mode, before, after) == repeated


def _may_vary(sizes: tuple[int | Sym, int | Sym]) -> bool:
    """Whether `nearest_exact` of a size to another may depend on the processor in PyTorch."""
    before, after = sizes
    if isinstance(before, int) and isinstance(after, int):
        return depends_on_processor(before, after)
    return before != after


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
            raise OpError("wrong-rank", f"`pixel_shuffle` needs C x H x W, but its input is {x}")
        channels, maps = x.channels, x.channels // self.r**2
        if not is_divisible(self, channels, self.r**2):
            verb = "is" if channels == 1 else "are"
            raise OpError(
                "bad-groups",
                f"{amount(channels, 'channel')} {verb} not divisible by {self.r} x {self.r}",
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


@layer(
    "pixel_unshuffle",
    family="shape",
    examples=[("2x6x4", "pixel_unshuffle(2)"), ("1x3x9", "pixel_unshuffle(3)")],
)
class PixelUnshuffle(Op):
    """Space into channels, the inverse of `pixel_shuffle`: C x H x W to C r^2 x H / r x W / r."""

    rounding = exact

    r = arg(integer, doc="factor", min=1)

    def infer(self, x: TensorType) -> TensorType:
        if len(x.shape) != 3:
            raise OpError("wrong-rank", f"`pixel_unshuffle` needs C x H x W, but its input is {x}")
        for size in x.spatial:
            if not is_divisible(self, size, self.r):
                raise OpError(
                    "bad-groups",
                    f"{amount(size, 'position')} are not divisible by {self.r}: the input is {x}",
                    "r",
                    "`pad` or `crop` can change the size",
                )
        spatial = [size // self.r for size in x.spatial]
        self.needs_computed(x.channels)
        return TensorType((x.channels * self.r**2, *spatial), x.dtype)

    def windows(self, x: TensorType) -> tuple[Window, ...]:
        return tuple(Window(self.r, self.r) for _ in x.spatial)

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        return t.module("PixelUnshuffle", self.r)

    def onnx(self, g: Emitter, x: TypedName) -> str:
        # `SpaceToDepth` orders the channels otherwise: each of its groups has all channels.
        y = g.op("SpaceToDepth", x, blocksize=self.r)
        grouped = g.op("Reshape", y, g.sizes([0, self.r**2, x.type.channels, -1]))
        swapped = g.op("Transpose", grouped, perm=[0, 2, 1, 3])
        return g.op("Reshape", swapped, g.op("Shape", y))
