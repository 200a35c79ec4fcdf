"""The gradients of pooling."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from netdsl.backends.onnx.adjoints.base import of_one
from netdsl.backends.onnx.adjoints.convolution import geometry_of
from netdsl.backends.onnx.adjoints.products import safe_ratio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.backends.onnx.adjoints.base import Adjoint, Made, Rule, Thunk
    from netdsl.backends.onnx.adjoints.convolution import ConvWindow


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
        ones = g.array(np.ones((1, 1, *geometry.kernel), np.float32))
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
        if (counts == counts.flat[0]).all():
            scaled = g.op("Mul", dy, g.floats(float(1 / counts.flat[0])))
        else:
            scaled = g.op("Mul", dy, g.array((1 / counts).astype(np.float32)))
        return spread_windows(g, scaled, geometry, shape)

    return (of_input,)


def _counts(
    node: Made, geometry: ConvWindow, sizes: Sequence[int], after: Sequence[int]
) -> np.ndarray:
    """The number of elements of each window of a mean."""
    if node.get("count_include_pad", 0):
        return np.full(after, prod(geometry.kernel), np.float64)
    whole = np.ones((), np.float64)
    for i, (size, count) in enumerate(zip(sizes, after, strict=True)):
        starts = np.arange(count) * geometry.strides[i] - geometry.pads[i]
        steps = np.arange(geometry.kernel[i]) * geometry.dilations[i]
        places = starts[:, None] + steps
        inside = ((places >= 0) & (places < size)).sum(1)
        whole = np.multiply.outer(whole, inside)
    return whole


def _max_pool(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    """The gradient of each window goes to its largest element, whose place is a second result."""

    def of_input() -> str:
        x, [_, places] = node.x[0], node.y
        shape = g.shape(x)
        flat = [prod(shape)]
        into = g.zeros(flat)
        one = g.ints([-1])
        made = g.op(
            "ScatterElements",
            into,
            g.op("Reshape", places, one),
            g.op("Reshape", dy, one),
            axis=0,
            reduction="add",
        )
        return g.op("Reshape", made, g.ints(shape))

    return (of_input,)


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
    "MaxPool": lambda g, node, gradients: _max_pool(g, node, str(gradients[0])),
}
