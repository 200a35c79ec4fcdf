"""The gradients of operators that act on each element."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import pi, sqrt
from typing import TYPE_CHECKING

from netdsl.backends.onnx.adjoints.base import of_one
from netdsl.backends.onnx.elements import FLOAT

if TYPE_CHECKING:
    from netdsl.backends.onnx.adjoints.base import Adjoint, Made, Rule, Thunk

SELU_ALPHA, SELU_GAMMA = 1.6732632423543772, 1.0507009873554805  # as PyTorch and ONNX have them
Slope = Callable[["Adjoint", "Made", str], str]  # gives the gradient of the input


def _scaled(g: Adjoint, dy: str, factor: float) -> str:
    return g.op("Mul", dy, g.floats(factor))


def _where_positive(g: Adjoint, x: str, dy: str, otherwise: str) -> str:
    return g.op("Where", g.op("Greater", x, g.floats(0.0)), dy, otherwise)


def _abs(g: Adjoint, node: Made, dy: str) -> str:
    return g.op("Mul", dy, g.op("Sign", node.x[0]))


def _cos(g: Adjoint, node: Made, dy: str) -> str:
    return g.op("Neg", g.op("Mul", dy, g.op("Sin", node.x[0])))


def _sin(g: Adjoint, node: Made, dy: str) -> str:
    return g.op("Mul", dy, g.op("Cos", node.x[0]))


def _elu(g: Adjoint, node: Made, dy: str) -> str:
    below = g.op("Mul", dy, g.op("Add", node.y[0], g.floats(float(node.get("alpha", 1.0)))))
    return _where_positive(g, node.x[0], dy, below)


def _selu(g: Adjoint, node: Made, dy: str) -> str:
    below = g.op("Mul", dy, g.op("Add", node.y[0], g.floats(SELU_ALPHA * SELU_GAMMA)))
    return _where_positive(g, node.x[0], _scaled(g, dy, SELU_GAMMA), below)


def _leaky_relu(g: Adjoint, node: Made, dy: str) -> str:
    below = _scaled(g, dy, float(node.get("alpha", 0.01)))
    return _where_positive(g, node.x[0], dy, below)


def _relu(g: Adjoint, node: Made, dy: str) -> str:
    [y], zero = node.y, g.floats(0.0)
    if g.has_poles:  # a product of infinity and 0 would not be a number
        return _where_positive(g, y, dy, zero)
    return g.op("Mul", dy, g.op("Cast", g.op("Greater", y, zero), to=FLOAT))


def _erf(g: Adjoint, node: Made, dy: str) -> str:
    power = g.op("Exp", g.op("Neg", g.op("Mul", node.x[0], node.x[0])))
    return g.op("Mul", dy, _scaled(g, power, 2 / sqrt(pi)))


def _exp(g: Adjoint, node: Made, dy: str) -> str:
    return g.op("Mul", dy, node.y[0])


def _log(g: Adjoint, node: Made, dy: str) -> str:
    return g.op("Div", dy, node.x[0])


def _sqrt(g: Adjoint, node: Made, dy: str) -> str:
    return g.op("Div", _scaled(g, dy, 0.5), node.y[0])


def _reciprocal(g: Adjoint, node: Made, dy: str) -> str:
    return g.op("Neg", g.op("Mul", dy, g.op("Mul", node.y[0], node.y[0])))


def _sigmoid(g: Adjoint, node: Made, dy: str) -> str:
    [y] = node.y
    return g.op("Mul", dy, g.op("Mul", y, g.op("Sub", g.floats(1.0), y)))


def _tanh(g: Adjoint, node: Made, dy: str) -> str:
    [y] = node.y
    return g.op("Mul", dy, g.op("Sub", g.floats(1.0), g.op("Mul", y, y)))


def _softplus(g: Adjoint, node: Made, dy: str) -> str:
    return g.op("Mul", dy, g.op("Sigmoid", node.x[0]))


def _mish(g: Adjoint, node: Made, dy: str) -> str:
    [x] = node.x
    t = g.op("Tanh", g.op("Softplus", x))
    bent = g.op("Sub", g.floats(1.0), g.op("Mul", t, t))
    curve = g.op("Mul", g.op("Mul", x, g.op("Sigmoid", x)), bent)
    return g.op("Mul", dy, g.op("Add", t, curve))


def _inside(g: Adjoint, x: str, low: float | str, high: float | str) -> str:
    """Which elements lie between two numbers."""
    low, high = (g.floats(v) if isinstance(v, float) else v for v in (low, high))
    return g.op("And", g.op("Greater", x, low), g.op("Less", x, high))


def _hard_sigmoid(g: Adjoint, node: Made, dy: str) -> str:
    slope = _scaled(g, dy, float(node.get("alpha", 0.2)))
    return g.op("Where", _inside(g, node.y[0], 0.0, 1.0), slope, g.floats(0.0))


def _hard_swish(g: Adjoint, node: Made, dy: str) -> str:
    [x] = node.x
    gate = g.op("HardSigmoid", x, alpha=1 / 6, beta=0.5)
    slope = g.op("Where", _inside(g, x, -3.0, 3.0), _scaled(g, x, 1 / 6), g.floats(0.0))
    return g.op("Mul", dy, g.op("Add", gate, slope))


def _clip(g: Adjoint, node: Made, dy: str) -> str:
    x, *limits = node.x
    low, high = [*limits, "", ""][:2]
    kept = dy
    if low:
        kept = g.op("Where", g.op("Greater", x, low), kept, g.floats(0.0))
    if high:
        kept = g.op("Where", g.op("Less", x, high), kept, g.floats(0.0))
    return kept


def _itself(_g: Adjoint, _node: Made, dy: str) -> str:
    return dy


def _neg(g: Adjoint, _node: Made, dy: str) -> str:
    return g.op("Neg", dy)


SLOPES: dict[str, Slope] = {
    "Abs": _abs,
    "Clip": _clip,
    "Cos": _cos,
    "Elu": _elu,
    "Erf": _erf,
    "Exp": _exp,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish,
    "Identity": _itself,
    "LeakyRelu": _leaky_relu,
    "Log": _log,
    "Mish": _mish,
    "Neg": _neg,
    "Reciprocal": _reciprocal,
    "Relu": _relu,
    "Selu": _selu,
    "Sigmoid": _sigmoid,
    "Sin": _sin,
    "Softplus": _softplus,
    "Sqrt": _sqrt,
    "Tanh": _tanh,
}


def _by_slope(slope: Slope) -> Rule:
    """The rule for an operator with one input, or of whose inputs only the first has a gradient."""
    return of_one(lambda g, node, dy: (lambda: slope(g, node, dy),))


# ---- of several inputs, which are broadcast


def _add(_g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    return [lambda: dy for _ in node.x]


def _sub(g: Adjoint, _node: Made, dy: str) -> Sequence[Thunk]:
    return (lambda: dy, lambda: g.op("Neg", dy))


def _mul(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    a, b = node.x
    return (lambda: g.op("Mul", dy, b), lambda: g.op("Mul", dy, a))


def _div(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    b = node.x[1]

    def of_divisor() -> str:
        return g.op("Neg", g.op("Div", g.op("Mul", dy, node.y[0]), b))

    return (lambda: g.op("Div", dy, b), of_divisor)


def _pow(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    x, e = node.x

    def of_base() -> str:
        slope = g.op("Mul", e, g.op("Pow", x, g.op("Sub", e, g.floats(1.0))))
        return g.op("Mul", dy, slope)

    def of_exponent() -> str:
        zero, one = g.floats(0.0), g.floats(1.0)
        is_positive = g.op("Greater", x, zero)
        log = g.op("Log", g.op("Where", is_positive, x, one))
        return g.op("Mul", dy, g.op("Mul", node.y[0], log))

    return (of_base, of_exponent)


def _extreme(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    """The gradient goes to the input that is the result; equal inputs share it."""
    [y] = node.y
    if len(node.x) == 1:
        return (lambda: dy,)
    one, zero = g.floats(1.0), g.floats(0.0)
    chosen = [g.op("Where", g.op("Equal", x, y), one, zero) for x in node.x]
    share = g.op("Div", dy, g.op("Sum", *chosen))
    return [partial(g.op, "Mul", share, own) for own in chosen]


def _where(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk | None]:
    chosen, zero = node.x[0], g.floats(0.0)
    return (
        None,
        lambda: g.op("Where", chosen, dy, zero),
        lambda: g.op("Where", chosen, zero, dy),
    )


def _prelu(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    x, slope = node.x
    zero = g.floats(0.0)

    def of_slope() -> str:
        return g.op("Mul", dy, g.op("Min", x, zero))

    return (lambda: _where_positive(g, x, dy, g.op("Mul", dy, slope)), of_slope)


RULES: dict[str, Rule] = {
    **{operator: _by_slope(slope) for operator, slope in SLOPES.items()},
    "Add": of_one(_add),
    "Div": of_one(_div),
    "Max": of_one(_extreme),
    "Min": of_one(_extreme),
    "Mul": of_one(_mul),
    "PRelu": of_one(_prelu),
    "Pow": of_one(_pow),
    "Sub": of_one(_sub),
    "Sum": of_one(_add),
    "Where": of_one(_where),
}
