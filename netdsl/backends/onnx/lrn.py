"""Local response normalisation as products, for an export that is meant to be fast.

onnxruntime's own kernel for it takes most of GoogLeNet's time on the CPU. The sum over neighbouring
channels is a 1 x 1 convolution with a band of ones, and the power of 3/4 that the papers use is two
square roots.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeGuard

if TYPE_CHECKING:
    from netdsl.backends.onnx.emitter import GraphEmitter
    from netdsl.ir.op import Op
    from netdsl.ir.types import TensorType

MOST_CHANNELS = 1024  # the band is a matrix of channels x channels


class Lrn(Protocol):
    """The arguments of the layer kind `lrn`."""

    n: int
    alpha: float
    beta: float
    k: float


def applies(op: Op, type_: TensorType, dtype: str) -> TypeGuard[Lrn]:
    """Whether a layer can be written as products.

    This is not possible in half precision, in which squares overflow too soon.
    """
    return (
        op.kind == "lrn"
        and dtype == "float32"
        and isinstance(type_.channels, int)
        and type_.channels <= MOST_CHANNELS
    )


def emit(g: GraphEmitter, op: Lrn, x: str, type_: TensorType) -> str:
    """Emit x / (k + alpha / n x sum of x^2 over n neighbours)^beta."""
    channels, ones = int(str(type_.channels)), (1,) * len(type_.spatial)
    band = [
        op.alpha / op.n if abs(i - j) <= op.n // 2 else 0.0
        for i in range(channels)
        for j in range(channels)
    ]
    weights = g.wide(band, (channels, channels, *ones)), g.wide([op.k] * channels, (channels,))
    sums = g.op("Conv", g.op("Mul", x, x), *weights, kernel_shape=ones)
    return g.op("Div", x, _power(g, sums, op.beta))


def _power(g: GraphEmitter, x: str, exponent: float) -> str:
    if exponent == 1:
        return x
    if exponent not in (0.5, 0.75):
        return g.op("Pow", x, g.wide([exponent], ()))
    root = g.op("Sqrt", x)
    if exponent == 0.5:
        return root
    return g.op("Mul", root, g.op("Sqrt", root))
