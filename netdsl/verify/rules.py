"""How far float32 may be off, kind by kind: the formulas of `docs/verify.md`.

Each rule takes a layer evaluated in double precision and returns its `Bound`.
"""

from __future__ import annotations

from math import log, prod
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from netdsl.verify.composite import attention, cheb, gcn, sage
from netdsl.verify.rounding import LIMIT, TINY, UNIT, Bound, Known, grown, lifted, unless_beyond

if TYPE_CHECKING:
    from collections.abc import Callable


class Evaluated(NamedTuple):
    """A layer in double precision: its arguments, its module, its inputs and its value."""

    given: dict[str, Any]
    module: Any
    xs: list[Tensor]
    y: Tensor

    @property
    def x(self) -> Tensor:
        """The first input."""
        return self.xs[0]

    @property
    def constant(self) -> Tensor:
        """One unit for each element of the value."""
        return torch.ones_like(self.y)

    def per_channel(self, tensor: Tensor) -> Tensor:
        """A number for each channel, shaped to meet the input."""
        return tensor.view((1, -1) + (1,) * (self.x.dim() - 2))


def _subsample(e: Evaluated) -> Bound:
    """LeNet-5's pooling: the sum of each window, times a weight, plus a bias."""
    window = e.module.window
    count = prod(window)
    pool = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[len(window) - 1]
    sizes = pool(lifted(e.x), window) * count
    summed = Known(
        pool(e.x, window) * count,
        unless_beyond(sizes * grown(count), sizes),
        torch.full_like(e.y, 2 * count + 2),
    )
    scaled = summed * Known.exactly(e.per_channel(e.module.weight))
    return scaled.shifted(e.per_channel(e.module.bias)).bound


def _add(e: Evaluated) -> Bound:
    sizes = sum((x.abs() for x in e.xs[1:]), start=e.x.abs())
    terms = len(e.xs)
    return Bound(unless_beyond(sizes, sizes) * max(1.0, terms / 16), e.constant * (2 * terms))


def _mul(e: Evaluated) -> Bound:
    made = Known.exactly(e.x)
    for x in e.xs[1:]:
        made = made * Known.exactly(x)
    return made.bound


# ---- normalisation


def _variance(v: Tensor, unsure: Tensor) -> Tensor:
    """The units of a change of v as a relative change of 1 / sqrt(v); infinite over a quarter."""
    share = unsure / v  # twice the first-order effect, which covers changes up to a quarter of v
    return torch.where(v >= 4 * unsure * TINY, share, torch.inf)


def bn(e: Evaluated) -> Bound:
    return normed(e, Bound(e.x.abs(), torch.ones_like(e.x)))


def normed(e: Evaluated, bound: Bound) -> Bound:
    """Batch norm, (x - mean) w / sqrt(var + eps) + b, of a value with that bound.

    Executors compute this formula, or x s + (b - mean s) with s = w / sqrt(var + eps).
    """
    v = (e.module.running_var + e.module.eps).clamp(min=0)
    scale, changed = e.per_channel(v.rsqrt()), e.per_channel(_variance(v, torch.ones_like(v)))
    reach = bound.rounding + e.per_channel(e.module.running_mean.abs())
    weight, shift = torch.ones_like(scale), torch.zeros_like(scale)
    if e.module.weight is not None:
        weight, shift = (e.per_channel(t.abs()) for t in (e.module.weight, e.module.bias))
    moved = reach * scale
    rounding = moved * weight + shift
    rounding = unless_beyond(rounding, reach, moved, moved * weight, weight * scale)
    underflow = (bound.underflow + 2) * weight * scale + moved * weight * changed
    return Bound(rounding, underflow + reach * (1 + scale * _subnormal(weight)) + weight + 3)


def _normalised(x: Tensor, weight: Tensor, shift: Tensor, eps: float) -> Bound:
    """(x - mean) w / sqrt(var + eps) + b over the last axis.

    Executors may compute the variance as the mean of squares less the square of the mean, and the
    result as x s + (b - mean s) with s = w / sqrt(var + eps).
    """
    mean, v = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, correction=0) + eps
    size, square = x.abs().mean(-1, keepdim=True), x.square().mean(-1, keepdim=True)
    off, scale, terms = (x - mean).abs(), v.rsqrt(), x.shape[-1]
    reach = x.abs() + size
    moved = (reach + off * (square / v + 1)) * scale * grown(terms)
    rounding = moved * weight + shift
    rounding = unless_beyond(rounding, square * terms, size * terms, moved, weight * scale)
    changed = off * _variance(v, torch.full_like(v, 3))
    underflow = (3 + changed) * scale * weight + weight + reach * (1 + scale * _subnormal(weight))
    return Bound(rounding, underflow + 3)


def _layernorm(e: Evaluated) -> Bound:
    weight, shift = e.x.new_ones(()), e.x.new_zeros(())
    if e.module.weight is not None:
        weight, shift = e.module.weight.abs(), e.module.bias.abs()
    return _normalised(e.x, weight, shift, e.module.eps)


def _groups(e: Evaluated, groups: int) -> Bound:
    rows = e.x.reshape(e.x.shape[0], groups, -1)
    weight, shift = torch.ones_like(rows), torch.zeros_like(rows)
    if e.module.weight is not None:
        weight, shift = (
            e.per_channel(t.abs()).expand(e.x.shape).reshape(rows.shape)
            for t in (e.module.weight, e.module.bias)
        )
    bound = _normalised(rows, weight, shift, e.module.eps)
    return Bound(bound.rounding.view(e.x.shape), bound.underflow.view(e.x.shape))


def _rmsnorm(e: Evaluated) -> Bound:
    x, terms, weight = e.x, e.x.shape[-1], e.module.weight.abs()
    square = x.square().mean(-1, keepdim=True)
    v = square + (e.module.eps or 0.0)
    scale = v.rsqrt()
    made = x.abs() * scale
    rounding = unless_beyond((1 + grown(terms)) * e.y.abs(), square * terms, made)
    underflow = (1 + made * _variance(v, torch.full_like(v, 3))) * scale.clamp(min=1) * weight
    return Bound(rounding, underflow + weight + _subnormal(weight) * made + 1)


def _lrn(e: Evaluated) -> Bound:
    n, alpha, beta = e.given["n"], abs(e.given["alpha"]), abs(e.given["beta"])
    rows = e.x.square().flatten(2).transpose(1, 2)
    windows = F.pad(rows, (n // 2, n // 2)).unfold(2, n, 1).sum(-1)
    around = windows.transpose(1, 2).reshape(e.x.shape)
    terms = e.given["alpha"] / n * around
    total = (e.given["k"] + terms).abs()
    # onnxruntime slides its window: it subtracts the squares that it added for earlier channels,
    # but their rounding remains.
    channels = e.x.shape[1]
    most = around.amax(1, keepdim=True) * max(1.0, alpha / n)
    slid = (abs(e.given["k"]) + terms.abs().amax(1, keepdim=True)) * grown(2 * channels)
    share = 1 + beta * (slid / total + total.log().abs())
    power = total.pow(e.given["beta"])
    rounding = unless_beyond(e.y.abs() * share, most, power, 1 / power)
    rounding = torch.where(slid * (LIMIT * UNIT) < total, rounding, torch.inf)
    unsure = torch.full_like(total, alpha * (2 * channels + 2) + 2)
    changed = 2 * beta * _variance(total, unsure)
    return Bound(rounding, e.y.abs() * changed + e.x.abs() + 1 / power + 1)


# ---- activations


def _sloped(e: Evaluated, slope: Tensor) -> Bound:
    """x, or a slope times it."""
    rounding = unless_beyond(e.y.abs(), slope.abs())
    return Bound(rounding, e.constant * (slope.abs() + e.x.abs() * _subnormal(slope) + 2))


def _leaky_relu(e: Evaluated) -> Bound:
    return _sloped(e, e.x.new_tensor(e.given["slope"]))


def _prelu(e: Evaluated) -> Bound:
    weight = e.module.weight
    return _sloped(e, e.per_channel(weight) if weight.numel() > 1 else weight.view(()))


def _elu(e: Evaluated) -> Bound:
    alpha = abs(e.given["alpha"])
    rounding = unless_beyond(e.y.abs() + alpha, e.x.new_tensor(alpha))
    return Bound(rounding, e.constant * (alpha + 2))


def _gated(e: Evaluated, factor: float) -> Bound:
    """X times a function between 0 and 1, in which the error of libraries is relative to 1."""
    return Bound(e.x.abs() * factor, e.constant * 2)


def _hard_swish(e: Evaluated) -> Bound:
    size = e.x.abs()
    return Bound(unless_beyond(size * (size + 3).clamp(max=6) / 6, size * 6), e.constant * 3)


def _softmax(e: Evaluated) -> Bound:
    dim = e.module.dim
    below = e.x.amax(dim, keepdim=True) - e.x
    terms = e.x.shape[dim]
    added = terms / 16  # one by one: equal numbers may be rounded in the same direction
    rounding = e.y * (1 + added + below + (e.y * below).sum(dim, keepdim=True))
    return Bound(rounding, 1 + e.y * terms)


def _log_softmax(e: Evaluated) -> Bound:
    largest = e.x.amax(e.module.dim, keepdim=True)
    terms = e.x.shape[e.module.dim]
    size = e.x.abs() + largest.abs()
    rounding = size + (largest - e.x) + 1 + terms / 16 + log(terms)
    return Bound(unless_beyond(rounding, size), e.constant * (2 + terms))


# ---- the rest


def _pad(e: Evaluated) -> Bound:
    return Bound(e.y.abs(), e.constant)


def _l2pool(e: Evaluated) -> Bound:
    """sqrt(s), with s the sum of squares: near 0 its loss is the root of the loss of s."""
    window = e.module.kernel_size
    terms = prod(window) if isinstance(window, tuple) else window ** (e.x.dim() - 2)
    square = e.y.square()
    lost = 3.0 * terms + 1
    underflow = lost / square.clamp(min=lost * TINY).sqrt()
    return Bound(unless_beyond((1 + grown(terms)) * e.y.abs(), square), underflow + 1)


def _upsample(e: Evaluated) -> Bound:
    # The coordinates between pixels are rounded too: the effect is a share of the largest
    # coordinate, times the step between pixels.
    largest = e.x.abs().amax((2, 3), keepdim=True)
    rounding = e.y.abs() + largest * max(e.x.shape[2:])
    return Bound(unless_beyond(rounding, 4 * largest), e.constant * 12)


def _roi_align(e: Evaluated) -> Bound:
    boxes = e.xs[1].abs().max() if e.xs[1].numel() else e.x.new_zeros(())
    reach = 1 + boxes * e.given["scale"]
    largest = e.x.abs().amax((2, 3))[:, None, :, None, None]
    samples = 4.0 * e.given["samples"] ** 2
    rounding = e.y.abs() + largest * reach
    return Bound(unless_beyond(rounding, largest * samples, reach), e.constant * (3 * samples))


def _rbf(e: Evaluated) -> Bound:
    sizes = e.x.abs().unsqueeze(1) + e.module.weight.abs()
    squares = sizes.square().sum(2)
    underflow = 4 * sizes.sum(2) + 2 * e.x.shape[1] + 1
    return Bound(unless_beyond(squares, squares), underflow)


def _subnormal(x: Tensor) -> Tensor:
    """1 where a number may be read as zero because it is below 2^-126."""
    return ((x != 0) & (x.abs() < TINY)).to(x.dtype)


RULES: dict[str, Callable[[Evaluated], Bound]] = {
    "subsample": _subsample,
    "add": _add,
    "sub": _add,
    "mul": _mul,
    "bn": bn,
    "layernorm": _layernorm,
    "groupnorm": lambda e: _groups(e, e.module.num_groups),
    "instancenorm": lambda e: _groups(e, e.x.shape[1]),
    "rmsnorm": _rmsnorm,
    "lrn": _lrn,
    "leaky_relu": _leaky_relu,
    "prelu": _prelu,
    "elu": _elu,
    "gelu": lambda e: _gated(e, 1.5),
    "silu": lambda e: _gated(e, 1.0),
    "mish": lambda e: _gated(e, 1.0),
    "hard_swish": _hard_swish,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "pad": _pad,
    "l2pool": _l2pool,
    "upsample": _upsample,
    "roi_align": _roi_align,
    "rbf": _rbf,
    "attention": lambda e: attention(e.given, e.module, e.xs),
    "gcn": lambda e: gcn(e.module, *e.xs),
    "cheb": lambda e: cheb(e.module, *e.xs),
    "sage": lambda e: sage(e.module, *e.xs),
}
