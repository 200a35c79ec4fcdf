"""Layers that move a window over a map: convolution and pooling."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from netdsl.ops.pool_window import Pooling
from netdsl.ops.window import Geometry, Windowed
from netdsl.trace.worked import (
    Gradient,
    NumberGrid,
    Term,
    Worked,
    WorkPart,
    matrix,
    number,
    plain,
    total,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.trace.worked import Place, TracedLayer

_MODES = {"reflect": "reflect", "edge": "edge", "circular": "wrap"}  # with NumPy's names


class Padded(NamedTuple):
    """The input with its border: the numbers, and the place in the input from which each comes.

    `places` are flat indices within a channel; -1 is a zero of the border. `counted` is whether a
    mean counts the element.
    """

    values: np.ndarray
    places: np.ndarray
    counted: np.ndarray
    geometry: Geometry

    def at(self, position: Place) -> tuple[slice, ...]:
        """The slices of the window at a position of the output."""
        k, stride, _, dilation = self.geometry
        axes = zip(position, k, stride, dilation, strict=True)
        return tuple(slice(p * s, p * s + (n - 1) * d + 1, d) for p, n, s, d in axes)


def padded(layer: TracedLayer) -> Padded:
    """The input of a windowed layer with its padding, and all windows inside."""
    op, x = layer.node.op, layer.x
    spatial = x.shape[1:]
    if not isinstance(op, Windowed):  # a global pooling: one window of the whole map
        geometry = Geometry(spatial, spatial, ((0, 0),) * len(spatial), (1,) * len(spatial))
    else:
        geometry = op.geometry(layer.node.types[0])
    pairs = tuple((begin, end) for begin, end in geometry.pad)
    places = np.arange(int(np.prod(spatial))).reshape(spatial)
    mode = _MODES.get(str(getattr(op, "pad_mode", "zeros")))
    if mode is None:
        places = np.pad(places, pairs, constant_values=-1)
    else:
        places = np.pad(places, pairs, mode=mode)  # type: ignore[call-overload]
    counted = np.ones(places.shape, bool)
    if not getattr(op, "count_pad", True):
        counted = places >= 0
    beyond = _beyond(geometry, places.shape, layer.shape[1:])
    places = np.pad(places, beyond, constant_values=-1)
    counted = np.pad(counted, beyond, constant_values=False)
    flat = x.reshape(x.shape[0], -1)
    values = np.where(places >= 0, flat[:, places], 0.0)
    return Padded(values, places, counted, geometry)


def _beyond(
    geometry: Geometry, size: tuple[int, ...], out: tuple[int, ...]
) -> list[tuple[int, int]]:
    """What the last window reaches past the padding, where sizes are rounded up."""
    axes = zip(geometry.extent, geometry.stride, size, out, strict=True)
    return [(0, max(0, (o - 1) * s + e - n)) for e, s, n, o in axes]


# ---- convolution


class Kernel(NamedTuple):
    """The kernel of one output channel: its window for each input channel that it takes.

    `where` is the place in the weight of the first window.
    """

    channels: list[int]
    windows: np.ndarray
    where: tuple[int, ...]


def kernel_of(layer: TracedLayer, out: int) -> Kernel:
    """The kernel of an output channel; raises nothing for a valid layer."""
    op, weight = layer.node.op, layer.weights["weight"]
    connections = getattr(op, "connections", None)
    if connections is not None:
        start = sum(map(len, connections[:out]))
        channels = list(connections[out])
        return Kernel(channels, weight[start : start + len(channels)], (start,))
    inputs = layer.x.shape[0]
    each = weight.shape[1]
    group = out // (weight.shape[0] // (inputs // each))
    return Kernel(list(range(group * each, (group + 1) * each)), weight[out], (out,))


def conv(layer: TracedLayer, at: Place) -> Worked:
    """The sum of the products of window and kernel, over all channels, plus the bias."""
    out, *position = at
    border, kernel = padded(layer), kernel_of(layer, out)
    window = border.at(tuple(position))
    outside = border.places[window] < 0
    parts, terms = [], []
    for channel, weights in zip(kernel.channels, kernel.windows, strict=True):
        x = border.values[channel][window]
        name = f"channel {channel}"
        grids = (
            NumberGrid("window", matrix(x), matrix(outside)),
            NumberGrid("kernel", matrix(weights)),
            NumberGrid("products", matrix(x * weights)),
        )
        summed = float((x * weights).sum())
        parts.append(WorkPart(name, grids, f"sum {number(summed)}"))
        terms.append(Term(name, summed))
    if "bias" in layer.weights:
        terms.append(Term("bias", float(layer.weights["bias"][out])))
    result = sum(term.value for term in terms)
    line = total([term.value for term in terms], result)
    return Worked(
        "sum of window * kernel over all channels" + ("bias" in layer.weights) * " + bias",
        tuple(parts),
        (line,),
        result,
        tuple(terms),
        _conv_gradients(layer, out, border, window, kernel),
    )


def _conv_gradients(
    layer: TracedLayer, out: int, border: Padded, window: tuple[slice, ...], kernel: Kernel
) -> tuple[Gradient, ...]:
    """By the input: the kernel. By the kernel: the window. By the bias: 1."""
    to_input = np.zeros((layer.x.shape[0], layer.x[0].size))
    places = border.places[window]
    windows = []
    for channel, weights in zip(kernel.channels, kernel.windows, strict=True):
        _add(to_input[channel], places, weights)
        windows.append(border.values[channel][window])
    stacked = np.stack(windows)
    index = kernel.where
    values = stacked
    if getattr(layer.node.op, "connections", None) is not None:
        index = ()
        values = np.zeros_like(layer.weights["weight"])
        values[kernel.where[0] : kernel.where[0] + len(windows)] = stacked
    gradients = [
        Gradient(
            "x0",
            (),
            to_input.reshape(layer.x.shape),
            "by the window: the kernel",
            _by_channel(kernel.channels, kernel.windows),
        ),
        Gradient(
            "weight",
            index,
            values,
            "by the kernel: the window",
            _by_channel(kernel.channels, stacked),
        ),
    ]
    if "bias" in layer.weights:
        gradients.append(one("bias", (out,)))
    return tuple(gradients)


def _by_channel(channels: list[int], values: np.ndarray) -> tuple[NumberGrid, ...]:
    pairs = zip(channels, values, strict=True)
    return tuple(NumberGrid(f"channel {channel}", matrix(rows)) for channel, rows in pairs)


def one(source: str, index: tuple[int, ...]) -> Gradient:
    """The derivative by a bias, which is added: 1."""
    return Gradient(source, index, np.ones(()), f"by the {source}", plain(np.ones(())))


def _add(gradient: np.ndarray, places: np.ndarray, values: np.ndarray) -> None:
    """Add the derivatives of a window to those of the input; zeros of the border have none."""
    inside = places >= 0
    np.add.at(gradient, places[inside], values[inside])


# ---- pooling


class _Pool(NamedTuple):
    """How a kind of pooling works: its formula, its result, its line, and its derivative."""

    formula: str
    result: Callable[[np.ndarray], float]
    line: Callable[[np.ndarray, float], str]
    slopes: Callable[[np.ndarray, float], np.ndarray]


def _first_largest(x: np.ndarray, y: float) -> np.ndarray:
    slopes: np.ndarray = np.eye(x.size)[int(np.argmax(x == y))]
    return slopes


def _root(x: np.ndarray, y: float) -> str:
    squares = [value * value for value in x.tolist()]
    return f"sum of squares {total(squares, sum(squares))}; its root: {number(y)}"


def _mean_line(x: np.ndarray, y: float) -> str:
    summed = float(x.sum())
    added = total(x.tolist(), summed)
    return f"sum {added}; divided by {x.size}: {number(y)}"


_MEAN = _Pool(
    "the mean of the window",
    lambda x: float(x.mean()),
    _mean_line,
    lambda x, _: np.full(x.size, 1 / x.size),
)
_MAX = _Pool(
    "the largest number of the window",
    lambda x: float(x.max()),
    lambda x, y: f"max({', '.join(map(number, x.tolist()))}) = {number(y)}",
    _first_largest,
)
_KINDS = {
    "maxpool": _MAX,
    "gmp": _MAX,
    "avgpool": _MEAN,
    "gap": _MEAN,
    "sumpool": _Pool(
        "the sum of the window",
        lambda x: float(x.sum()),
        lambda x, y: total(x.tolist(), y),
        lambda x, _: np.ones(x.size),
    ),
    "l2pool": _Pool(
        "the root of the sum of the squares of the window",
        lambda x: float(np.sqrt((x * x).sum())),
        _root,
        lambda x, y: x / (y or 1.0),
    ),
}


def pool(layer: TracedLayer, at: Place) -> Worked:
    """The largest number, the mean, the sum or the norm of a window, of each channel by itself."""
    kind = layer.node.op.kind
    channel, *position = at
    border = padded(layer)
    if not isinstance(layer.node.op, Pooling):
        position = [0] * (layer.x.ndim - 1)
    window = border.at(tuple(position))
    x, places = border.values[channel][window], border.places[window]
    rule = _KINDS[kind]
    taken = border.counted[window]
    if rule is _MAX:
        taken = places >= 0
    numbers = x[taken]
    result = rule.result(numbers)
    slopes = np.zeros(x.shape)
    slopes[taken] = rule.slopes(numbers, result)
    to_input = np.zeros((layer.x.shape[0], layer.x[0].size))
    _add(to_input[channel], places, slopes)
    grid = NumberGrid("window", matrix(x), matrix(places < 0))
    shown = plain(slopes, matrix(places < 0))
    gradient = Gradient("x0", (), to_input.reshape(layer.x.shape), "by the window", shown)
    name = f"channel {channel}"
    line = rule.line(numbers, result)
    return Worked(rule.formula, (WorkPart(name, (grid,)),), (line,), result, (), (gradient,))
