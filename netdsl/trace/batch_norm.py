"""Batch norm, with the statistics of the training or with those of a mini-batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from netdsl.ir.rounding import LIMIT, UNIT
from netdsl.trace.windows import one
from netdsl.trace.worked import (
    MINUS,
    Gradient,
    NumberGrid,
    Worked,
    WorkPart,
    factor,
    matrix,
    number,
    plain,
    total,
)

if TYPE_CHECKING:
    from netdsl.trace.worked import Place, TracedLayer

MOST_SAMPLES = 8  # that are shown


class _BatchNormalised(NamedTuple):
    """A number that is normalised, scaled and shifted, with the lines of these three steps."""

    normal: float
    slope: float  # of the result by the number
    result: float
    lines: list[str]


def batch_norm(layer: TracedLayer, at: Place) -> Worked:
    """The five steps with the averages that are kept from the training."""
    channel = at[0]
    x = float(layer.x[at])
    mean = float(layer.weights["running_mean"][channel])
    variance = float(layer.weights["running_var"][channel])
    done = _normalised(layer, channel, x, mean, variance)
    lines = (
        f"1 mean       μ = {number(mean)}, kept from training",
        f"2 variance   σ² = {number(variance)}, kept from training",
        *done.lines,
    )
    to_input = np.zeros(layer.x.shape)
    to_input[at] = done.slope
    by_x = Gradient("x0", (), to_input, "by x: γ / √(σ² + ε)", plain(np.array(done.slope)))
    part = WorkPart(f"channel {channel}", (NumberGrid("x", np.full((1, 1), x)),))
    formula = f"γ (x {MINUS} μ) / √(σ² + ε) + β, with the statistics of the training"
    gradients = (by_x, *_by_weights(layer, channel, done.normal))
    return Worked(formula, (part,), lines, done.result, (), gradients)


def batch_norm_in_training(layer: TracedLayer, at: Place) -> Worked:
    """The five steps with the statistics of a mini-batch, and the averages that are kept.

    `at` begins with the number of the sample.
    """
    channel = at[1]
    xs = layer.x[:, channel]
    mean = float(xs.mean())
    squares = (xs - mean) ** 2
    variance = float(squares.mean())
    done = _normalised(layer, channel, float(layer.x[at]), mean, variance)
    summed, squared = (total(part.ravel().tolist(), float(part.sum())) for part in (xs, squares))
    divided = [f"{number(part.sum())} / {xs.size}" for part in (xs, squares)]
    lines = (
        f"1 mean       sum of x: {summed}; μ = {divided[0]} = {number(mean)}",
        f"2 variance   sum of (x {MINUS} μ)²: {squared}; σ² = {divided[1]} = {number(variance)}",
        *done.lines,
        *_kept(layer, channel, mean, variance * xs.size / (xs.size - 1)),
    )
    normals = (xs - mean) / np.sqrt(variance + _eps(layer))
    to_input = np.zeros(layer.x.shape)
    to_input[:, channel] = done.slope * (-1 - done.normal * normals) / xs.size
    to_input[at] += done.slope
    title = f"by x: γ / √(σ² + ε) · (1 at its own place, {MINUS} 1/m {MINUS} n · n of x / m)"
    title += f", with m = {xs.size}"
    by_x = Gradient("x0", (), to_input, title, _samples(to_input[:, channel]))
    part = WorkPart(f"channel {channel}", _samples(xs))
    formula = f"γ (x {MINUS} μ) / √(σ² + ε) + β, with the statistics of the mini-batch"
    gradients = (by_x, *_by_weights(layer, channel, done.normal))
    return Worked(formula, (part,), lines, done.result, (), gradients)


def _normalised(
    layer: TracedLayer, channel: int, x: float, mean: float, variance: float
) -> _BatchNormalised:
    """The last three of the five steps."""
    scale, shift = _scale_and_shift(layer, channel)
    eps = _eps(layer)
    root = float(np.sqrt(variance + eps))
    normal = (x - mean) / root
    result = scale * normal + shift
    below = f"({number(x)} {MINUS} {factor(mean)}) / √({number(variance)} + {number(eps)})"
    lines = [
        f"3 normalise  n = (x {MINUS} μ) / √(σ² + ε) = {below} = {number(normal)}",
        f"4 scale      γ · n = {number(scale)} · {factor(normal)} = {number(scale * normal)}",
        f"5 shift      γ · n + β = {total([scale * normal, shift], result)}",
    ]
    return _BatchNormalised(normal, scale / root, result, lines)


def _eps(layer: TracedLayer) -> float:
    return float(layer.node.op.given["eps"])


def _scale_and_shift(layer: TracedLayer, channel: int) -> tuple[float, float]:
    """Gamma and beta of a channel: 1 and 0 if they are not learned."""
    scale, shift = (
        float(layer.weights[name][channel]) if name in layer.weights else usual
        for name, usual in (("weight", 1.0), ("bias", 0.0))
    )
    return scale, shift


def _by_weights(layer: TracedLayer, channel: int, normal: float) -> list[Gradient]:
    """The gradients by gamma and by beta, where they are learned."""
    gradients = []
    if "weight" in layer.weights:
        by_scale = np.array(normal)
        title = "by γ: the normalised x"
        gradients.append(Gradient("weight", (channel,), by_scale, title, plain(by_scale)))
    if "bias" in layer.weights:
        gradients.append(one("bias", (channel,)))
    return gradients


def _kept(layer: TracedLayer, channel: int, mean: float, variance: float) -> list[str]:
    """How the averages change that are kept for the time after the training."""
    share = float(layer.node.op.given["momentum"])
    lines = []
    for name, symbol, new in (("running_mean", "μ", mean), ("running_var", "σ²", variance)):
        old = float(layer.weights[name][channel])
        after = (1 - share) * old + share * new
        sums = f"{number(1 - share)} · {factor(old)} + {number(share)} · {factor(new)}"
        lines.append(f"kept         {symbol}: {sums} = {number(after)}")
    lines[-1] += f", with the variance of a sample: divided by m {MINUS} 1"
    return lines


def _samples(values: np.ndarray) -> tuple[NumberGrid, ...]:
    """The numbers of a channel, with a grid for each sample, or one grid if they are vectors."""
    if values.ndim == 1:
        return (NumberGrid("a row for each sample", values[:, None]),)
    return tuple(NumberGrid(f"sample {i}", matrix(v)) for i, v in enumerate(values[:MOST_SAMPLES]))


def allowed_in_training(layer: TracedLayer, at: Place) -> float:
    """How far a result in single precision may be off.

    The mean is off by the rounding of the largest x; it and that of the variance are divided by the
    deviation.
    """
    xs = layer.x[:, at[1]]
    scale, shift = _scale_and_shift(layer, at[1])
    root = float(np.sqrt(xs.var() + _eps(layer)))
    most = float(np.abs(xs).max()) / root
    normal = abs(float(layer.x[at]) - float(xs.mean())) / root
    return LIMIT * UNIT * (abs(scale) * (1 + normal) * (1 + 3 * most) + abs(shift))
