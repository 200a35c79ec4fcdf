"""The gradients of normalisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.backends.onnx.adjoints.base import of_one
from netdsl.backends.onnx.application import Numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.backends.onnx.adjoints.base import Adjoint, Made, Rule, Thunk


def _per_channel(g: Adjoint, vector: str, rank: int) -> str:
    """A vector with a number for each channel, in a shape that broadcasts to maps."""
    return g.op("Reshape", vector, g.ints([-1, *[1] * (rank - 2)]))


def _batch_norm(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk | None]:
    """With the stored statistics, as at inference."""
    x, scale, _, mean, var = node.x
    rank = len(g.shape(x))

    def slope() -> str:
        return g.op("Sqrt", g.op("Add", var, g.floats(float(node.get("epsilon", 1e-5)))))

    def of_input() -> str:
        return g.op("Mul", dy, _per_channel(g, g.op("Div", scale, slope()), rank))

    def of_scale() -> str:
        centred = g.op("Sub", x, _per_channel(g, mean, rank))
        total = _over_channels(g, g.op("Mul", dy, centred))
        return g.op("Div", total, slope())

    return (of_input, of_scale, lambda: _over_channels(g, dy), None, None)


def _over_channels(g: Adjoint, x: str) -> str:
    axes = [i for i in range(len(g.shape(x))) if i != 1]
    return g.op("ReduceSum", x, g.ints(axes), keepdims=0)


class _Normalised:
    """A value with mean 0 and variance 1 over some of its axes, and its gradient."""

    def __init__(self, g: Adjoint, x: str, axes: Sequence[int], eps: float) -> None:
        self._g, self._axes = g, g.ints(axes)
        centred = g.op("Sub", x, self._mean(x))
        var = self._mean(g.op("Mul", centred, centred))
        self._root = g.op("Sqrt", g.op("Add", var, g.floats(eps)))
        self.value = g.op("Div", centred, self._root)

    def _mean(self, x: str) -> str:
        return self._g.op("ReduceMean", x, self._axes, keepdims=1)

    def gradient(self, dy: str) -> str:
        """The gradient of the input, from that of the normalised value."""
        g = self._g
        along = g.op("Mul", self.value, self._mean(g.op("Mul", dy, self.value)))
        rest = g.op("Sub", g.op("Sub", dy, self._mean(dy)), along)
        return g.op("Div", rest, self._root)


def _scaled_norm(
    g: Adjoint, dy: str, normalised: _Normalised, scale: str, axes: Sequence[int]
) -> Sequence[Thunk]:
    """The gradients of input, scale and shift; the sums of the last two are over `axes`."""

    def total(x: str) -> str:
        return g.op("ReduceSum", x, g.ints(axes), keepdims=0)

    return (
        lambda: normalised.gradient(g.op("Mul", dy, scale)),
        lambda: total(g.op("Mul", dy, normalised.value)),
        lambda: total(dy),
    )


def _instance_norm(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    rank = len(g.shape(node.x[0]))
    eps = float(node.get("epsilon", 1e-5))
    normalised = _Normalised(g, node.x[0], list(range(2, rank)), eps)
    scale = _per_channel(g, node.x[1], rank)
    return _scaled_norm(g, dy, normalised, scale, [i for i in range(rank) if i != 1])


def _layer_norm(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    rank = len(g.shape(node.x[0]))
    first = node.get("axis", -1) % rank
    eps = float(node.get("epsilon", 1e-5))
    normalised = _Normalised(g, node.x[0], list(range(first, rank)), eps)
    return _scaled_norm(g, dy, normalised, node.x[1], list(range(first)))


def _lrn(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    """Of x / d^beta with d = k + alpha / n times the sum of x^2 over n channels.

    The sum is a convolution with a band of ones, which is its own transpose.
    """
    x = node.x[0]
    shape = g.shape(x)
    beta, size = float(node.get("beta", 0.75)), node.attributes["size"]
    share = float(node.get("alpha", 1e-4)) / size

    def of_input() -> str:
        channels, rank = shape[1], len(shape)
        ones = [1] * (rank - 2)
        places = range(channels)
        near = [[float(abs(i - j) <= size // 2) for j in places] for i in places]
        band = g.array(Numbers.matrix(near, (channels, channels, *ones)))
        around = g.op("Conv", g.op("Mul", x, x), band, kernel_shape=ones)
        d = g.op("Mul", around, g.floats(share))
        d = g.op("Add", d, g.floats(float(node.get("bias", 1.0))))
        direct = g.op("Mul", dy, g.op("Pow", d, g.floats(-beta)))
        terms = g.op("Div", g.op("Mul", direct, x), d)
        total = g.op("Conv", terms, band, kernel_shape=ones)
        turn = g.op("Mul", g.op("Mul", x, total), g.floats(2 * share * beta))
        return g.op("Sub", direct, turn)

    return (of_input,)


RULES: dict[str, Rule] = {
    "BatchNormalization": of_one(_batch_norm),
    "InstanceNormalization": of_one(_instance_norm),
    "LRN": of_one(_lrn),
    "LayerNormalization": of_one(_layer_norm),
}
