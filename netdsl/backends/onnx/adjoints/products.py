"""The gradients of matrix products, of sums over axes, and of softmax."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from netdsl.backends.onnx.adjoints.base import of_one

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.backends.onnx.adjoints.base import Adjoint, Made, Rule, Thunk


def _gemm(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    a, b, *_ = node.x
    across, turned = node.get("transA", 0), node.get("transB", 0)
    alpha = float(node.get("alpha", 1.0))

    def of_first() -> str:
        if across:
            return g.op("Gemm", b, dy, transA=turned, transB=1, alpha=alpha)
        return g.op("Gemm", dy, b, transB=1 - turned, alpha=alpha)

    def of_second() -> str:
        if turned:
            return g.op("Gemm", dy, a, transA=1, transB=across, alpha=alpha)
        return g.op("Gemm", a, dy, transA=1 - across, alpha=alpha)

    def of_third() -> str:
        beta = float(node.get("beta", 1.0))
        return dy if beta == 1 else g.op("Mul", dy, g.floats(beta))

    return (of_first, of_second, of_third)


def _swapped(g: Adjoint, x: str) -> str:
    """A value with its last two axes swapped."""
    axes = list(range(len(g.shape(x))))
    axes[-2:] = axes[:-3:-1]
    return g.op("Transpose", x, perm=axes)


def _matmul(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    a, b = node.x

    def of_second() -> str:
        if len(g.shape(b)) > 2 or len(g.shape(a)) == 2:
            return g.op("MatMul", _swapped(g, a), dy)
        rows, columns = g.shape(b)
        flat = g.op("Reshape", a, g.ints([-1, rows])), g.op("Reshape", dy, g.ints([-1, columns]))
        return g.op("Gemm", *flat, transA=1)

    return (lambda: g.op("MatMul", dy, _swapped(g, b)), of_second)


# ---- sums over axes


def _axes(g: Adjoint, node: Made) -> list[int]:
    """The axes that a node reduces."""
    rank = len(g.shape(node.x[0]))
    given = g.known(node.x[1]) if len(node.x) > 1 and node.x[1] else None
    if given is None or not given.values:
        return list(range(rank))
    return [axis % rank for axis in given.ints()]


def _kept(g: Adjoint, node: Made, value: str) -> str:
    """A value of the shape of the result, with axes of size 1 where the node has reduced."""
    if node.get("keepdims", 1):
        return value
    axes = _axes(g, node)
    shape = [1 if i in axes else d for i, d in enumerate(g.shape(node.x[0]))]
    return g.op("Reshape", value, g.ints(shape))


def _spread(g: Adjoint, node: Made, value: str) -> str:
    """A value of the shape of the result, repeated to the shape of the input."""
    return g.op("Expand", _kept(g, node, value), g.ints(g.shape(node.x[0])))


def _reduce_sum(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    return (lambda: _spread(g, node, dy),)


def _reduce_mean(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    shape = g.shape(node.x[0])
    count = prod(shape[axis] for axis in _axes(g, node))
    return (lambda: _spread(g, node, g.op("Mul", dy, g.floats(1 / count))),)


def _reduce_extreme(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    """The gradient goes to the element that is the result; equal elements share it."""

    def of_input() -> str:
        x, one, zero = node.x[0], g.floats(1.0), g.floats(0.0)
        chosen = g.op("Where", g.op("Equal", x, _kept(g, node, node.y[0])), one, zero)
        count = g.op("ReduceSum", chosen, g.ints(_axes(g, node)), keepdims=1)
        return g.op("Mul", chosen, g.op("Div", _kept(g, node, dy), count))

    return (of_input,)


def _reduce_l2(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    def of_input() -> str:
        ratio = safe_ratio(g, dy, node.y[0])
        return g.op("Mul", node.x[0], _kept(g, node, ratio))

    return (of_input,)


def safe_ratio(g: Adjoint, dy: str, norm: str) -> str:
    """A gradient divided by a norm; 0 where the norm is 0, as in PyTorch."""
    is_zero = g.op("Equal", norm, g.floats(0.0))
    divisor = g.op("Where", is_zero, g.floats(1.0), norm)
    return g.op("Where", is_zero, g.floats(0.0), g.op("Div", dy, divisor))


def _softmax(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    def of_input() -> str:
        [y], axis = node.y, g.ints([node.get("axis", -1)])
        total = g.op("ReduceSum", g.op("Mul", dy, y), axis, keepdims=1)
        return g.op("Mul", y, g.op("Sub", dy, total))

    return (of_input,)


def _log_softmax(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    def of_input() -> str:
        total = g.op("ReduceSum", dy, g.ints([node.get("axis", -1)]), keepdims=1)
        return g.op("Sub", dy, g.op("Mul", g.op("Exp", node.y[0]), total))

    return (of_input,)


RULES: dict[str, Rule] = {
    "Gemm": of_one(_gemm),
    "LogSoftmax": of_one(_log_softmax),
    "MatMul": of_one(_matmul),
    "ReduceL2": of_one(_reduce_l2),
    "ReduceMax": of_one(_reduce_extreme),
    "ReduceMean": of_one(_reduce_mean),
    "ReduceMin": of_one(_reduce_extreme),
    "ReduceSum": of_one(_reduce_sum),
    "Softmax": of_one(_softmax),
}
