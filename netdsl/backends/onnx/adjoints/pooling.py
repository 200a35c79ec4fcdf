"""The gradients of pooling."""

from __future__ import annotations

from itertools import product
from math import inf, prod
from typing import TYPE_CHECKING, NamedTuple

from netdsl.backends.onnx.adjoints.base import of_one
from netdsl.backends.onnx.adjoints.convolution import geometry_of
from netdsl.backends.onnx.adjoints.products import safe_ratio
from netdsl.backends.onnx.application import Numbers
from netdsl.backends.onnx.elements import FLOAT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.backends.onnx.adjoints.base import Adjoint, Made, Rule, Thunk
    from netdsl.backends.onnx.adjoints.convolution import ConvWindow


REPEATING = {
    "mode": "nearest",
    "coordinate_transformation_mode": "asymmetric",
    "nearest_mode": "floor",
}


def spread_windows(g: Adjoint, dy: str, geometry: ConvWindow, shape: Sequence[int]) -> str:
    """Add up, for each element of an input of that shape, the gradients of its windows."""
    batch, channels, *sizes = shape
    _rank, after = len(sizes), g.shape(dy)[2:]
    pads = geometry.pads
    kept = [(pads[i], pads[i] + size) for i, size in enumerate(sizes)]
    if geometry.strides == geometry.kernel and set(geometry.dilations) == {1}:
        whole = _repeated(g, dy, geometry.kernel)
    else:
        maps = g.op("Reshape", dy, g.ints([batch * channels, 1, *after]))
        ones = g.array(Numbers((1.0,) * prod(geometry.kernel), (1, 1, *geometry.kernel)))
        whole = g.op(
            "ConvTranspose",
            maps,
            ones,
            kernel_shape=geometry.kernel,
            strides=geometry.strides,
            dilations=geometry.dilations,
        )
        whole = g.op("Reshape", whole, g.ints([batch, channels, *g.shape(whole)[2:]]))
    begins = [-begin for begin, _ in kept]
    ends = [end - made for (_, end), made in zip(kept, g.shape(whole)[2:], strict=True)]
    if any(begins) or any(ends):
        whole = g.op("Pad", whole, g.ints([0, 0, *begins, 0, 0, *ends]))
    return whole


def _repeated(g: Adjoint, x: str, times: Sequence[int]) -> str:
    """Repeat each element along the spatial axes."""
    batch, channels, *sizes = g.shape(x)
    if len(sizes) == 2:  # onnxruntime is much faster with it than with `Expand`
        scales = g.floats([1.0, 1.0, *map(float, times)])
        return g.op("Resize", x, "", scales, **REPEATING)
    between, wide, result = [batch, channels], [batch, channels], [batch, channels]
    for size, count in zip(sizes, times, strict=True):
        between += [size, 1]
        wide += [size, count]
        result.append(size * count)
    spread = g.op("Expand", g.op("Reshape", x, g.ints(between)), g.ints(wide))
    return g.op("Reshape", spread, g.ints(result))


def _average_pool(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    shape = g.shape(node.x[0])
    geometry = geometry_of(g, node, node.attributes["kernel_shape"])

    def of_input() -> str:
        counts = _counts(node, geometry, shape[2:], g.shape(dy)[2:])
        if len(set(counts)) == 1:
            scaled = g.op("Mul", dy, g.floats(1 / counts[0]))
        else:
            shares = Numbers(tuple(1 / count for count in counts), g.shape(dy)[2:])
            scaled = g.op("Mul", dy, g.array(shares))
        return spread_windows(g, scaled, geometry, shape)

    return (of_input,)


def _counts(
    node: Made, geometry: ConvWindow, sizes: Sequence[int], after: Sequence[int]
) -> list[int]:
    """The number of elements of each window of a mean, in row-major order."""
    if node.get("count_include_pad", 0):
        return [prod(geometry.kernel)] * prod(after)
    along = []
    for i, (size, count) in enumerate(zip(sizes, after, strict=True)):
        starts = [place * geometry.strides[i] - geometry.pads[i] for place in range(count)]
        steps = [place * geometry.dilations[i] for place in range(geometry.kernel[i])]
        along.append([sum(0 <= start + step < size for step in steps) for start in starts])
    return [prod(each) for each in product(*along)]


class _Axis(NamedTuple):
    """What a pooling does along one axis."""

    axis: int
    kernel: int
    stride: int
    dilation: int
    begin: int  # of the padding
    end: int


def _max_pool(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    """The gradient of each window goes to its largest element, the first of several.

    The maximum of a window is that of the maxima of its rows, so the axes are passed one by one.
    `MaxPool` can also give the places of the maxima, but no faster, and not on every device.
    """
    x = node.x[0]
    window = geometry_of(g, node, node.attributes["kernel_shape"])
    rank = len(window.kernel)
    axes = [
        _Axis(i + 2, *parts)
        for i, parts in enumerate(
            zip(
                window.kernel,
                window.strides,
                window.dilations,
                window.pads[:rank],
                window.pads[rank:],
                strict=True,
            )
        )
    ]

    def of_input() -> str:
        stages = [x]
        for axis in reversed(axes[1:]):
            stages.append(_maxima(g, stages[-1], axis, rank))
        gradient, y = dy, node.y[0]
        for axis in axes:
            gradient = _maxima_back(g, stages[-1], y, gradient, axis)
            y = stages.pop()
        return gradient

    return (of_input,)


def _maxima(g: Adjoint, x: str, axis: _Axis, rank: int) -> str:
    """The maxima along one axis."""
    place = axis.axis - 2

    def only(value: int, other: int) -> list[int]:
        return [value if i == place else other for i in range(rank)]

    return g.op(
        "MaxPool",
        x,
        kernel_shape=only(axis.kernel, 1),
        strides=only(axis.stride, 1),
        dilations=only(axis.dilation, 1),
        pads=only(axis.begin, 0) + only(axis.end, 0),
    )


def _maxima_back(g: Adjoint, x: str, y: str, dy: str, axis: _Axis) -> str:
    """The gradient of `x`, from that of the maxima `y` along one axis.

    What is left of the gradient of each window goes to the first place that has its maximum.
    Places with equal remainders by the stride are as far apart as the windows.
    """
    size, count = g.shape(x)[axis.axis], g.shape(y)[axis.axis]
    stride, begin = axis.stride, axis.begin
    reach = (axis.kernel - 1) * axis.dilation + (count - 1) * stride + 1
    rows = -(-max(reach, size + begin) // stride)
    padded = _padded(g, x, axis.axis, begin, rows * stride - size - begin, -inf)
    parts: list[list[str]] = [[] for _ in range(stride)]
    for number in range(axis.kernel):
        start = number * axis.dilation
        end = start + (count - 1) * stride + 1
        own = dy
        if number < axis.kernel - 1:
            seen = _range(g, padded, axis.axis, start, end, stride)
            is_largest = g.op("Cast", g.op("Equal", seen, y), to=FLOAT)
            own = g.op("Mul", dy, is_largest)
            dy = g.op("Sub", dy, own)
        first = start // stride
        own = _padded(g, own, axis.axis, first, rows - first - count, 0.0)
        parts[start % stride].append(own)
    shape = [*g.shape(x)]
    shape[axis.axis] = rows
    sums = [_total(g, part, shape) for part in parts]
    made = sums[0] if stride == 1 else _interleaved(g, sums, axis.axis)
    return _range(g, made, axis.axis, begin, begin + size, 1)


def _total(g: Adjoint, parts: Sequence[str], shape: Sequence[int]) -> str:
    if not parts:
        return g.zeros(shape)
    return parts[0] if len(parts) == 1 else g.op("Sum", *parts)


def _interleaved(g: Adjoint, parts: Sequence[str], axis: int) -> str:
    """Values in turns along an axis."""
    shape = [*g.shape(parts[0])]
    after = [*shape[: axis + 1], 1, *shape[axis + 1 :]]
    each = [g.op("Reshape", part, g.ints(after)) for part in parts]
    shape[axis] *= len(parts)
    return g.op("Reshape", g.op("Concat", *each, axis=axis + 1), g.ints(shape))


def _padded(g: Adjoint, x: str, axis: int, begin: int, end: int, value: float) -> str:
    if not begin and not end:
        return x
    pads = [0] * (2 * len(g.shape(x)))
    pads[axis], pads[len(pads) // 2 + axis] = begin, end
    return g.op("Pad", x, g.ints(pads), g.floats(value))


def _range(g: Adjoint, x: str, axis: int, start: int, end: int, step: int) -> str:
    if (start, end, step) == (0, g.shape(x)[axis], 1):
        return x
    return g.op("Slice", x, *(g.ints([n]) for n in (start, end, axis, step)))


def _lp_pool(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    """Of windows whose result is the root of the sum of squares."""
    geometry = geometry_of(g, node, node.attributes["kernel_shape"])

    def of_input() -> str:
        x = node.x[0]
        ratio = safe_ratio(g, dy, node.y[0])
        return g.op("Mul", x, spread_windows(g, ratio, geometry, g.shape(x)))

    return (of_input,)


def _global_mean(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    def of_input() -> str:
        shape = g.shape(node.x[0])
        share = g.op("Mul", dy, g.floats(1 / prod(shape[2:])))
        return g.op("Expand", share, g.ints(shape))

    return (of_input,)


def _global_max(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    def of_input() -> str:
        x, one, zero = node.x[0], g.floats(1.0), g.floats(0.0)
        chosen = g.op("Where", g.op("Equal", x, node.y[0]), one, zero)
        axes = g.ints(list(range(2, len(g.shape(x)))))
        count = g.op("ReduceSum", chosen, axes, keepdims=1)
        return g.op("Mul", chosen, g.op("Div", dy, count))

    return (of_input,)


RULES: dict[str, Rule] = {
    "AveragePool": of_one(_average_pool),
    "GlobalAveragePool": of_one(_global_mean),
    "GlobalMaxPool": of_one(_global_max),
    "LpPool": of_one(_lp_pool),
    "MaxPool": of_one(_max_pool),
}
