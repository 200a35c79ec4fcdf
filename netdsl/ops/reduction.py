"""Reductions along axes: `reduce_sum`, `reduce_mean`, `reduce_max`, `reduce_min`, `reduce_norm`.

Of PyTorch's reductions, `prod`, `std`, `logsumexp` and the like are left out: the arithmetic of
these layers gives them. `argmax` is left out because its results are integers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.errors import OpError
from netdsl.ir.op import Op
from netdsl.ir.rounding import TINY, unless_beyond
from netdsl.ops.args import axes, boolean, show
from netdsl.ops.base import arg, axis_index, layer
from netdsl.ops.rounding import exact, mean_of_windows, sum_of_windows

if TYPE_CHECKING:
    from netdsl.ir.lowering import Emitter, Evaluation, Lowered, Recorder, TypedName
    from netdsl.ir.rounding import Bound
    from netdsl.ir.types import TensorType


class _Reduction(Op):
    """What the reductions share: the axes disappear, or get size 1."""

    axis: int | tuple[int, ...] = arg(axes, doc="the axis or the list of axes; 0 is the batch")
    keep: bool = arg(boolean, False, doc="keep the axes, with size 1")
    is_function = True
    method = ""  # PyTorch's call, whose input is {0} and whose arguments are {given}
    operator = ""  # its name in ONNX

    def _axes(self, x: TensorType) -> list[int]:
        """The positions of the axes in `x.shape`; raises `OpError`."""
        given = (self.axis,) if isinstance(self.axis, int) else self.axis
        positions = [axis_index(self, x, axis) for axis in given]
        if len(set(positions)) < len(positions):
            raise OpError(
                "bad-axis",
                f"`{self.kind}` needs each axis once, found {show(self.axis)}",
                "axis",
                "negative numbers count the axes from the end" if min(given) < 0 else None,
            )
        return sorted(positions)

    def infer(self, x: TensorType) -> TensorType:
        gone = self._axes(x)
        if self.keep:
            shape = [1 if i in gone else size for i, size in enumerate(x.shape)]
        else:
            shape = [size for i, size in enumerate(x.shape) if i not in gone]
        return x._replace(shape=tuple(shape))

    def sees_all(self, *xs: TensorType) -> bool:
        return len(xs[0].shape) < 2 or not self.keep or self._axes(xs[0]) != [0]

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        dims = [axis + 1 for axis in self._axes(x)]
        given = str(dims[0] if len(dims) == 1 else tuple(dims))
        if self.keep:
            given += ", keepdim=True"
        return t.inline(self.method.replace("{given}", given))

    def onnx(self, g: Emitter, x: TypedName) -> str:
        dims = [axis + 1 for axis in self._axes(x.type)]
        return g.op(self.operator, x, g.ints(dims), keepdims=int(self.keep))


def _examples(kind: str) -> list[tuple[str, str]]:
    """Examples of one axis, of several, and of all."""
    return [
        ("3x4x5", f"{kind}(-1)"),
        ("3x4x5", f"{kind}([2, 3], keep = true)"),
        ("3x4x5", f"{kind}(axis = 1, keep = true)"),
        ("7", f"{kind}(1)"),
    ]


@layer("reduce_sum", family="arithmetic", examples=_examples("reduce_sum"))
class ReduceSum(_Reduction):
    """The sum along the axes."""

    method, operator = "{0}.sum({given})", "ReduceSum"
    rounding = sum_of_windows


@layer("reduce_mean", family="arithmetic", examples=_examples("reduce_mean"))
class ReduceMean(_Reduction):
    """The mean along the axes."""

    method, operator = "{0}.mean({given})", "ReduceMean"
    rounding = mean_of_windows


@layer("reduce_max", family="arithmetic", examples=_examples("reduce_max"))
class ReduceMax(_Reduction):
    """The largest value along the axes."""

    method, operator = "{0}.amax({given})", "ReduceMax"
    rounding = exact


@layer("reduce_min", family="arithmetic", examples=_examples("reduce_min"))
class ReduceMin(_Reduction):
    """The smallest value along the axes."""

    method, operator = "{0}.amin({given})", "ReduceMin"
    rounding = exact


@layer("reduce_norm", family="arithmetic", examples=_examples("reduce_norm"))
class ReduceNorm(_Reduction):
    """The Euclidean norm along the axes, sqrt(sum x^2)."""

    method, operator = "torch.linalg.vector_norm({0}, 2, {given})", "ReduceL2"

    def rounding(self, e: Evaluation) -> Bound:
        """`2 abs(y)`, times `n / 16` for more than 16 terms.

        Underflow: `q / sqrt(max(sum x^2, 2^-126 q)) + 1`, with `q = 3 n + 1`: squares below 2^-126
        are lost, and the root of a small number is much larger than the number.
        """
        terms = e.x.numel() / e.y.numel()
        square = e.y.square()
        lost = 3.0 * terms + 1
        underflow = lost / square.clamp(min=lost * TINY).sqrt()
        return e.bound(unless_beyond(2 * e.y * max(1.0, terms / 16), square), underflow + 1)
