"""Layers that change the sizes of the spatial axes at their borders: `pad` and `crop`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.errors import OpError
from netdsl.ir.op import Op, Window
from netdsl.ir.types import Sym, TensorType
from netdsl.ops.args import integer, number, padding, sizes, text
from netdsl.ops.base import arg, fixed, layer, spatial_rank, spread
from netdsl.ops.rounding import exact
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.ir.lowering import Emitter, Evaluation, Lowered, Recorder, TypedName
    from netdsl.ir.rounding import Bound


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
    ],
)
class Pad(Op):
    """Put a border around the spatial axes."""

    pad = arg(
        padding,
        doc="width of the border: one number, one for each axis, or begin and end pairs",
        min=0,
    )
    mode = arg(
        text, "constant", doc="what the border holds", choices=("constant", "reflect", "edge")
    )
    value: float = arg(number, 0.0, doc="the constant")
    channels: int = arg(
        integer, 0, doc="channels of the constant before and after the input's", min=0
    )

    def _pairs(self, x: TensorType) -> list[tuple[int, int]]:
        n = spatial_rank(self, x)
        if self.pad == "same":
            raise OpError(
                "bad-argument",
                "`pad` of `pad` must be the width of the border, found same",
                "pad",
                "write a number: `pad(1)`",
            )
        if isinstance(self.pad, tuple) and isinstance(self.pad[0], tuple):
            if len(self.pad) != n:
                raise OpError(
                    "wrong-rank",
                    f"`pad` has {counted(len(self.pad), 'pair')}, the input has"
                    f" {counted(n, 'spatial axis')}",
                    "pad",
                    "give a (begin, end) pair for each axis",
                )
            return list(self.pad)
        return [(p, p) for p in spread(self.pad, n, self.kind, "pad")]

    def infer(self, *xs: TensorType) -> TensorType:
        pairs = self._pairs(xs[0])
        for size, pair in zip(xs[0].spatial, pairs, strict=True):
            if self.mode == "reflect" and not self.needs_at_least(size, max(pair) + 1):
                message = f"a reflected border of {max(pair)} needs an input larger than {size}"
                advice = f"at most {size - 1}, or `mode = edge`"
                raise OpError("bad-padding", message, "pad", advice)
        if self.channels and self.mode != "constant":
            raise OpError(
                "bad-argument",
                f"channels are padded with a constant, the mode is {self.mode}",
                "channels",
                "leave out `mode`, or write two `pad`s",
            )
        return TensorType(
            (
                xs[0].channels + 2 * self.channels,
                *(s + a + b for s, (a, b) in zip(xs[0].spatial, pairs, strict=True)),
            ),
            xs[0].dtype,
        )

    def windows(self, *xs: TensorType) -> tuple[Window, ...]:
        return tuple(Window(1, 1, a) for a, _ in self._pairs(xs[0]))

    def rounding(self, e: Evaluation) -> Bound:
        """`abs(y)`.

        Underflow: `1`.
        """
        return e.bound(e.y.abs(), 1)

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        pairs = (
            [(self.channels, self.channels), *self._pairs(xs[0])]
            if self.channels
            else self._pairs(xs[0])
        )
        flat = tuple(v for pair in reversed(pairs) for v in pair)
        mode = {
            "constant": f"value={self.value!r}",
            "reflect": 'mode="reflect"',
            "edge": 'mode="replicate"',
        }[self.mode]
        return t.inline(f"F.pad({{0}}, {flat}, {mode})")

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        value = g.floats(self.value) if self.mode == "constant" else ""
        return g.pad(
            xs[0], [(self.channels, self.channels), *self._pairs(xs[0].type)], value, self.mode
        )


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
    """Cut the spatial axes to a size, or to that of a reference:

    `crop(@image, offset = 19)`; the middle unless `offset` says where.
    """

    rounding = exact

    size = arg(sizes, None, doc="the new size; not with a reference")
    offset = arg(sizes, None, doc="where the cut begins; the middle where not given")
    inputs = (1, 2)

    def _plan(self, xs: Sequence[TensorType]) -> list[tuple[int | Sym, int | Sym]]:
        """(offset, size) along each spatial axis."""
        n = spatial_rank(self, xs[0])
        if (self.size is None) == (len(xs) == 1):
            raise OpError(
                "missing-argument",
                "`crop` needs a size or a reference, and not both",
                help="write `crop(24x24)` or `crop(@image)`",
            )
        for d in (*(self.size or ()), *(self.offset or ())):
            fixed(self, d, "where to cut", "cut to the size of another value: `crop(@label)`")
        target = (
            xs[1].spatial if len(xs) == 2 else self.size * n if len(self.size) == 1 else self.size
        )
        if len(target) != n:
            advice = (
                "one number serves all axes"
                if len(xs) == 1
                else "give the reference as many axes as the input has"
            )
            raise OpError(
                "wrong-rank",
                f"`crop` to {counted(len(target), 'size')}, the input has"
                f" {counted(n, 'spatial axis')}",
                "size",
                advice,
            )
        if self.offset is None:
            return [((i - o) // 2, o) for i, o in zip(xs[0].spatial, target, strict=True)]
        offset = self.offset * n if len(self.offset) == 1 else self.offset
        if len(offset) != n:
            raise OpError(
                "wrong-rank",
                f"`offset` has {counted(len(offset), 'size')}, the input has"
                f" {counted(n, 'spatial axis')}",
                "offset",
                "one number serves all axes",
            )
        return list(zip(offset, target, strict=True))

    def infer(self, *xs: TensorType) -> TensorType:
        for size, (o, n) in zip(xs[0].spatial, plan := self._plan(xs), strict=True):
            if not (self.needs_at_least(o, 0) and self.needs_at_least(size - o, n)):
                where, advice = "", f"at most {size}; `pad` makes it larger"
                if self.offset is not None:
                    where = f" from offset {o}"
                    advice = f"offset and size together are at most {size}"
                message = f"`crop` to {n}{where} does not fit into {size}"
                argument = "size" if len(xs) == 1 else None
                raise OpError("window-too-large", message, argument, advice)
        return TensorType((xs[0].channels, *(n for _, n in plan)), xs[0].dtype)

    def windows(self, *xs: TensorType) -> tuple[Window, ...]:
        return tuple(Window(1, 1, -o if isinstance(o, int) else 0) for o, _ in self._plan(xs))

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        if all(isinstance(v, int) for pair in self._plan(xs) for v in pair):
            return t.inline(f"{{0}}[:, :, {', '.join(f'{o}:{o + n}' for o, n in self._plan(xs))}]")
        target = "{1}.shape[2:]" if len(xs) == 2 else tuple(n for _, n in self._plan(xs))
        return t.helper(
            "crop_to",
            "{0}",
            target,
            *([] if self.offset is None else [tuple(o for o, _ in self._plan(xs))]),
        )

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        plan = self._plan([x.type for x in xs])
        axes = g.ints(list(range(2, 2 + len(plan))))
        known = [(o, n) for o, n in plan if isinstance(o, int) and isinstance(n, int)]
        if len(known) == len(plan):
            return g.op(
                "Slice",
                xs[0],
                g.ints([o for o, _ in known]),
                g.ints([o + n for o, n in known]),
                axes,
            )
        target = (
            g.op("Shape", xs[1], start=2)
            if len(xs) == 2
            else g.ints([fixed(self, n, "where to cut") for _, n in plan])
        )
        if self.offset is None:
            start = g.op("Div", g.op("Sub", g.op("Shape", xs[0], start=2), target), g.ints([2]))
        else:
            start = g.ints([fixed(self, o, "where to cut") for o, _ in plan])
        return g.op("Slice", xs[0], start, g.op("Add", start, target), axes)
