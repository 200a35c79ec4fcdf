"""Local response normalisation as products, where an export is for speed.

onnxruntime's own kernel for it takes most of GoogLeNet's time on the CPU. The sum over neighbouring
channels is a 1 x 1 convolution with a band of ones, and a power of 3/4, which the papers have, is
two square roots.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netdsl.backends.onnx.emitter import GraphEmitter
    from netdsl.ir.types import TensorType

MOST_CHANNELS = 1024  # the band is a matrix of channels x channels


def applies(op: Any, type_: TensorType, dtype: str) -> bool:
    """Whether a layer is to be written so: squares of half precision overflow too soon."""
    return (
        op.kind == "lrn"
        and dtype == "float32"
        and isinstance(type_.channels, int)
        and type_.channels <= MOST_CHANNELS
    )


def emit(g: GraphEmitter, op: Any, x: str, type_: TensorType) -> str:
    """Emit x / (k + alpha / n x sum of x^2 over n neighbours)^beta."""
    channels, ones = int(str(type_.channels)), (1,) * len(type_.spatial)
    band = [
        op.alpha / op.n if abs(i - j) <= op.n // 2 else 0.0
        for i in range(channels)
        for j in range(channels)
    ]
    weights = g.wide(band, (channels, channels, *ones)), g.wide([op.k] * channels, (channels,))
    return g.op(
        "Div", x, _power(g, g.op("Conv", g.op("Mul", x, x), *weights, kernel_shape=ones), op.beta)
    )


def _power(g: GraphEmitter, x: str, exponent: float) -> str:
    if exponent == 1:
        return x
    if exponent not in (0.5, 0.75):
        return g.op("Pow", x, g.wide([exponent], ()))
    root = g.op("Sqrt", x)
    return root if exponent == 0.5 else g.op("Mul", root, g.op("Sqrt", root))
