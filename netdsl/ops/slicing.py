"""Layers that divide an axis: `slice`, `split` and `channel_shuffle`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.errors import OpError
from netdsl.ir.op import Op, Window
from netdsl.ir.types import TensorType
from netdsl.ops.args import integer
from netdsl.ops.base import arg, axis_index, fixed, layer, spatial_rank
from netdsl.ops.division import check_groups, check_parts
from netdsl.ops.rounding import exact
from netdsl.words import counted

if TYPE_CHECKING:
    from netdsl.ir.lowering import Emitter, Lowered, Recorder, TypedName


@layer(
    "slice",
    family="shape",
    examples=[("5x4x4", "slice(1, 3)"), ("2x7", "slice(2, 7, axis = 2)"), ("6", "slice(-4, -1)")],
)
class Slice(Op):
    """The elements of an axis from `start` up to, but not including, `end`.

    Negative numbers count from the end of the axis.
    """

    any_dtype = True
    rounding = exact

    start: int = arg(integer, doc="index of the first element, from 0")
    end: int = arg(integer, doc="index after that of the last element")
    axis: int = arg(integer, 1, doc="the axis; 0 is the batch")

    def _bounds(self, x: TensorType) -> tuple[int, int, int]:
        """The position of the axis in `x.shape`, and the start and end, which count from 0."""
        axis = axis_index(self, x, self.axis)
        size = fixed(self, x.shape[axis], f"the size of axis {self.axis}")
        start, end = (v + size if v < 0 else v for v in (self.start, self.end))
        if not 0 <= start < end <= size:
            problem = "is empty" if start >= end else "does not fit"
            raise OpError(
                "bad-slice",
                f"`slice` from {self.start} to {self.end} {problem}: the axis has"
                f" {counted(size, 'element')}",
                "end",
                f"use 0 <= start < end <= {size}; negative numbers count from the end",
            )
        return axis, start, end

    def infer(self, x: TensorType) -> TensorType:
        axis, start, end = self._bounds(x)
        return TensorType((*x.shape[:axis], end - start, *x.shape[axis + 1 :]), x.dtype)

    def windows(self, x: TensorType) -> tuple[Window, ...]:
        axis, start, _ = self._bounds(x)
        return tuple(Window(1, 1, -start if i == axis else 0) for i in range(1, len(x.shape)))

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        axis, start, end = self._bounds(x)
        return t.inline(f"{{0}}.narrow({axis + 1}, {start}, {end - start})")

    def onnx(self, g: Emitter, x: TypedName) -> str:
        axis, start, end = self._bounds(x.type)
        return g.op("Slice", x, g.ints([start]), g.ints([end]), g.ints([axis + 1]))


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
        size = fixed(self, x.shape[axis_index(self, x, self.axis)], f"the size of axis {self.axis}")
        check_parts(size, "element", self.parts, "piece", "parts")
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

    def infer(self, x: TensorType) -> TensorType:
        return self._slice(x).infer(x)

    def windows(self, x: TensorType) -> tuple[Window, ...]:
        return self._slice(x).windows(x)

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        return self._slice(x).torch(t, x)

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
        check_groups(fixed(self, x.channels, "its input channels"), self.groups)
        return x

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        return t.inline(f"{{0}}.unflatten(1, ({self.groups}, -1)).transpose(1, 2).flatten(1, 2)")

    def onnx(self, g: Emitter, x: TypedName) -> str:
        channels = fixed(self, x.type.channels, "its input channels")
        grouped = g.op("Reshape", x, g.ints([0, self.groups, channels // self.groups, -1]))
        return g.op("Reshape", g.op("Transpose", grouped, perm=[0, 2, 1, 3]), g.op("Shape", x))
