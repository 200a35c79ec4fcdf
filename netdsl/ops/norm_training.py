"""Batch normalisation as training computes it in ONNX, and its gradient."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from netdsl.ir.lowering import Emitter, GradientEmitter, TrainingEmitter, TypedName


class OfBatches(Protocol):
    """A kind that normalises each channel over the batch."""

    eps: float
    momentum: float

    def onnx_scale_and_shift(self, g: Emitter, x: TypedName) -> tuple[str, str]:
        """The learned scale and shift; constant ones and zeros for what is not learned."""


def emit_of_batch(op: OfBatches, g: TrainingEmitter, x: TypedName) -> str:
    """Normalise by the mean and the variance of the batch, and update the running averages."""
    scale, shift = op.onnx_scale_and_shift(g, x)
    shape = g.shape(x)
    axes = g.ints([i for i in range(len(shape)) if i != 1])
    count = prod(shape) // shape[1]
    mean = g.op("ReduceMean", x, axes, keepdims=1)
    centred = g.op("Sub", x, mean)
    var = g.op("ReduceMean", g.op("Mul", centred, centred), axes, keepdims=0)
    flat = g.op("Reshape", mean, g.ints([-1]))
    unbiased = g.op("Mul", var, g.floats(count / (count - 1)))
    update_average(g, "running_mean", flat, op.momentum)
    update_average(g, "running_var", unbiased, op.momentum)
    g.save(mean=flat, var=var, centred=centred)
    return g.op("BatchNormalization", x, scale, shift, flat, var, epsilon=op.eps)


def update_average(g: TrainingEmitter, name: str, value: str, momentum: float) -> None:
    """Move a running average towards a value by the share `momentum`."""
    kept = g.op("Mul", g.param(name), g.floats(1 - momentum))
    g.update(name, g.op("Add", kept, g.op("Mul", value, g.floats(momentum))))


def update_by_samples(op: OfBatches, g: TrainingEmitter, x: TypedName) -> None:
    """Update the running averages by the means over the batch of each sample's own statistics."""
    shape = g.shape(x)
    axes, count = g.ints(list(range(2, len(shape)))), prod(shape[2:])
    mean = g.op("ReduceMean", x, axes, keepdims=1)
    centred = g.op("Sub", x, mean)
    all_axes = g.ints([i for i in range(len(shape)) if i != 1])
    var = g.op("ReduceMean", g.op("Mul", centred, centred), all_axes, keepdims=0)
    unbiased = g.op("Mul", var, g.floats(count / (count - 1)))
    update_average(g, "running_mean", g.op("ReduceMean", x, all_axes, keepdims=0), op.momentum)
    update_average(g, "running_var", unbiased, op.momentum)


def add_gradients_of_batch(op: OfBatches, g: GradientEmitter, dy: str, x: TypedName) -> None:
    """Emit the gradients of input, scale and shift.

    With the factor a = scale / sqrt(var + eps), the gradient of the input is
    a (dy - mean(dy) - (x - mean) mean(dy (x - mean)) / (var + eps)).
    """
    scale, shift = op.onnx_scale_and_shift(g, x)
    shape = g.shape(x)
    axes = g.ints([i for i in range(len(shape)) if i != 1])
    count = prod(shape) // shape[1]
    spread = g.ints([-1, *[1] * (len(shape) - 2)])
    centred = g.saved["centred"]
    power = g.op("Add", g.saved["var"], g.floats(op.eps))
    root = g.op("Sqrt", power)
    total = g.op("ReduceSum", dy, axes, keepdims=0)
    along = g.op("ReduceSum", g.op("Mul", dy, centred), axes, keepdims=0)
    if g.wants(scale):
        g.add(scale, g.op("Div", along, root))
    if g.wants(shift):
        g.add(shift, total)
    if not g.wants(x):
        return
    share = g.floats(1 / count)
    factor = g.op("Div", scale, root)
    slope = g.op("Mul", g.op("Mul", g.op("Div", along, power), share), factor)
    turn = g.op("Mul", centred, g.op("Reshape", slope, spread))
    # One operator subtracts the mean and multiplies, in a single pass over the values.
    zero, one = g.floats([0.0] * shape[1]), g.floats([1.0] * shape[1])
    mean = g.op("Mul", total, share)
    around = g.op("BatchNormalization", dy, factor, zero, mean, one, epsilon=0.0)
    g.add(x, g.op("Sub", around, turn))
