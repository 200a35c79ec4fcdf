"""Layers that divide an axis: `slice`, `select`, `split` and `channel_shuffle`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.errors import Correction, OpError
from netdsl.ir.op import Op, Window
from netdsl.ir.types import Sym, TensorType
from netdsl.ops.args import index, integer
from netdsl.ops.base import END, amount, arg, axis_index, layer, spatial_rank
from netdsl.ops.division import check_groups, check_parts
from netdsl.ops.rounding import exact

SEQUENCE = 2  # axes of T x D

if TYPE_CHECKING:
    from netdsl.ir.lowering import Emitter, Lowered, Recorder, TypedName


@layer(
    "slice",
    family="shape",
    examples=[
        ("5x4x4", "slice(1, 3)"),
        ("2x7", "slice(2, axis = 2)"),
        ("6", "slice(-4, -1)"),
        ("7x3", "slice(end = -2)"),
    ],
)
class Slice(Op):
    """The elements of an axis from `start` up to, but not including, `end`.

    `slice(1, -1)` is `x[1:-1]` of Python, `slice(1)` is `x[1:]`, and `slice(end = 1)` is `x[:1]`.
    Negative numbers count from the end of the axis.
    """

    any_dtype = True
    rounding = exact

    start: int | Sym = arg(index, 0, doc="index of the first element, from 0")
    end: int | Sym | None = arg(
        index, None, doc="index after that of the last element; by default, the axis to its end"
    )
    axis: int = arg(integer, 1, doc="the axis; 0 is the batch")

    def _bounds(self, x: TensorType) -> tuple[int, int | Sym, int | Sym]:
        """The position of the axis in `x.shape`, and the start and end, which count from 0."""
        axis = axis_index(self, x, self.axis)
        size = x.shape[axis]
        start = from_start(self.start, size)
        end = size if self.end is None else from_start(self.end, size)
        if not self.needs_at_least(end, start + 1):
            raise self._wrong("is empty", size)
        if not (self.needs_at_least(start, 0) and self.needs_at_least(size, end)):
            raise self._wrong("does not fit", size)
        return axis, start, end

    def _wrong(self, problem: str, size: int | Sym) -> OpError:
        """The error of bounds that an axis of this size never has."""
        end = "the end" if self.end is None else self.end
        argument = "start" if self.end is None else "end"
        help = f"use 0 <= start < end <= {size}; negative numbers count from the end"
        correction = None
        if self._is_reversed(size):
            help = f"the smaller one comes first: `start = {self.end}` and `end = {self.start}`"
            correction = Correction({"start": str(self.end), "end": str(self.start)})
        return OpError(
            "bad-slice",
            f"`slice` from {self.start} to {end} {problem}: the axis has {amount(size, 'element')}",
            argument,
            help,
            correction,
        )

    def _is_reversed(self, size: int | Sym) -> bool:
        """Whether start and end are numbers that fit if they change places."""
        start, end = self.end, self.start
        if not isinstance(start, int) or not isinstance(end, int) or start >= end:
            return False
        return (start < 0) == (end < 0) and (isinstance(size, Sym) or -size <= start < end <= size)

    def infer(self, x: TensorType) -> TensorType:
        axis, start, end = self._bounds(x)
        self.needs_computed(self.start, self.end or 0)
        return TensorType((*x.shape[:axis], end - start, *x.shape[axis + 1 :]), x.dtype)

    def windows(self, x: TensorType) -> tuple[Window, ...]:
        axis, start, _ = self._bounds(x)
        before = start if isinstance(start, int) else 0
        return tuple(Window(1, 1, -before if i == axis else 0) for i in range(1, len(x.shape)))

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        axis, start, end = self._bounds(x)
        if isinstance(start, int) and isinstance(end, int):
            return t.inline(f"{{0}}.narrow({axis + 1}, {start}, {end - start})")
        first = "" if self.start == 0 else t.size(self.start)
        last = "" if self.end is None else t.size(self.end)
        return t.inline(f"{{0}}[{':, ' * (axis + 1)}{first}:{last}]")

    def onnx(self, g: Emitter, x: TypedName) -> str:
        axis, start, end = self._bounds(x.type)
        if not (isinstance(start, int) and isinstance(end, int)):
            start, end = self.start, END if self.end is None else self.end
        return g.op("Slice", x, g.sizes([start]), g.sizes([end]), g.ints([axis + 1]))


def from_start(place: int | Sym, size: int | Sym) -> int | Sym:
    """An index that counts from 0; a negative number counts from the end of an axis."""
    if isinstance(place, int) and place < 0:
        return size + place
    return place


@layer(
    "select",
    family="shape",
    examples=[("5x4x4", "select(1)"), ("7x3", "select(-1)"), ("2x7x3", "select(2, axis = 2)")],
)
class Select(Op):
    """One element of an axis, which the result does not have: `select(-1)` is the last step.

    Negative numbers count from the end of the axis. To keep the axis with size 1, use `slice`.
    """

    any_dtype = True
    rounding = exact

    index: int | Sym = arg(index, doc="which element, from 0")
    axis: int = arg(integer, 1, doc="the axis; 0 is the batch")
    is_global = True

    def _place(self, x: TensorType) -> tuple[int, int | Sym]:
        """The position of the axis in `x.shape`, and the index, which counts from 0."""
        axis = axis_index(self, x, self.axis)
        size = x.shape[axis]
        place = from_start(self.index, size)
        if not (self.needs_at_least(place, 0) and self.needs_at_least(size, place + 1)):
            help = f"use 0 <= index < {size}; negative numbers count from the end"
            correction = None
            if place == size:
                help, correction = "the last element has index -1", Correction({"index": "-1"})
            raise OpError(
                "bad-slice",
                f"there is no element {self.index} to select: the axis has"
                f" {amount(size, 'element')}, counted from 0",
                "index",
                help,
                correction,
            )
        return axis, place

    def infer(self, x: TensorType) -> TensorType:
        axis, _ = self._place(x)
        self.needs_computed(self.index)
        return TensorType((*x.shape[:axis], *x.shape[axis + 1 :]), x.dtype)

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        axis, _ = self._place(x)
        return t.inline(f"{{0}}.select({axis + 1}, {t.size(self.index)})")

    def onnx(self, g: Emitter, x: TypedName) -> str:
        axis, place = self._place(x.type)
        if not isinstance(place, int):
            place = self.index
        if isinstance(place, int):
            return g.op("Gather", x, g.ints(place), axis=axis + 1)
        return g.op("Gather", x, g.op("Squeeze", g.sizes([place])), axis=axis + 1)


@layer(
    "split", family="shape", examples=[("6x4x4", "split(2, 1)"), ("2x6", "split(3, 0, axis = 2)")]
)
class SplitAxis(Op):
    """Cut an axis into `parts` equal pieces, and take piece number `index`."""

    any_dtype = True
    rounding = exact

    parts: int = arg(integer, doc="number of pieces", min=1)
    index: int = arg(integer, doc="which piece to take, from 0", min=0)
    axis: int = arg(integer, 1, doc="the axis; 0 is the batch")

    def _slice(self, x: TensorType) -> Slice:
        """The slice that takes the piece; raises `OpError`."""
        size = x.shape[axis_index(self, x, self.axis)]
        self._check_parts(x, size)
        if self.index >= self.parts:
            raise OpError(
                "bad-argument",
                f"`index` of `split` is {self.index}, but the last piece is {self.parts - 1}",
                "index",
                "pieces are counted from 0",
            )
        length = size // self.parts
        start = self.index * length
        return Slice({"start": start, "end": start + length, "axis": self.axis})

    def _check_parts(self, x: TensorType, size: int | Sym) -> None:
        """Raise `OpError` if the axis does not divide; another axis of a sequence may."""
        try:
            check_parts(self, size, "element", self.parts, "piece", "parts")
        except OpError as error:
            last = x.shape[-1]
            is_sequence = len(x.shape) == SEQUENCE and self.axis == 1
            if not isinstance(last, int) or last % self.parts:
                raise
            if self.axis == 1 and len(x.shape) > SEQUENCE:
                other = f"the last axis has {last}: for that one, write `axis = {len(x.shape)}`"
                error.diagnostic.help = f"{error.help}; {other}"
            if is_sequence:
                fact = f"axis 1 has {size}, axis 2 has {last}, which {self.parts} divides"
                error.diagnostic.help = f"{fact}: write `axis = 2`"
                error.correction = Correction({"axis": "2"})
            raise

    def infer(self, x: TensorType) -> TensorType:
        piece = self._slice(x)
        self.needs_computed(piece.start, piece.end or 0)
        return piece.infer(x)

    def windows(self, x: TensorType) -> tuple[Window, ...]:
        return self._slice(x).windows(x)

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        axis = axis_index(self, x, self.axis)
        if isinstance(x.shape[axis], int):
            return self._slice(x).torch(t, x)
        return t.inline(f"{{0}}.chunk({self.parts}, {axis + 1})[{self.index}]")

    def onnx(self, g: Emitter, x: TypedName) -> str:
        return self._slice(x.type).onnx(g, x)


@layer(
    "channel_shuffle",
    family="shape",
    examples=[("6x4x4", "channel_shuffle(2)"), ("6x5", "channel_shuffle(3)")],
)
class ChannelShuffle(Op):
    """Interleave the channels of groups (Zhang et al. 2018): groups x n becomes n x groups."""

    any_dtype = True
    rounding = exact

    groups: int = arg(integer, doc="number of groups of channels", min=1)

    def infer(self, x: TensorType) -> TensorType:
        spatial_rank(self, x)
        check_groups(self, x.channels, self.groups)
        self.needs_computed(x.channels // self.groups)
        return x

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        return t.inline(f"{{0}}.unflatten(1, ({self.groups}, -1)).transpose(1, 2).flatten(1, 2)")

    def onnx(self, g: Emitter, x: TypedName) -> str:
        sizes = g.sizes([0, self.groups, x.type.channels // self.groups, -1])
        grouped = g.op("Reshape", x, sizes)
        return g.op("Reshape", g.op("Transpose", grouped, perm=[0, 2, 1, 3]), g.op("Shape", x))
