"""How far float32 may be off in normalisations: the formulas that several kinds share."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from netdsl.ir.rounding import LIMIT, TINY, UNIT, Bound, grown, subnormal, unless_beyond

if TYPE_CHECKING:
    from netdsl.ir.lowering import Evaluation
    from netdsl.ir.rounding import Tensor


def units_of_root(v: Tensor, unsure: Tensor) -> Tensor:
    """The relative change of 1 / sqrt(v), in units, when v changes by `unsure` units.

    It is infinite if v may change by more than a quarter.
    """
    change = unsure / v  # twice the first-order effect, which covers changes up to a quarter of v
    return change.where(v >= 4 * unsure * TINY, inf)


def normalised(x: Tensor, weight: Tensor, shift: Tensor, eps: float) -> Bound:
    """The bound of (x - mean) w / sqrt(var + eps) + b over the last axis.

    `weight` and `shift` are absolute values. Executors may compute the variance as the mean of
    squares less the square of the mean, and the result as x s + (b - mean s) with
    s = w / sqrt(var + eps).
    """
    terms = x.shape[-1]
    mean, v = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, correction=0) + eps
    size, square = x.abs().mean(-1, keepdim=True), x.square().mean(-1, keepdim=True)
    deviation, scale, reach = (x - mean).abs(), v.rsqrt(), x.abs() + size
    scaled = (reach + deviation * (square / v + 1)) * scale * grown(terms)
    rounding = scaled * weight + shift
    rounding = unless_beyond(rounding, square * terms, size * terms, scaled, weight * scale)
    # The variance of nearly equal numbers may be rounded to 0, or below it.
    rounding = rounding.where(square * grown(terms) * (LIMIT * UNIT) < v, inf)
    changed = deviation * units_of_root(v, v.new_full(v.shape, 3))
    underflow = (3 + changed) * scale * weight + weight + reach * (1 + scale * subnormal(weight))
    return Bound(rounding, underflow + 3)


def by_averages(e: Evaluation, bound: Bound) -> Bound:
    """The bound of a normalisation by running averages, of an input that has the given bound.

    Executors compute (x - mean) w / sqrt(var + eps) + b, or x s + (b - mean s) with
    s = w / sqrt(var + eps).
    """
    v = (e.module.running_var + e.module.eps).clamp(min=0)
    scale = e.per_channel(v.rsqrt())
    changed = e.per_channel(units_of_root(v, v.new_ones(v.shape)))
    reach = bound.rounding + e.per_channel(e.module.running_mean.abs())
    weight, shift = scale.new_ones(scale.shape), scale.new_zeros(scale.shape)
    if e.module.weight is not None:
        weight = e.per_channel(e.module.weight.abs())
    if e.module.bias is not None:
        shift = e.per_channel(e.module.bias.abs())
    scaled = reach * scale
    rounding = scaled * weight + shift
    rounding = unless_beyond(rounding, reach, scaled, scaled * weight, weight * scale)
    underflow = (bound.underflow + 2) * weight * scale + scaled * weight * changed
    return Bound(rounding, underflow + reach * (1 + scale * subnormal(weight)) + weight + 3)
