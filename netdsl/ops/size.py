"""Layers that change the sizes of the spatial axes at their borders: `pad` and `crop`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.errors import Correction, OpError
from netdsl.ir.op import Op, Window
from netdsl.ir.types import TensorType
from netdsl.ops.args import integer, number, sizes, text, widths
from netdsl.ops.base import arg, for_all_axes, layer, spatial_rank
from netdsl.ops.padding import Border, check_border, spread_pairs
from netdsl.ops.rounding import exact
from netdsl.words import counted

if TYPE_CHECKING:
    from netdsl.errors import Correction
    from netdsl.ir.lowering import Emitter, Evaluation, Lowered, Recorder, TypedName
    from netdsl.ir.rounding import Bound
    from netdsl.ir.types import Sym
    from netdsl.ops.args import Pairs

    Sizes = tuple[int | Sym, ...]

EACH_AXIS = "give one number for all axes, or one for each"


@layer(
    "pad",
    family="shape",
    examples=[
        ("2x4x5", "pad(1)"),
        ("2x4x5", "pad([(1, 2), (0, 3)])"),
        ("2x6", "pad(2, mode = reflect)"),
        ("2x4x5", "pad(1x2, mode = edge)"),
        ("1x3x3", "pad(1, value = 2.5)"),
        ("2x3x3", "pad(0, channels = 2)"),
        ("2x4x5", "pad([(1, 2), (0, 3)], mode = circular)"),
    ],
)
class Pad(Op):
    """Put a border around the spatial axes."""

    pad = arg(
        widths,
        doc="width of the border: one number, one for each axis, or (begin, end) pairs",
        min=0,
    )
    mode: str = arg(
        text,
        "constant",
        doc="what the border is filled with",
        choices=("constant", "reflect", "edge", "circular"),
    )
    value: float = arg(number, 0.0, doc="the value of a constant border")
    channels: int = arg(
        integer, 0, doc="constant channels to add before and after those of the input", min=0
    )

    def _pairs(self, x: TensorType) -> Pairs:
        """The widths before and after each spatial axis; raises `OpError`."""
        rank = spatial_rank(self, x)
        return spread_pairs(self.pad, rank, self.kind)

    def infer(self, x: TensorType) -> TensorType:
        pairs = self._pairs(x)
        for size, pair in zip(x.spatial, pairs, strict=True):
            check_border(self, self.mode, size, max(pair), "mode")
        if self.value and self.mode != "constant":
            raise OpError(
                "bad-argument",
                f"`value` of `pad` needs `mode = constant`, found {self.mode}",
                "value",
                "leave out `mode` for a border of that value, or leave out `value`",
            )
        if self.channels and self.mode != "constant":
            raise OpError(
                "bad-argument",
                f"`channels` of `pad` needs `mode = constant`, found {self.mode}",
                "channels",
                "leave out `mode`, or write two `pad` layers",
            )
        spatial = (
            size + before + after for size, (before, after) in zip(x.spatial, pairs, strict=True)
        )
        return TensorType((x.channels + 2 * self.channels, *spatial), x.dtype)

    def windows(self, x: TensorType) -> tuple[Window, ...]:
        return tuple(Window(1, 1, before) for before, _ in self._pairs(x))

    def rounding(self, e: Evaluation) -> Bound:
        """`abs(y)`.

        Underflow: `1`.
        """
        return e.bound(e.y.abs(), 1)

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        return t.inline(self._border(x).torch())

    def _border(self, x: TensorType) -> Border:
        pairs = self._pairs(x)
        if self.mode == "constant":
            return Border(pairs, value=self.value, channels=self.channels)
        return Border(pairs, mode=self.mode)

    def onnx(self, g: Emitter, x: TypedName) -> str:
        return self._border(x.type).onnx(g, x)


@layer(
    "crop",
    family="shape",
    examples=[
        ("2x6x7", "crop(4x5)"),
        ("2x6x7", "crop(3, offset = 1)"),
        ("2x9", "crop(4)"),
        ("2x6x7, 3x4x4", "crop"),
        ("2x6x7, 3x4x4", "crop(offset = 2x3)"),
    ],
)
class Crop(Op):
    """Cut the spatial axes to a size, or to that of a reference: `crop(@image, offset = 19)`.

    The cut is in the middle unless `offset` is given.
    """

    rounding = exact

    size: Sizes | None = arg(sizes, None, doc="the new size; not given with a reference", min=1)
    offset: Sizes | None = arg(
        sizes, None, doc="where the cut begins; by default it is in the middle"
    )
    inputs = (1, 2)

    def _plan(self, x: TensorType, like: TensorType | None) -> list[tuple[int | Sym, int | Sym]]:
        """The (offset, size) of the cut along each spatial axis; raises `OpError`."""
        rank = spatial_rank(self, x)
        if (self.size is None) == (like is None):
            given = "neither" if like is None else "both"
            raise OpError(
                "missing-argument",
                f"`crop` needs a size or a reference, found {given}",
                help="for example, write `crop(24)`, for all axes, or a reference: `crop(@label)`",
            )
        target = self._target(rank, like)
        if self.offset is None:
            return [
                ((whole - part) // 2, part) for whole, part in zip(x.spatial, target, strict=True)
            ]
        offsets = _for_each_axis(self.offset, rank)
        if len(offsets) != rank:
            subject = f"`offset` has {counted(len(offsets), 'size')}"
            raise _wrong_rank(subject, rank, "offset", *for_all_axes("offset", offsets, EACH_AXIS))
        return list(zip(offsets, target, strict=True))

    def _target(self, rank: int, like: TensorType | None) -> Sizes:
        """The sizes of the result: those given, or those of the reference; raises `OpError`."""
        if like is not None:
            target = like.spatial
            subject = f"the reference of `crop` has {counted(len(target), 'spatial axis')}"
            advice: str = "give the reference as many axes as the input has"
            correction = None
        else:
            assert self.size is not None
            target = _for_each_axis(self.size, rank)
            subject = f"`crop` has {counted(len(target), 'size')}"
            advice, correction = for_all_axes("size", target, EACH_AXIS)
        if len(target) != rank:
            raise _wrong_rank(subject, rank, "size", advice, correction)
        return target

    def infer(self, x: TensorType, like: TensorType | None = None) -> TensorType:
        plan = self._plan(x, like)
        self.needs_computed(*(size for _, size in plan), *(self.offset or ()))
        for whole, (offset, size) in zip(x.spatial, plan, strict=True):
            room = whole if self.offset is None else whole - offset
            fits = self.offset is None or self.needs_at_least(offset, 0)
            if not (fits and self.needs_at_least(room, size)):
                start, advice = "", f"make it at most {whole}, or use `pad` to enlarge an axis"
                if self.offset is not None:
                    start = f" from offset {offset}"
                    advice = f"offset and size together must be at most {whole}"
                message = f"`crop` to {size}{start} does not fit into {whole}"
                argument = "size" if like is None else None
                raise OpError("window-too-large", message, argument, advice)
        return TensorType((x.channels, *(size for _, size in plan)), x.dtype)

    def windows(self, x: TensorType, like: TensorType | None = None) -> tuple[Window, ...]:
        plan = self._plan(x, like)
        return tuple(Window(1, 1, -offset if isinstance(offset, int) else 0) for offset, _ in plan)

    def torch(self, t: Recorder, x: TensorType, like: TensorType | None = None) -> Lowered:
        plan = self._plan(x, like)
        if all(isinstance(number, int) for pair in plan for number in pair):
            ranges = ", ".join(f"{offset}:{offset + size}" for offset, size in plan)
            return t.inline(f"{{0}}[:, :, {ranges}]")
        arguments = ["{1}.shape[2:]"]
        if like is None:
            arguments = [t.sizes([size for _, size in plan])]
        if self.offset is not None:
            arguments.append(t.sizes([offset for offset, _ in plan]))
        return t.helper("crop_to", "{0}", *arguments)

    def onnx(self, g: Emitter, x: TypedName, like: TypedName | None = None) -> str:
        plan = self._plan(x.type, None if like is None else like.type)
        axes = g.ints(list(range(2, 2 + len(plan))))
        known = [(o, n) for o, n in plan if isinstance(o, int) and isinstance(n, int)]
        if len(known) == len(plan):
            start = g.ints([offset for offset, _ in known])
            end = g.ints([offset + size for offset, size in known])
            return g.op("Slice", x, start, end, axes)
        if like is None:
            target = g.sizes([size for _, size in plan])
        else:
            target = g.op("Shape", like, start=2)
        if self.offset is None:
            start = g.op("Div", g.op("Sub", g.op("Shape", x, start=2), target), g.ints([2]))
        else:
            start = g.sizes([offset for offset, _ in plan])
        return g.op("Slice", x, start, g.op("Add", start, target), axes)


def _for_each_axis(numbers: Sizes, rank: int) -> Sizes:
    """The numbers as they are, or a single one repeated for all axes."""
    return numbers * rank if len(numbers) == 1 else numbers


def _wrong_rank(
    subject: str, rank: int, argument: str, advice: str, correction: Correction | None = None
) -> OpError:
    message = f"{subject}, but the input has {counted(rank, 'spatial axis')}"
    return OpError("wrong-rank", message, argument, advice, correction)
