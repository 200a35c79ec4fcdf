"""The modes of `upsample`: which inputs an output takes, and how ONNX computes it."""

from __future__ import annotations

import struct
from math import gcd
from typing import TYPE_CHECKING

from netdsl.errors import Correction, OpError
from netdsl.ir.op import Window, ratio
from netdsl.ir.rounding import unless_beyond
from netdsl.ops.base import INT64
from netdsl.ops.rounding import mean_of_windows
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.ir.lowering import Emitter, Evaluation, TypedName
    from netdsl.ir.op import Op
    from netdsl.ir.rounding import Bound
    from netdsl.ir.types import Sym

NEAREST = ("nearest", "nearest_exact")
LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}  # by the number of spatial axes
AXES = {mode: axes for axes, mode in LINEAR.items()} | {"bicubic": 2}
MODES = (*NEAREST, *LINEAR.values(), "bicubic", "area")


def torch_mode(mode: str) -> str:
    """What PyTorch calls a mode."""
    return mode.replace("_", "-")


def check_mode(mode: str, axes: int, *, align_corners: bool) -> None:
    """Raise `OpError` for a mode that does not take an input with so many spatial axes."""
    if AXES.get(mode, axes) != axes:
        message = (
            f"`mode = {mode}` needs {counted(AXES[mode], 'spatial axis')}, but the input has {axes}"
        )
        instead = LINEAR[axes]
        correction = None if mode == "bicubic" else Correction({"mode": instead})
        raise OpError("wrong-rank", message, "mode", f"write `mode = {instead}`", correction)
    if align_corners and mode not in AXES:
        raise OpError(
            "bad-argument",
            f"`align_corners` needs a mode that interpolates, found {mode}",
            "align_corners",
            f"write `mode = {LINEAR[axes]}`, or leave `align_corners` out",
        )


def window_of(mode: str, before: int, after: int, *, align_corners: bool) -> Window:
    """The inputs that each of `after` outputs takes of an axis of `before` inputs.

    With a factor s, `before` is 1 and `after` is s: the window is the same for every size, except
    that aligned corners move it by less than one input.
    """
    floor = ratio(after - 1, after)  # the first input is floor(i before / after)
    if mode == "nearest":
        return Window(1, before, floor, after)
    if mode == "nearest_exact":
        return Window(1, before, ratio(2 * after - 1 - before, 2 * after), after)
    if mode == "area":
        extent = -((gcd(before, after) - after - before) // after)
        return Window(extent, before, floor, after)
    extent, more = (4, 1) if mode == "bicubic" else (2, 0)
    if align_corners and before > 1 and after > 1:
        return Window(extent, before - 1, ratio(after - 2, after - 1) + more, after - 1)
    if align_corners:
        return Window(extent, before, floor + more, after)
    # From floor((i + 1/2) before / after - 1/2) on.
    return Window(extent, before, ratio(3 * after - 1 - before, 2 * after) + more, after)


def rounding_of(op: Op, mode: str, e: Evaluation) -> Bound | None:
    """The bound of a result; None if the mode copies inputs."""
    if mode in NEAREST:
        return None
    if mode == "area":
        return mean_of_windows(op, e)
    # The coordinates between pixels are rounded too: the effect is a share of the largest
    # coordinate, times the step between pixels. Cubic weights are larger and change faster.
    largest = e.x.abs().flatten(2).amax(2).view(*e.x.shape[:2], *(1 for _ in e.x.shape[2:]))
    if mode == "bicubic":
        largest = 4 * largest
    rounding = e.y.abs() + largest * max(e.x.shape[2:])
    return e.bound(unless_beyond(rounding, 4 * largest), 12)


# ---- ONNX


def resize(
    g: Emitter, x: TypedName, mode: str, scale: int | None, sizes: str, *, align_corners: bool
) -> str:
    """Add ONNX's operator `Resize`, with a factor or the name of the new spatial sizes."""
    axes, y = len(x.type.spatial), str(x)
    if mode == "linear":
        # For three axes, onnxruntime would interpolate between channels and samples too.
        axes, y = 2, g.op("Unsqueeze", x, g.ints([2]))
        sizes = sizes and g.op("Concat", g.ints([1]), sizes, axis=0)
    attributes = _resize_attributes(mode, align_corners=align_corners)
    if scale is not None:
        factors = [float(scale)] * len(x.type.spatial)
        y = g.op(
            "Resize", y, "", g.scales([1.0] * (2 + axes - len(factors)) + factors), **attributes
        )
    else:
        target = g.op("Concat", g.op("Shape", y, end=2), sizes, axis=0)
        y = g.op("Resize", y, "", "", target, **attributes)
    return g.op("Squeeze", y, g.ints([2])) if mode == "linear" else y


def _resize_attributes(mode: str, *, align_corners: bool) -> dict[str, object]:
    """The attributes for a mode. With a factor, all modes that only copy are the same."""
    if mode not in AXES:
        return {
            "mode": "nearest",
            "nearest_mode": "floor",
            "coordinate_transformation_mode": "asymmetric",
        }
    corners = {"coordinate_transformation_mode": "align_corners" if align_corners else "half_pixel"}
    if mode == "bicubic":
        return {"mode": "cubic", "cubic_coeff_a": -0.75, **corners}
    return {"mode": "linear", **corners}


def nearest_positions(mode: str, before: int, after: int) -> list[int]:
    """The inputs that the outputs copy.

    They are floor(i before / after), for `nearest_exact` floor((i + 1/2) before / after). The ratio
    and the product are rounded to float32, as in PyTorch.
    """
    return [position(mode, i, before, after) for i in range(after)]


def position(mode: str, i: int, before: int, after: int) -> int:
    """The input that output `i` copies."""
    half = 0.5 if mode == "nearest_exact" else 0.0
    place = _float32((i + half) * _float32(before / after))
    return min(int(place), before - 1)


def depends_on_processor(before: int, after: int) -> bool:
    """Whether some CPUs make PyTorch's `nearest-exact` copy other inputs than `nearest_positions`.

    They subtract 1/2 from the product without rounding it first, and add 1/2 again. That matters
    where an output lies exactly between two inputs, as when 2 inputs become 41.
    """
    step = _float32(before / after)
    fused = (_float32(_float32((i + 0.5) * step - 0.5) + 0.5) for i in range(after))
    places = zip(nearest_positions("nearest_exact", before, after), fused, strict=True)
    return any(place != min(int(other), before - 1) for place, other in places)


def _float32(value: float) -> float:
    return float(struct.unpack("f", struct.pack("f", value))[0])


def scaled_indices(g: Emitter, mode: str, indices: str, step: str) -> str:
    """`nearest_positions` in the graph, without the limit, for indices and a step in float32."""
    if mode == "nearest_exact":
        indices = g.op("Add", indices, g.scales([0.5]))
    return g.op("Cast", g.op("Floor", g.op("Mul", indices, step)), to=INT64)


def means(g: Emitter, x: TypedName, sizes: Sequence[int | Sym]) -> str:
    """The mode `area` to sizes that may be known only when the model runs, axis by axis."""
    y: str = x
    for axis, (before, after) in enumerate(zip(x.type.spatial, sizes, strict=True), start=2):
        if before != after:
            y = _means_along(g, y, axis, g.sizes([after]), axes_after=len(sizes) + 1 - axis)
    return y


def _means_along(g: Emitter, x: str, axis: int, new: str, *, axes_after: int) -> str:
    """The means of the windows along an axis.

    As many elements as the longest window has are taken for each window. Those that do not belong
    to it count as 0, and the mean is divided by the share of those that do.
    """
    begins, ends = _window_bounds(g, x, axis, new)
    widths = g.op("Sub", ends, begins)
    offsets = g.op("Range", g.ints(0), g.op("ReduceMax", widths, keepdims=0), g.ints(1))
    places = g.op("Add", g.op("Unsqueeze", begins, g.ints([1])), offsets)
    last = g.op("Sub", g.op("Unsqueeze", ends, g.ints([1])), g.ints([1]))
    taken = g.op("Gather", x, g.op("Min", places, last), axis=axis)
    inside = g.op("LessOrEqual", places, last)
    if axes_after:
        inside = g.op("Unsqueeze", inside, g.ints(list(range(2, 2 + axes_after))))
    sums = g.op("Where", inside, taken, g.floats(0.0))
    shares = g.op("Where", inside, g.floats(1.0), g.floats(0.0))
    mean = g.op("ReduceMean", sums, g.ints([axis + 1]), keepdims=0)
    return g.op("Div", mean, g.op("ReduceMean", shares, g.ints([1]), keepdims=0))


def _window_bounds(g: Emitter, x: str, axis: int, new: str) -> tuple[str, str]:
    """Where the windows of `area` begin and end: floor(i in / out) and ceil((i + 1) in / out)."""
    length = g.op("Shape", x, start=axis, end=axis + 1)
    indices = g.op("Range", g.ints(0), g.op("Squeeze", new), g.ints(1))
    products = g.op("Mul", indices, length)
    more = g.op("Sub", g.op("Add", length, new), g.ints([1]))
    return g.op("Div", products, new), g.op("Div", g.op("Add", products, more), new)
