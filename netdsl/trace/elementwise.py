"""Activations, which compute each number from one, and the sum of several inputs."""

from __future__ import annotations

from math import erf, exp, pi, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from netdsl.trace.worked import (
    MINUS,
    Gradient,
    NumberGrid,
    Term,
    Worked,
    WorkPart,
    number,
    plain,
    total,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.ir.op import Op
    from netdsl.trace.worked import Place, TracedLayer

_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


class NumberFunction(NamedTuple):
    """A function of one number: how it is written, its value, and its derivative."""

    formula: str
    value: Callable[[float], float]
    slope: Callable[[float], float]


def _sigmoid(x: float) -> float:
    return exp(-_softplus(-x))


def _softplus(x: float) -> float:
    return float(np.logaddexp(0.0, x))


def _tanh(x: float) -> float:
    return float(np.tanh(x))


def _normal(x: float) -> float:
    return (1 + erf(x / sqrt(2))) / 2


def _elu(x: float, alpha: float) -> float:
    return max(x, 0.0) + alpha * (exp(min(x, 0.0)) - 1)


def _elu_slope(x: float, alpha: float) -> float:
    return (alpha * exp(min(x, 0.0)), 1.0)[x > 0]


def _slope_place(layer: TracedLayer, at: Place) -> Place:
    """Where the slope of a channel is among the learned ones, of which there may be only one."""
    return (min(at[0], layer.weights["weight"].size - 1),)


def _mish_slope(x: float) -> float:
    t = _tanh(_softplus(x))
    return t + x * (1 - t * t) * _sigmoid(x)


def _hard_swish_slope(x: float) -> float:
    if abs(x) >= 3:
        return float(x > 0)
    return (2 * x + 3) / 6


def _without_arguments(kind: str) -> NumberFunction | None:
    """The functions without arguments."""
    return {
        "relu": NumberFunction("max(0, x)", lambda x: max(0.0, x), lambda x: float(x > 0)),
        "relu6": NumberFunction(
            "min(max(0, x), 6)", lambda x: min(max(0.0, x), 6.0), lambda x: float(0 < x < 6)
        ),
        "sigmoid": NumberFunction(
            "1 / (1 + exp(-x))", _sigmoid, lambda x: _sigmoid(x) * (1 - _sigmoid(x))
        ),
        "tanh": NumberFunction("tanh(x)", _tanh, lambda x: 1 - _tanh(x) ** 2),
        "softplus": NumberFunction("log(1 + exp(x))", _softplus, _sigmoid),
        "silu": NumberFunction(
            "x / (1 + exp(-x))",
            lambda x: x * _sigmoid(x),
            lambda x: _sigmoid(x) * (1 + x * (1 - _sigmoid(x))),
        ),
        "mish": NumberFunction(
            "x tanh(log(1 + exp(x)))", lambda x: x * _tanh(_softplus(x)), _mish_slope
        ),
        "hard_sigmoid": NumberFunction(
            "min(max(x + 3, 0), 6) / 6",
            lambda x: min(max(x + 3, 0.0), 6.0) / 6,
            lambda x: float(-3 < x < 3) / 6,
        ),
        "hard_swish": NumberFunction(
            "x min(max(x + 3, 0), 6) / 6",
            lambda x: x * min(max(x + 3, 0.0), 6.0) / 6,
            _hard_swish_slope,
        ),
        "scaled_tanh": NumberFunction(
            "1.7159 tanh(2 x / 3)",
            lambda x: 1.7159 * _tanh(2 * x / 3),
            lambda x: 1.7159 * 2 / 3 * (1 - _tanh(2 * x / 3) ** 2),
        ),
        "selu": NumberFunction(
            "1.0507 x above 0, 1.0507 · 1.6733 (exp(x) - 1) elsewhere",
            lambda x: _SELU_SCALE * _elu(x, _SELU_ALPHA),
            lambda x: _SELU_SCALE * _elu_slope(x, _SELU_ALPHA),
        ),
    }.get(kind)


def _of(op: Op, layer: TracedLayer, at: Place) -> NumberFunction:
    """The function of a layer, with its arguments and its learned slope."""
    known = _without_arguments(op.kind)
    if known is not None:
        return known
    given = op.given
    if op.kind == "elu":
        alpha = float(given["alpha"])
        return NumberFunction(
            f"x above 0, {number(alpha)} (exp(x) - 1) elsewhere",
            lambda x: _elu(x, alpha),
            lambda x: _elu_slope(x, alpha),
        )
    if op.kind == "gelu":
        return _gelu(is_exact=given["approximate"] == "none")
    if op.kind == "leaky_relu":
        slope = float(given["slope"])
    else:  # prelu
        slopes = layer.weights["weight"]
        slope = float(slopes[_slope_place(layer, at)])
    return NumberFunction(
        f"x above 0, {number(slope)} x elsewhere",
        lambda x: max(x, 0.0) + slope * min(x, 0.0),
        lambda x: (slope, 1.0)[x > 0],
    )


def _gelu(*, is_exact: bool) -> NumberFunction:
    if is_exact:
        return NumberFunction(
            "x times the share of the normal distribution below x",
            lambda x: x * _normal(x),
            lambda x: _normal(x) + x * exp(-x * x / 2) / sqrt(2 * pi),
        )
    scale = sqrt(2 / pi)

    def inner(x: float) -> float:
        return _tanh(scale * (x + 0.044715 * x**3))

    return NumberFunction(
        "x (1 + tanh(√(2 / π) (x + 0.044715 x³))) / 2",
        lambda x: 0.5 * x * (1 + inner(x)),
        lambda x: (
            0.5 * (1 + inner(x))
            + 0.5 * x * (1 - inner(x) ** 2) * scale * (1 + 3 * 0.044715 * x * x)
        ),
    )


def activation(layer: TracedLayer, at: Place) -> Worked:
    """The function of the one number at the same place."""
    x = float(layer.x[at])
    function = _of(layer.node.op, layer, at)
    result, slope = function.value(x), function.slope(x)
    to_input = np.zeros(layer.x.shape)
    to_input[at] = slope
    gradients = [Gradient("x0", (), to_input, "by x", plain(np.array(slope)))]
    if layer.node.op.kind == "prelu":
        by_slope = np.array(min(x, 0.0))
        index = _slope_place(layer, at)
        gradients.append(Gradient("weight", index, by_slope, "by the slope", plain(by_slope)))
    line = f"x = {number(x)}: y = {number(result)}"
    part = WorkPart("", (NumberGrid("x", np.full((1, 1), x)),))
    return Worked(function.formula, (part,), (line,), result, (), tuple(gradients))


def added(layer: TracedLayer, at: Place) -> Worked:
    """The sum of the numbers at the same place of all inputs."""
    terms, gradients = [], []
    for i, x in enumerate(layer.xs):
        place = _broadcast(at, x.shape)
        value = layer.node.inputs[i]
        terms.append(Term(value.name, float(x[place])))
        to_input = np.zeros(x.shape)
        to_input[place] = 1
        title = f"by `{value.name}`"
        gradients.append(Gradient(f"x{i}", (), to_input, title, plain(np.ones(()))))
    result = sum(term.value for term in terms)
    line = total([term.value for term in terms], result)
    names = " + ".join(f"`{term.name}`" for term in terms).replace(f"+ {MINUS}", MINUS)
    return Worked(names, (), (line,), result, tuple(terms), tuple(gradients))


def _broadcast(at: Place, shape: tuple[int, ...]) -> Place:
    """The place in an input whose axes of size 1 are repeated, and whose first may be missing."""
    own = at[len(at) - len(shape) :]
    return tuple(min(i, size - 1) for i, size in zip(own, shape, strict=True))
