"""What a node's value must be, and how far rounding may carry a sound implementation from it: the fp64 witness and its bound.

A bound is the first-order effect of rounding every number that enters a formula, and its result, once: for a sum of products
the sum of the absolute products; for a function of one value |y| + |x f'(x)|, and the function's own scale where libraries
approximate it to a share of that. It is a tensor like the value; a value may be off by k units of float32 rounding (2^-24)
of it. None: the layer moves or chooses elements, and the result is exact. `docs/verify.md` has the formulas.
"""

from __future__ import annotations

from math import log, prod, sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from netdsl.verify.composite import attention, recurrent

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from netdsl.verify.torch_side import Step

Witness = tuple[Tensor, Tensor | None]


class Evaluated(NamedTuple):
    """A layer evaluated in double precision: its arguments, its module, its inputs and its value."""

    given: dict[str, Any]
    module: Any
    xs: list[Tensor]
    y: Tensor

    @property
    def x(self) -> Tensor:
        """The first input."""
        return self.xs[0]

    def affine(self, bound: Tensor) -> Tensor:
        """The bound after the scale and shift of each channel, where the module has them."""
        if self.module.weight is None:
            return bound
        axes = (1, -1) + (1,) * (bound.dim() - 2)
        weight, bias = (t.abs().view(axes) for t in (self.module.weight, self.module.bias))
        return torch.addcmul(bias, bound, weight)


EXACT = frozenset(
    "flatten reshape permute tokens crop slice split channel_shuffle pixel_shuffle concat dropout dropout2d droppath embedding param "
    "maxpool gmp adaptive_maxpool spp max relu relu6 roi_pool".split()
)
SUMS = frozenset("conv depthwise deconv dense avgpool sumpool gap adaptive_avgpool subsample gcn".split())
RELATIVE = frozenset("leaky_relu prelu pad mul".split())  # one rounding, or one for each factor
SCALE = {"sigmoid": 1.0, "softplus": 1.0, "hard_sigmoid": 1.0, "tanh": 1.0, "scaled_tanh": 1.7159, "selu": 1.7581}
TINY = 2.0**-126  # below it float32 loses digits, or flushes to zero


@torch.no_grad()
def witness(step: Step, xs: list[Tensor]) -> Witness:
    """The value of a node in double precision for float32 inputs, and its bound."""
    kind = step.node.op.kind
    if kind in EXACT or (kind == "upsample" and step.node.op.given["mode"] == "nearest"):
        return step(xs), None
    module, wide = step.double(), [x.double() if x.is_floating_point() else x for x in xs]
    if kind in ("rnn", "lstm", "gru") and module is not None:
        y, bound = recurrent(step.node, dict(module.named_parameters()), wide[0])
    else:
        y = step(wide, module)
        bound = _bound(step, module, wide, y)
    return y, bound + TINY


@torch.no_grad()
def folded_witness(step: Step, norm: Step, xs: list[Tensor]) -> Witness:
    """The same for a layer and the batch norm that was folded into it: the layer's bound goes through the scale."""
    value, bound = witness(step, xs)
    module = norm.double()
    y = norm([value], module)
    assert bound is not None
    passed = _bn(Evaluated(norm.node.op.given, module, [bound], y))
    return y, passed + _bn(Evaluated(norm.node.op.given, module, [value], y)) + TINY


def _bound(step: Step, module: nn.Module | None, xs: list[Tensor], y: Tensor) -> Tensor:
    kind = step.node.op.kind
    if kind in SUMS:  # in single precision, which is several times faster: of a bound the first digits matter
        grown = _added(step, xs[0], y) if step.node.op.family == "pooling" else _grown(_products(step, xs[0], y))
        return step([x.abs().float() for x in xs], _absolute(module)).double() * grown
    if kind in RULES:
        return RULES[kind](Evaluated(step.node.op.given, module, xs, y))
    if kind in RELATIVE:
        return y.abs()
    if kind in SCALE:
        return y.abs() + SCALE[kind]
    return y.abs() + y.abs().amax() if y.numel() else y.abs()  # kinds from other packages: of their largest value


def _grown(terms: float) -> float:
    """How errors of a long sum add up: like the root of the number of its terms (Higham and Mary 2019), which up to 64 the limit covers."""
    return max(1.0, sqrt(terms) / 8)


def _added(step: Step, x: Tensor, y: Tensor) -> float:
    """The same for a mean, which both executors add up one by one: like numbers are rounded one way each time."""
    window = prod(w.extent for w in step.node.op.windows(*step.node.types))
    return max(1.0, window / 16, x.numel() / y.numel() / 16)


def _products(step: Step, x: Tensor, y: Tensor) -> float:
    """The terms of the sum that an element of the value is, at most."""
    kind = step.node.op.kind
    outputs = 1 if kind == "deconv" else 0  # the axis of its weight
    weighted = [w.numel() / w.shape[outputs] for w in step.tensors().values() if w.dim() > 1]
    return max([x.numel() / y.numel(), *weighted, x.shape[1] if step.node.op.family == "graph" else 1])


def _absolute(module: nn.Module | None) -> nn.Module | None:
    """The module with the absolute values of its weights, in place: it is a copy."""
    if module is not None:
        for tensor in module.float().parameters():
            tensor.abs_()
    return module


def _bn(e: Evaluated) -> Tensor:
    axes = (1, -1) + (1,) * (e.x.dim() - 2)
    scale = (e.module.running_var + e.module.eps).rsqrt().view(axes)
    return e.affine((e.x.abs() + e.module.running_mean.abs().view(axes)) * scale)


def _normalised(x: Tensor, eps: float) -> Tensor:
    """Over the last axis: the variance may come from the mean of squares less the square of the mean."""
    mean, var = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, correction=0) + eps
    size, square = x.abs().mean(-1, keepdim=True), x.square().mean(-1, keepdim=True)
    return (x.abs() + size + (x - mean).abs() * (square / var + 1)) * var.rsqrt() * _grown(x.shape[-1])


def _layernorm(e: Evaluated) -> Tensor:
    made = _normalised(e.x, e.module.eps)
    return made if e.module.weight is None else made * e.module.weight.abs() + e.module.bias.abs()


def _groups(e: Evaluated, groups: int) -> Tensor:
    return e.affine(_normalised(e.x.reshape(e.x.shape[0], groups, -1), e.module.eps).view(e.x.shape))


def _lrn(e: Evaluated) -> Tensor:
    n, rows = e.given["n"], e.x.square().flatten(2).transpose(1, 2)
    around = torch.nn.functional.pad(rows, (n // 2, n // 2)).unfold(2, n, 1).sum(-1).transpose(1, 2).reshape(e.x.shape)
    terms = e.given["alpha"] / n * around
    total = e.given["k"] + terms
    # onnxruntime slides its window: what it added for earlier channels it takes off again, and the rounding of that stays.
    slid = (abs(e.given["k"]) + terms.abs().amax(1, keepdim=True)) * _grown(2 * e.x.shape[1])
    share: Tensor = 1 + abs(e.given["beta"]) * (slid / total.abs() + total.abs().log().abs())
    return e.y.abs() * share


def _softmax(e: Evaluated) -> Tensor:
    below = e.x.amax(e.module.dim, keepdim=True) - e.x
    added: float = e.x.shape[e.module.dim] / 16  # one by one, and like numbers are rounded one way each time
    return e.y * (1 + added + below + (e.y * below).sum(e.module.dim, keepdim=True))


def _log_softmax(e: Evaluated) -> Tensor:
    largest = e.x.amax(e.module.dim, keepdim=True)
    terms: int = e.x.shape[e.module.dim]
    return e.x.abs() + largest.abs() + (largest - e.x) + 1 + terms / 16 + log(terms)


def _upsample(e: Evaluated) -> Tensor:
    # The places between pixels are rounded too: by a share of the largest coordinate, times the step between pixels.
    return e.y.abs() + e.x.abs().amax((2, 3), keepdim=True) * max(e.x.shape[2:])


def _roi_align(e: Evaluated) -> Tensor:
    reach = float(1 + e.xs[1].abs().max() * e.given["scale"])
    return e.y.abs() + (e.x.abs().amax((2, 3)) * reach)[:, None, :, None, None]


def _cheb(e: Evaluated) -> Tensor:
    size, edges = e.x.abs(), e.xs[1].abs()
    before, term = size, size
    made: Tensor = size @ e.module.lins[0].weight.abs().T
    for k, lin in enumerate(e.module.lins[1:], start=1):
        before, term = term, edges @ size if k == 1 else 2 * (edges @ term) + before
        made = made + k * (term @ lin.weight.abs().T)
    shift: Tensor | None = e.module.bias
    return made if shift is None else made + shift.abs()


def _sage(e: Evaluated) -> Tensor:
    edges, degrees = e.xs[1], e.xs[1].sum(2, keepdim=True).clamp(min=1)
    mean = (edges.abs() @ e.x.abs() + (edges @ e.x / degrees).abs() * edges.abs().sum(2, keepdim=True)) / degrees
    bound: Tensor = mean @ e.module.lin_l.weight.abs().T + e.x.abs() @ e.module.lin_r.weight.abs().T
    shift: Tensor | None = e.module.lin_l.bias
    return (bound if shift is None else bound + shift.abs()) * _grown(max(e.x.shape[1:]))


def _sum(e: Evaluated) -> Tensor:
    return sum((x.abs() for x in e.xs[1:]), start=e.x.abs())


RULES: dict[str, Callable[[Evaluated], Tensor]] = {
    "bn": _bn,
    "layernorm": _layernorm,
    "groupnorm": lambda e: _groups(e, e.module.num_groups),
    "instancenorm": lambda e: _groups(e, e.x.shape[1]),
    "lrn": _lrn,
    "rmsnorm": lambda e: 2 * e.y.abs(),
    "l2pool": lambda e: 2 * e.y.abs(),
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "upsample": _upsample,
    "roi_align": _roi_align,
    "cheb": _cheb,
    "sage": _sage,
    "attention": lambda e: attention(e.given, e.module, e.xs),
    "rbf": lambda e: (e.x.abs().unsqueeze(1) + e.module.weight.abs()).square().sum(2),
    "add": _sum,
    "sub": _sum,
    "elu": lambda e: e.y.abs() + abs(e.given["alpha"]),
    "gelu": lambda e: e.x.abs() * 1.5,
    "silu": lambda e: e.x.abs(),
    "mish": lambda e: e.x.abs(),
    "hard_swish": lambda e: e.x.abs() * (e.x.abs() + 3) / 6,
}
