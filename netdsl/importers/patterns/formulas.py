"""Patterns of activations and of other formulas of one value."""

from __future__ import annotations

from math import pi, prod, sqrt
from typing import TYPE_CHECKING

from netdsl.importers.onnx.foreign import ForeignNode

if TYPE_CHECKING:
    from netdsl.importers.onnx.foreign import Foreign

CLOSE = 1e-3  # relative difference of constants that exporters round
CUBE = 0.044715  # of the approximate GELU


def number(graph: Foreign, value: str) -> float | None:
    """The number of a stored tensor with one element."""
    stored = graph.stored.get(value)
    if stored is None or prod(stored.shape) != 1:
        return None
    return float(stored.read().reshape(-1)[0])


def near(value: float | None, wanted: float) -> bool:
    """Whether a constant is a wanted one, as far as exporters are exact."""
    return value is not None and abs(value - wanted) <= CLOSE * abs(wanted)


def with_number(graph: Foreign, node: ForeignNode | None, kind: str) -> tuple[str, float] | None:
    """The value and the number of a node that combines these, such as `x + 1`."""
    if node is None or node.kind != kind or len(node.inputs) != 2:
        return None
    for i in (1, 0):
        constant = number(graph, node.inputs[i])
        if constant is not None and (i == 1 or kind in ("Add", "Mul")):
            return node.inputs[1 - i], constant
    return None


def factors(graph: Foreign, value: str) -> tuple[float, list[str]]:
    """A product as a constant and its other factors; a value that is no product is a factor."""
    node = graph.made_by(value, "Mul", "Div")
    if node is None:
        return 1.0, [value]
    constant = 1.0
    found: list[str] = []
    for i, name in enumerate(node.inputs):
        own = number(graph, name)
        is_divisor = node.kind == "Div" and i == 1
        if own is not None and own != 0:
            constant *= own ** (1 - 2 * is_divisor)
        elif is_divisor:
            return 1.0, [value]
        elif graph.only_user(name) is node and graph.made_by(name, "Mul", "Div"):
            inner, others = factors(graph, name)
            constant *= inner
            found += others
        else:
            found.append(name)
    return constant, found


def product(graph: Foreign, node: ForeignNode) -> tuple[float, str, ForeignNode] | None:
    """A product of a number, a value x, and one factor that is computed from others.

    The result is the number, x, and the node that makes the other factor.
    """
    constant, found = factors(graph, node.output)
    if len(found) != 2:
        return None
    for x, other in (found, found[::-1]):
        maker = graph.producers.get(other)
        if maker is not None and x in _above(graph, maker):
            return constant, x, maker
    return None


def _above(graph: Foreign, node: ForeignNode, depth: int = 8) -> set[str]:
    """The values from which a node follows, a few steps up."""
    found = set(node.inputs)
    if depth:
        for name in node.inputs:
            maker = graph.producers.get(name)
            if maker is not None and maker.kind not in ("Conv", "Gemm", "MatMul"):
                found |= _above(graph, maker, depth - 1)
    return found


def replacement(node: ForeignNode, kind: str, *inputs: str, **attributes: object) -> ForeignNode:
    """A node in place of another one, with the same output."""
    return ForeignNode(kind, node.name, list(inputs), [node.output], attributes, node.scope)


def _gated(graph: Foreign, node: ForeignNode, kind: str) -> tuple[str, ForeignNode] | None:
    """The x and the function f of `x / 2 (1 + f(...))`."""
    parts = product(graph, node)
    if parts is None or not near(parts[0], 0.5):
        return None
    _, x, other = parts
    plus = with_number(graph, other, "Add")
    if plus is None or plus[1] != 1:
        return None
    function = graph.made_by(plus[0], kind)
    if function is None:
        return None
    return x, function


def gelu_erf(graph: Foreign, node: ForeignNode) -> ForeignNode | None:
    """`x / 2 (1 + erf(x / sqrt(2)))`."""
    found = _gated(graph, node, "Erf")
    if found is None:
        return None
    x, erf = found
    scale, inside = factors(graph, erf.input(0))
    if not near(scale, 1 / sqrt(2)) or inside != [x]:
        return None
    return replacement(node, "Gelu", x)


def gelu_tanh(graph: Foreign, node: ForeignNode) -> ForeignNode | None:
    """`x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`."""
    found = _gated(graph, node, "Tanh")
    if found is None:
        return None
    x, tanh = found
    scale, inside = factors(graph, tanh.input(0))
    total = graph.made_by(inside[0], "Add")
    if total is None or len(inside) > 1 or not near(scale, sqrt(2 / pi)) or x not in total.inputs:
        return None
    rest = [name for name in total.inputs if name != x]
    if len(rest) != 1:
        return None
    share, powers = factors(graph, rest[0])
    if near(share, CUBE) and _is_cube(graph, powers, x):
        return replacement(node, "Gelu", x, approximate="tanh")
    return None


def _is_cube(graph: Foreign, powers: list[str], x: str) -> bool:
    if len(powers) == 1:
        power = with_number(graph, graph.producers.get(powers[0]), "Pow")
        return power == (x, 3)
    flat = []
    for name in powers:
        inner = graph.made_by(name, "Square")
        flat += [name]
        if inner is not None:
            flat[-1:] = [inner.input(0)] * 2
    return flat == [x] * 3


def silu(graph: Foreign, node: ForeignNode) -> ForeignNode | None:
    """`x sigmoid(x)`."""
    parts = product(graph, node)
    if (
        parts is None
        or parts[0] != 1
        or parts[2].kind != "Sigmoid"
        or parts[2].inputs != [parts[1]]
    ):
        return None
    return replacement(node, "Silu", parts[1])


def mish(graph: Foreign, node: ForeignNode) -> ForeignNode | None:
    """`x tanh(softplus(x))`."""
    parts = product(graph, node)
    if parts is None or parts[0] != 1 or parts[2].kind != "Tanh":
        return None
    inner = graph.made_by(parts[2].input(0), "Softplus")
    if inner is None or inner.inputs != [parts[1]]:
        return None
    return replacement(node, "Mish", parts[1])


def softplus(graph: Foreign, node: ForeignNode) -> ForeignNode | None:
    """`log(exp(x) + 1)`."""
    plus = with_number(graph, graph.producers.get(node.input(0)), "Add")
    if plus is None or plus[1] != 1:
        return None
    inner = graph.made_by(plus[0], "Exp")
    return inner and replacement(node, "Softplus", inner.input(0))


def hard_sigmoid(graph: Foreign, node: ForeignNode) -> ForeignNode | None:
    """`clip(x + 3, 0, 6) / 6`."""
    constant, found = factors(graph, node.output)
    if len(found) != 1 or not near(constant, 1 / 6):
        return None
    x = _ramp(graph, graph.producers.get(found[0]))
    if x is None or graph.only_user(found[0]) is None:
        return None
    user = graph.only_user(node.output)
    if user is not None and user.kind == "Mul" and x in user.inputs:
        return None  # a hard swish
    return replacement(node, "HardSigmoid", x, alpha=1 / 6, beta=0.5)


def hard_swish(graph: Foreign, node: ForeignNode) -> ForeignNode | None:
    """`x clip(x + 3, 0, 6) / 6`."""
    parts = product(graph, node)
    if parts is None:
        return None
    constant, x, other = parts
    if other.kind == "HardSigmoid" and constant == 1 and other.inputs == [x]:
        alpha, beta = other.attributes.get("alpha", 0.2), other.attributes.get("beta", 0.5)
        if isinstance(alpha, float) and near(alpha, 1 / 6) and beta == 0.5:
            return replacement(node, "HardSwish", x)
        return None
    if near(constant, 1 / 6) and _ramp(graph, other) == x:
        return replacement(node, "HardSwish", x)
    return None


def _ramp(graph: Foreign, node: ForeignNode | None) -> str | None:
    """The x of `clip(x + 3, 0, 6)`."""
    if node is None or node.kind != "Clip":
        return None
    bounds = [node.attributes.get("min"), node.attributes.get("max")]
    for i in (1, 2):
        if node.input(i):
            bounds[i - 1] = number(graph, node.input(i))
    plus = with_number(graph, graph.producers.get(node.input(0)), "Add")
    if bounds != [0, 6] or plus is None or plus[1] != 3:
        return None
    return plus[0]


def square(graph: Foreign, node: ForeignNode) -> ForeignNode | None:
    """`x x`."""
    if node.inputs[0] in graph.stored:
        return None
    if len(node.inputs) == 2 and node.inputs[0] == node.inputs[1]:
        return replacement(node, "Square", node.inputs[0])
    return None


def dense_bias(graph: Foreign, node: ForeignNode) -> ForeignNode | None:
    """A product with a stored matrix, and the addition of a stored vector."""
    for i in (0, 1):
        matmul = graph.made_by(node.inputs[i], "MatMul")
        bias = graph.stored.get(node.inputs[1 - i])
        matrix = graph.stored.get(matmul.input(1)) if matmul is not None else None
        if matmul is None or bias is None or matrix is None or len(matrix.shape) != 2:
            continue
        long = [length for length in bias.shape if length > 1]
        if long not in ([], [matrix.shape[1]]) or graph.only_user(matmul.output) is not node:
            continue
        if long and bias.shape[-1] != matrix.shape[1]:
            continue
        made = replacement(node, "Dense", *matmul.inputs, node.inputs[1 - i])
        made.scope = matmul.scope or node.scope
        return made
    return None


def constant_factor(graph: Foreign, node: ForeignNode) -> ForeignNode | None:
    """A product with several constants, which become one."""
    constant, found = factors(graph, node.output)
    if len(found) != 1 or found[0] in node.inputs:
        return None
    return replacement(node, "Scale", found[0], factor=constant)
