"""Layers that move elements about: reshape, permute, pad, crop, slice and their kin."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, NamedTuple

from netdsl.errors import OpError
from netdsl.ir.op import Op, Param, Window
from netdsl.ir.types import Sym, TensorType, shape_text
from netdsl.ops.args import integer, integers, number, padding, show, sizes, text
from netdsl.ops.base import arg, axis_index, divisors, fixed, layer, spatial_rank, spread
from netdsl.ops.init import INITS, check_fans
from netdsl.ops.rounding import exact
from netdsl.words import counted, do

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.ir.lowering import Emitter, Evaluation, Lowered, Recorder, TypedName
    from netdsl.ir.rounding import Bound


class Axis(NamedTuple):
    """An axis of the input, the batch being 0."""

    number: int


@layer(
    "reshape",
    family="shape",
    examples=[("3x4x5", "reshape(12x5)"), ("6", "reshape([2, -1])"), ("2x6", "reshape(3x2x2)")],
)
class Reshape(Op):
    """The same elements in order under other sizes, the batch left out; one size may be -1."""

    any_dtype = True
    rounding = exact

    shape = arg(sizes, doc="the new sizes without the batch")
    is_global = True

    def infer(self, *xs: TensorType) -> TensorType:
        (x,) = xs
        new = list(self.shape)
        if new.count(-1) > 1 or any(isinstance(d, int) and d < 1 and d != -1 for d in new):
            raise OpError(
                "bad-argument",
                f"sizes {shape_text(new)} of `reshape`: each must be at least 1, one may be -1",
                "shape",
                "-1 stands for the size that fits, as in `reshape([2, -1])`",
            )
        if -1 in new:
            rest = prod(d for d in new if d != -1)
            if not isinstance(rest, int):
                raise OpError(
                    "open-size",
                    f"`reshape` cannot find the size of -1 beside {shape_text(new)}",
                    "shape",
                    "write numbers beside -1, or leave -1 out",
                )
            new[new.index(-1)] = x.size // rest
        if not self.needs_equal(x.size, prod(new)):
            needs = (
                f"{'a multiple of ' * (-1 in self.shape)}{prod(d for d in self.shape if d != -1)}"
            )
            message = (
                f"`reshape` to {shape_text(self.shape)} needs {needs} elements, its input {x} has"
                f" {x.size}"
            )
            raise OpError("shape-mismatch", message, "shape", self._what_fits(x))
        self._target(x, new)
        return TensorType(tuple(new), x.dtype)

    def _what_fits(self, x: TensorType) -> str | None:
        """Advice: the sizes with one changed to -1, which fit the input, else its divisors."""
        if not isinstance(x.size, int):
            return None
        for i in reversed(range(len(self.shape))):
            rest = [*self.shape[:i], *self.shape[i + 1 :]]
            known = prod(d for d in rest if isinstance(d, int))
            if -1 not in rest and len(rest) > 0 and x.size % known == 0:
                sizes = [*self.shape[:i], -1, *self.shape[i + 1 :]]
                return f"-1 is the size that fits: `reshape({show(tuple(sizes))})`"
        return divisors(x.size)

    def _target(self, x: TensorType, new: Sequence[int | Sym]) -> list[int | Axis]:
        """The sizes for back ends: numbers, axes of the input with that size, at most one -1."""
        made: list[int | Axis] = []
        for d in new:
            if isinstance(d, int):
                made.append(d)
            elif d in x.shape:
                made.append(Axis(x.shape.index(d) + 1))
            else:
                made.append(-1)
        if made.count(-1) > 1:
            message = (
                f"`reshape` of {x} to {shape_text(new)}: several sizes are open, and the input has"
                " no axis of these sizes"
            )
            advice = "write numbers in the `input`; only one new size can be open"
            raise OpError("open-size", message, "shape", advice)
        return made

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        target = self._target(xs[0], self.infer(*xs).shape)
        sizes = [f"{{0}}.shape[{d.number}]" if isinstance(d, Axis) else str(d) for d in target]
        return t.inline(f"{{0}}.reshape({', '.join(['{0}.shape[0]', *sizes])})")

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        target = self._target(xs[0].type, self.infer(xs[0].type).shape)
        known = [d for d in target if isinstance(d, int)]
        if len(known) == len(target):
            return g.op("Reshape", xs[0], g.ints([0, *known]))
        parts = [
            (
                g.op("Shape", xs[0], start=d.number, end=d.number + 1)
                if isinstance(d, Axis)
                else g.ints([d])
            )
            for d in target
        ]
        return g.op("Reshape", xs[0], g.op("Concat", g.ints([0]), *parts, axis=0))


@layer(
    "permute",
    family="shape",
    examples=[("3x4x5", "permute([2, 3, 1])"), ("3x4", "permute([2, 1])")],
)
class Permute(Op):
    """The axes in another order, counted from 1 as the batch stays 0."""

    any_dtype = True
    rounding = exact

    order = arg(integers, doc="the axes in their new order")
    is_global = True

    def infer(self, *xs: TensorType) -> TensorType:
        n = len(xs[0].shape)
        if sorted(self.order) != list(range(1, n + 1)):
            raise OpError(
                "bad-axis",
                f"`permute` needs each of the axes 1 to {n} once, found {show(self.order)}",
                "order",
                "the batch, 0, stays where it is and is left out",
            )
        return TensorType(tuple(xs[0].shape[i - 1] for i in self.order), xs[0].dtype)

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.inline(f"{{0}}.permute(0, {', '.join(map(str, self.order))})")

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        return g.op("Transpose", xs[0], perm=[0, *self.order])


@layer("tokens", family="shape", examples=[("3x4x5", "tokens"), ("3x6", "tokens")])
class Tokens(Op):
    """C x H x W to a sequence of H W vectors of length C, row by row (Dosovitskiy et al. 2021)."""

    any_dtype = True
    rounding = exact
    is_global = True

    def infer(self, *xs: TensorType) -> TensorType:
        spatial_rank(self, xs[0])
        return TensorType((prod(xs[0].spatial), xs[0].channels), xs[0].dtype)

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.inline("{0}.flatten(2).transpose(1, 2)")

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        return g.op("Transpose", g.op("Reshape", xs[0], g.ints([0, 0, -1])), perm=[0, 2, 1])


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


@layer(
    "slice",
    family="shape",
    examples=[("5x4x4", "slice(1, 3)"), ("2x7", "slice(2, 7, axis = 2)"), ("6", "slice(-4, -1)")],
)
class Slice(Op):
    """The elements from `start` up to but not including `end` along an axis; negative numbers count
    from its end.
    """

    any_dtype = True
    rounding = exact

    start: int = arg(integer, doc="the first element")
    end: int = arg(integer, doc="the one after the last")
    axis: int = arg(integer, 1, doc="the axis, the batch being 0")

    def _bounds(self, x: TensorType) -> tuple[int, int, int]:
        axis = axis_index(self, x, self.axis)
        size = fixed(self, x.shape[axis], f"the size of axis {self.axis}")
        start, end = (v + size if v < 0 else v for v in (self.start, self.end))
        if not 0 <= start < end <= size:
            raise OpError(
                "bad-slice",
                f"`slice` from {self.start} to {self.end} of an axis of {counted(size, 'element')}",
                "end",
                f"start and end keep 0 <= start < end <= {size}; -1 is the last element",
            )
        return axis, start, end

    def infer(self, *xs: TensorType) -> TensorType:
        axis, start, end = self._bounds(xs[0])
        return TensorType((*xs[0].shape[:axis], end - start, *xs[0].shape[axis + 1 :]), xs[0].dtype)

    def windows(self, *xs: TensorType) -> tuple[Window, ...]:
        axis, start, _ = self._bounds(xs[0])
        return tuple(Window(1, 1, -start if i == axis else 0) for i in range(1, len(xs[0].shape)))

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        axis, start, end = self._bounds(xs[0])
        return t.inline(f"{{0}}.narrow({axis + 1}, {start}, {end - start})")

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        axis, start, end = self._bounds(xs[0].type)
        return g.op("Slice", xs[0], g.ints([start]), g.ints([end]), g.ints([axis + 1]))


@layer(
    "split", family="shape", examples=[("6x4x4", "split(2, 1)"), ("2x6", "split(3, 0, axis = 2)")]
)
class SplitAxis(Op):
    """Cut an axis into `parts` equal pieces and take the one of that index."""

    any_dtype = True
    rounding = exact

    parts: int = arg(integer, doc="number of pieces", min=1)
    index: int = arg(integer, doc="which piece, from 0", min=0)
    axis: int = arg(integer, 1, doc="the axis, the batch being 0")

    def _slice(self, x: TensorType) -> Slice:
        size = fixed(self, x.shape[axis_index(self, x, self.axis)], f"the size of axis {self.axis}")
        if size % self.parts:
            raise OpError(
                "bad-groups",
                f"{counted(size, 'element')} {do(size)} not divide into"
                f" {counted(self.parts, 'piece')}",
                "parts",
                divisors(size),
            )
        if self.index >= self.parts:
            raise OpError(
                "bad-argument",
                f"piece {self.index} of {self.parts}: the last is {self.parts - 1}",
                "index",
                "pieces are counted from 0",
            )
        n = size // self.parts
        return Slice(
            {
                "kind": self.kind,
                "start": self.index * n,
                "end": (self.index + 1) * n,
                "axis": self.axis,
            }
        )

    def infer(self, *xs: TensorType) -> TensorType:
        return self._slice(xs[0]).infer(*xs)

    def windows(self, *xs: TensorType) -> tuple[Window, ...]:
        return self._slice(xs[0]).windows(*xs)

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return self._slice(xs[0]).torch(t, *xs)

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        return self._slice(xs[0].type).onnx(g, *xs)


@layer(
    "channel_shuffle",
    family="shape",
    examples=[("6x4x4", "channel_shuffle(2)"), ("6x5", "channel_shuffle(3)")],
)
class ChannelShuffle(Op):
    """Deal the channels of each group out in turn (Zhang et al. 2018): groups x n becomes n x
    groups.
    """

    any_dtype = True
    rounding = exact

    groups: int = arg(integer, doc="groups of channels", min=1)

    def infer(self, *xs: TensorType) -> TensorType:
        spatial_rank(self, xs[0])
        channels = fixed(self, xs[0].channels, "its input channels")
        if channels % self.groups:
            raise OpError(
                "bad-groups",
                f"{counted(channels, 'channel')} {do(channels)} not divide into"
                f" {counted(self.groups, 'group')}",
                "groups",
                divisors(channels),
            )
        return xs[0]

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.inline(f"{{0}}.unflatten(1, ({self.groups}, -1)).transpose(1, 2).flatten(1, 2)")

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        channels = fixed(self, xs[0].type.channels, "its input channels")
        grouped = g.op("Reshape", xs[0], g.ints([0, self.groups, channels // self.groups, -1]))
        return g.op("Reshape", g.op("Transpose", grouped, perm=[0, 2, 1, 3]), g.op("Shape", xs[0]))


@layer("param", family="shape", examples=[("3x4", "param(5x4)"), ("6", "param(6, init = ones)")])
class LearnedTensor(Op):
    """A learned tensor of that shape, the same for every sample; its input gives the batch only."""

    any_dtype = True
    rounding = exact

    shape = arg(sizes, doc="its sizes without the batch", min=1)
    init = arg(text, "zeros", doc="how it starts", choices=INITS)
    is_global = True

    def infer(self, *xs: TensorType) -> TensorType:
        check_fans(self.kind, self.init, tuple(fixed(self, d, "its sizes") for d in self.shape))
        return TensorType(self.shape)

    def params(self, *xs: TensorType) -> dict[str, Param]:
        return {"weight": Param(self.shape, self.init, role="value")}

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.custom("Learned", self.shape)

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        batch = g.op("Shape", xs[0], start=0, end=1)
        return g.op(
            "Expand",
            g.op("Unsqueeze", g.param("weight"), g.ints([0])),
            g.op("Concat", batch, g.ints(list(self.shape)), axis=0),
        )
