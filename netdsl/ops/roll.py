"""A cyclic shift: `roll`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.errors import OpError
from netdsl.ir.op import Op
from netdsl.ops.args import dims, show
from netdsl.ops.base import END, arg, axis_index, layer
from netdsl.ops.rounding import exact
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.ir.lowering import Emitter, Lowered, Recorder, TypedName
    from netdsl.ir.types import TensorType
    from netdsl.ops.args import Dims


@layer(
    "roll",
    family="shape",
    examples=[
        ("2x5x4", "roll(2, axis = 2)"),
        ("6", "roll(-1, axis = 1)"),
        ("3x5x4", "roll([-1, 7], axis = [2, 3])"),
        ("5x3 int64", "roll(shift = 1, axis = -2)"),
        ("2x5x4", "roll(2, 2)"),
    ],
)
class Roll(Op):
    """A cyclic shift along an axis: y_i = x_(i - shift), where the ends are joined.

    Elements that leave at one end come back at the other. With lists, each axis has its own shift.
    """

    any_dtype = True
    is_global = True
    rounding = exact

    shift: Dims = arg(
        dims, doc="by how many places elements move to higher indices; negative for lower ones"
    )
    axis: Dims = arg(dims, doc="the axis, counted as in PyTorch: 0 is the batch; or a list of axes")

    def infer(self, x: TensorType) -> TensorType:
        self._shifts(x)
        return x

    def _shifts(self, x: TensorType) -> dict[int, int]:
        """The shift of each axis, by the axis of the batch of inputs; raises `OpError`."""
        shifts = (self.shift,) if isinstance(self.shift, int) else self.shift
        axes = (self.axis,) if isinstance(self.axis, int) else self.axis
        if len(shifts) != len(axes):
            raise OpError(
                "bad-argument",
                f"`roll` has {counted(len(shifts), 'shift')} for {counted(len(axes), 'axis')}",
                "shift",
                _each(shifts, axes) or "give one shift for each axis",
            )
        places = [axis_index(self, x, axis) + 1 for axis in axes]
        if len(set(places)) < len(places):
            raise OpError("bad-axis", f"`axis` of `roll` names an axis twice: {show(axes)}", "axis")
        return dict(zip(places, shifts, strict=True))

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        shifts = self._shifts(x)
        if len(shifts) == 1:
            ((axis, shift),) = shifts.items()
            return t.inline(f"{{0}}.roll({shift}, {axis})")
        return t.inline(f"{{0}}.roll({tuple(shifts.values())}, {tuple(shifts)})")

    def onnx(self, g: Emitter, x: TypedName) -> str:
        y: str = x
        for axis, shift in self._shifts(x.type).items():
            size = x.type.shape[axis - 1]
            if isinstance(size, int):
                first = g.ints([-shift % size])
            else:
                first = g.op("Mod", g.ints([-shift]), g.op("Shape", y, start=axis, end=axis + 1))
            rest = g.op("Slice", y, first, g.ints([END]), g.ints([axis]))
            start = g.op("Slice", y, g.ints([0]), first, g.ints([axis]))
            y = g.op("Concat", rest, start, axis=axis)
        return y


def _each(shifts: Sequence[int], axes: Sequence[int]) -> str | None:
    """Advice to give the only shift to each of several axes."""
    if len(shifts) != 1:
        return None
    listed = ", ".join([str(shifts[0])] * len(axes))
    return f"give one shift for each axis: `[{listed}]`"
