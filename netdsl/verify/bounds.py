"""What a node's value must be, and how far rounding may carry a sound implementation from it: the fp64 witness and its bound.

A bound is the first-order effect of rounding every number that enters a formula, and its result, once: for a sum of products
the sum of the absolute products; for a function of one value |y| + |x f'(x)|, and the function's own scale where libraries
approximate it to a share of that. It is a tensor like the value; a value may be off by k units of float32 rounding (2^-24)
of it. None: the layer moves or chooses elements, and the result is exact. `docs/verify.md` has the formulas.
"""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, Any

import torch

from netdsl.verify.composite import attention, recurrent

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from netdsl.verify.torch_side import Step

Witness = tuple[torch.Tensor, torch.Tensor | None]

EXACT = frozenset(
    "flatten reshape permute tokens crop slice split channel_shuffle pixel_shuffle concat dropout dropout2d droppath embedding param "
    "maxpool gmp adaptive_maxpool spp max relu relu6 roi_pool".split()
)
SUMS = frozenset("conv depthwise deconv dense avgpool sumpool gap adaptive_avgpool subsample gcn sage".split())
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
    if kind in ("rnn", "lstm", "gru"):
        y, bound = recurrent(step.node, dict(module.named_parameters()) if module is not None else {}, wide[0])
        return y, bound + TINY
    y = step(wide, module)
    return y, _bound(step, module, wide, y) + TINY


def _bound(step: Step, module: nn.Module | None, xs: list[Tensor], y: Tensor) -> Tensor:
    kind, op = step.node.op.kind, step.node.op
    if kind in SUMS:
        return step([x.abs() for x in xs], _absolute(module))
    if kind in RULES:
        return RULES[kind](op.given, module, xs, y)
    if kind in RELATIVE:
        return y.abs()
    if kind in SCALE:
        return y.abs() + SCALE[kind]
    return y.abs() + y.abs().amax() if y.numel() else y.abs()  # kinds from other packages: of their largest value


def _absolute(module: nn.Module | None) -> nn.Module | None:
    """The module with the absolute values of its weights, in place: it is a copy."""
    for tensor in module.parameters() if module is not None else ():
        tensor.abs_()
    return module


def _bn(given: dict[str, Any], module: Any, xs: list[Tensor], y: Tensor) -> Tensor:
    axes = (1, -1) + (1,) * (xs[0].dim() - 2)
    scale = (module.running_var + module.eps).rsqrt() * (module.weight.abs() if module.affine else 1)
    shift = (module.bias.abs() if module.affine else 0) + scale * module.running_mean.abs()
    return xs[0].abs() * scale.view(axes) + torch.as_tensor(shift).view(axes)


def _normalised(x: Tensor, eps: float, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """Over the last axis: the variance may come from the mean of squares less the square of the mean."""
    mean, var = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, correction=0) + eps
    size, square = x.abs().mean(-1, keepdim=True), x.square().mean(-1, keepdim=True)
    made = (x.abs() + size + (x - mean).abs() * (square / var + 1)) * var.rsqrt()
    made = made if weight is None else made * weight.abs()
    return made if bias is None else made + bias.abs()


def _layernorm(given: dict[str, Any], module: Any, xs: list[Tensor], y: Tensor) -> Tensor:
    return _normalised(xs[0], module.eps, module.weight, module.bias)


def _groups(x: Tensor, groups: int, module: Any) -> Tensor:
    per_channel = (1, -1) + (1,) * (x.dim() - 2)
    made = _normalised(x.reshape(x.shape[0], groups, -1), module.eps, None, None).view(x.shape)
    return made if module.weight is None else made * module.weight.abs().view(per_channel) + module.bias.abs().view(per_channel)


def _groupnorm(given: dict[str, Any], module: Any, xs: list[Tensor], y: Tensor) -> Tensor:
    return _groups(xs[0], module.num_groups, module)


def _instancenorm(given: dict[str, Any], module: Any, xs: list[Tensor], y: Tensor) -> Tensor:
    return _groups(xs[0], xs[0].shape[1], module)


def _lrn(given: dict[str, Any], module: Any, xs: list[Tensor], y: Tensor) -> Tensor:
    square = xs[0].square()
    n = given["n"]
    around = torch.nn.functional.pad(square.flatten(2).transpose(1, 2), (n // 2, n // 2)).unfold(2, n, 1).sum(-1).transpose(1, 2).reshape(square.shape)
    terms = given["alpha"] / n * around
    sound = (abs(given["k"]) + terms.abs()) / (given["k"] + terms).abs()
    return y.abs() * (1 + abs(given["beta"]) * sound * (1 + (given["k"] + terms).abs().log().abs()))


def _softmax(given: dict[str, Any], module: Any, xs: list[Tensor], y: Tensor) -> Tensor:
    below = xs[0].amax(module.dim, keepdim=True) - xs[0]
    return y * (1 + below + (y * below).sum(module.dim, keepdim=True))


def _log_softmax(given: dict[str, Any], module: Any, xs: list[Tensor], y: Tensor) -> Tensor:
    largest = xs[0].amax(module.dim, keepdim=True)
    return xs[0].abs() + largest.abs() + (largest - xs[0]) + 1 + log(xs[0].shape[module.dim])


def _upsample(given: dict[str, Any], module: Any, xs: list[Tensor], y: Tensor) -> Tensor:
    # The places between pixels are rounded too: by a share of the largest coordinate, times the step between pixels.
    return y.abs() + xs[0].abs().amax((2, 3), keepdim=True) * max(xs[0].shape[2:])


def _roi_align(given: dict[str, Any], module: Any, xs: list[Tensor], y: Tensor) -> Tensor:
    reach = 1 + float(xs[1].abs().max()) * given["scale"]
    return y.abs() + (xs[0].abs().amax((2, 3)) * reach)[:, None, :, None, None]


def _cheb(given: dict[str, Any], module: Any, xs: list[Tensor], y: Tensor) -> Tensor:
    size, edges = xs[0].abs(), xs[1].abs()
    before, term = size, size
    made = size @ module.lins[0].weight.abs().T
    for k, lin in enumerate(module.lins[1:], start=1):
        before, term = term, edges @ size if k == 1 else 2 * (edges @ term) + before
        made = made + k * (term @ lin.weight.abs().T)
    return made if module.bias is None else made + module.bias.abs()


RULES: dict[str, Callable[[dict[str, Any], Any, list[Tensor], Tensor], Tensor]] = {
    "bn": _bn,
    "layernorm": _layernorm,
    "groupnorm": _groupnorm,
    "instancenorm": _instancenorm,
    "lrn": _lrn,
    "rmsnorm": lambda given, module, xs, y: 2 * y.abs(),
    "l2pool": lambda given, module, xs, y: 2 * y.abs(),
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "upsample": _upsample,
    "roi_align": _roi_align,
    "cheb": _cheb,
    "attention": attention,
    "rbf": lambda given, module, xs, y: (xs[0].abs().unsqueeze(1) + module.weight.abs()).square().sum(2),
    "add": lambda given, module, xs, y: sum((x.abs() for x in xs[1:]), start=xs[0].abs()),
    "sub": lambda given, module, xs, y: sum((x.abs() for x in xs[1:]), start=xs[0].abs()),
    "elu": lambda given, module, xs, y: y.abs() + abs(given["alpha"]),
    "gelu": lambda given, module, xs, y: xs[0].abs() * 1.5,
    "silu": lambda given, module, xs, y: xs[0].abs(),
    "mish": lambda given, module, xs, y: xs[0].abs(),
    "hard_swish": lambda given, module, xs, y: xs[0].abs() * (xs[0].abs() + 3) / 6,
}
