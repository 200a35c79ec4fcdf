"""Warnings about layers whose result is the same for every input.

The bounds of values are followed through the net: after a `sigmoid`, `(-@)` is never positive, so a
`relu` of it is always 0.
"""

from __future__ import annotations

from itertools import product
from math import inf, prod
from typing import TYPE_CHECKING, NamedTuple

from netdsl.diagnostics import Diagnostic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netdsl.ir.graph import Graph, Node

Bounds = tuple[float, float]
ANY: Bounds = (-inf, inf)
OTHER_VALUE = "refer to an earlier value, which has a label of its own"

# The bounds of a result, whatever the input is.
BOUNDS: dict[str, Bounds] = {
    **dict.fromkeys(("relu", "softplus", "exp", "abs", "square", "reduce_norm"), (0, inf)),
    **dict.fromkeys(("sqrt", "l2pool"), (0, inf)),
    **dict.fromkeys(("sigmoid", "hard_sigmoid", "softmax"), (0, 1)),
    **dict.fromkeys(("tanh", "sign", "sin", "cos", "erf"), (-1, 1)),
    "relu6": (0, 6),
    "log_softmax": (-inf, 0),
}
# Layers whose result has only numbers between those of the input.
BETWEEN = {
    *("reshape", "permute", "flatten", "tokens", "roll", "slice", "split", "select"),
    *("channel_shuffle", "pixel_shuffle", "pixel_unshuffle", "crop"),
    *("gap", "gmp", "maxpool", "adaptive_avgpool", "adaptive_maxpool"),
    *("reduce_mean", "reduce_max", "reduce_min"),
}
# Those whose result has such numbers, zeros, and multiples by positive numbers.
SIGNED = {"avgpool", "sumpool", "reduce_sum", "dropout", "dropout2d", "droppath"}
LOWEST = {"relu": 0, "relu6": 0}  # the results for all numbers that are not positive
# The numbers beside a value that make the result always the same: side, number, result, reason.
_NUMBERS = {
    "*": [("left", 0, "0", "factor is 0"), ("right", 0, "0", "factor is 0")],
    "/": [("left", 0, "0", "numerator is 0")],
    "**": [("left", 1, "1", "base is 1"), ("right", 0, "1", "exponent is 0")],
}
SINGLE = {"softmax": 1, "log_softmax": 0}  # the results for a single score


class Always(NamedTuple):
    """The number that a layer always gives, why, and what to do."""

    result: str
    because: str
    help: str


def constant_results(graph: Graph) -> Iterator[tuple[Node, Diagnostic]]:
    """A warning for each layer whose inputs depend on those of the net, but not its result."""
    known: dict[int, Bounds] = {}
    depends = {id(value) for value in graph.inputs}
    fixed: set[int] = set()  # values that would depend on the input without such layers
    found: list[tuple[Node, Always]] = []
    for node in graph.nodes:
        bounds = _bounds(node, known)
        if bounds != ANY:
            known[id(node.output)] = bounds
        takes = {id(x) for x in node.inputs}
        if node.op.is_source or takes.isdisjoint(depends):
            fixed.update([id(node.output)] * (not takes.isdisjoint(fixed)))
            continue
        constant = _constant(node, known)
        if constant is None or _only_shape(node, graph):
            depends.update(id(value) for value in node.outputs)
        else:
            fixed.add(id(node.output))
            found.append((node, constant))
    for node, constant in found:
        message = f"this `{node.op.kind}` always gives {constant.result}, {constant.because}"
        outputs = [o.name for o in graph.outputs if id(o.value) in fixed]
        if outputs and len(found) == 1:
            message += f"; so the output `{outputs[0]}` does not depend on the input"
        yield node, Diagnostic("constant-result", message, node.span, "warning", help=constant.help)


# ---- results that are always the same


def _constant(node: Node, known: dict[int, Bounds]) -> Always | None:
    """What a layer always gives, if that is certain."""
    kind = node.op.kind
    if kind in _RULES:
        return _RULES[kind](node)
    low, high = known.get(id(node.inputs[0]), ANY)
    if kind in LOWEST and high <= 0:
        because = f"because no number before it is above {high + 0:g}"
        return Always(f"{LOWEST[kind]}", because, "leave it out, or the sign before it")
    if kind == "clamp":
        least, most = _ends(node)
        ends = [least] * (high <= least or least == most) + [most] * (low >= most)
        if ends:
            because = f"because the numbers before it are between {low:g} and {high:g}"
            if least == most:
                because = "because its bounds are equal"
            return Always(f"{ends[0]:g}", because, "write bounds with numbers between them")
    return None


def _only_shape(node: Node, graph: Graph) -> bool:
    """Whether zeros give a sum only their shape: `(@y + 0 * @x)`, and `(0 * @ + 1)`, all ones."""
    if node.op.kind != "*" or 0 not in node.op.given.values():
        return False
    shape, takers = node.type.shape, [n for n in graph.nodes if node.output in n.inputs]
    return bool(takers) and all(
        n.op.kind in ("+", "add") and (len(n.inputs) == 1 or any(t.shape != shape for t in n.types))
        for n in takers
    )


def _ends(node: Node) -> Bounds:
    """The bounds of a `clamp`."""
    least, most = node.op.given["min"], node.op.given["max"]
    return -inf if least is None else least, inf if most is None else most


def _of_scores(node: Node) -> Always | None:
    """`dense(1) -> softmax`."""
    kind, axis = node.op.kind, node.op.given["axis"]
    shape = node.types[0].shape
    if shape[axis - (axis > 0)] != 1:
        return None
    because = "because it is over a single number"
    help_ = "for one score, write `sigmoid`; for two classes, compute two scores"
    if len(shape) > 1:
        help_ = f"give it another axis, as in `{kind}(axis = -1)`"
        if shape[-1] == 1:
            help_ = f"give it another axis, as in `{kind}(axis = 1)`"
    return Always(f"{SINGLE[kind]}", because, help_)


def _of_norm(node: Node) -> Always | None:
    """`dense(1) -> layernorm`, which subtracts from each number its mean, which is itself."""
    op, shape = node.op, node.types[0].shape
    axes = op.given["axis"]
    if isinstance(axes, int):
        axes = (axes,)
    if any(shape[axis - (axis > 0)] != 1 for axis in axes):
        return None
    result = "0"
    if op.given["affine"] and op.given["bias"] is not False:
        result = "its bias"
    return Always(
        result, "because it normalises single numbers", "leave it out, or normalise another axis"
    )


def _of_same(node: Node) -> Always | None:
    """`(@x - @x)` and `(@x / @x)`."""
    if len(node.inputs) != 2 or node.inputs[0] is not node.inputs[1]:
        return None
    return Always(
        f"{int(node.op.kind == '/')}", "because both of its values are the same", OTHER_VALUE
    )


def _with_number(node: Node) -> Always | None:
    """`(@x * 0)`, `(0 / @x)`, `(@x ** 0)` and `(1 ** @x)`."""
    for side, number, result, because in _NUMBERS[node.op.kind]:
        if node.op.given[side] == number:
            return Always(result, f"because its {because}", "write another number")
    return None


_RULES: dict[str, Callable[[Node], Always | None]] = {
    **dict.fromkeys(SINGLE, _of_scores),
    "layernorm": _of_norm,
    **dict.fromkeys(("-", "sub"), _of_same),
    "/": lambda node: _of_same(node) or _with_number(node),
    "*": _with_number,
    "**": _with_number,
}

# ---- bounds


def _bounds(node: Node, known: dict[int, Bounds]) -> Bounds:
    """The least and the largest number that the result of a layer can have."""
    kind = node.op.kind
    if kind in BOUNDS:
        return BOUNDS[kind]
    rule = _OF_KIND.get(kind)
    if rule is not None:
        return rule(node, [known.get(id(x), ANY) for x in node.inputs])
    if not known or not node.inputs:
        return ANY
    low, high = known.get(id(node.inputs[0]), ANY)
    if kind in BETWEEN:
        return low, high
    if kind in SIGNED:
        return 0 if low >= 0 else -inf, 0 if high <= 0 else inf
    return ANY


def _clamped(node: Node, given: list[Bounds]) -> Bounds:
    (low, high), (least, most) = given[0], _ends(node)
    return min(max(low, least), most), min(max(high, least), most)


def _joined(_node: Node, given: list[Bounds]) -> Bounds:
    return min(low for low, _ in given), max(high for _, high in given)


def _added(node: Node, given: list[Bounds]) -> Bounds:
    terms = _operands(node, given)
    return sum(low for low, _ in terms), sum(high for _, high in terms)


def _subtracted(node: Node, given: list[Bounds]) -> Bounds:
    (low, high), *others = _operands(node, given)
    return low - sum(b for _, b in others), high - sum(a for a, _ in others)


def _multiplied(node: Node, given: list[Bounds]) -> Bounds:
    if len(node.inputs) == 2 and node.inputs[0] is node.inputs[1]:
        return 0, inf  # a square
    products = [_product(ends) for ends in product(*_operands(node, given))]
    return min(products), max(products)


def _largest(_node: Node, given: list[Bounds]) -> Bounds:
    return max(low for low, _ in given), max(high for _, high in given)


def _product(factors: tuple[float, ...]) -> float:
    """The product, where 0 times infinity is 0."""
    return 0 if 0 in factors else prod(factors)


def _operands(node: Node, given: list[Bounds]) -> list[Bounds]:
    """The bounds of the values and of the number that an operator takes, in their order."""
    left, right = (node.op.given.get(side) for side in ("left", "right"))
    if left is not None:
        given = [(left, left), *given]
    if right is not None:
        given = [*given, (right, right)]
    return given


_OF_KIND: dict[str, Callable[[Node, list[Bounds]], Bounds]] = {
    "clamp": _clamped,
    "concat": _joined,
    "max": _largest,
    **dict.fromkeys(("+", "add"), _added),
    **dict.fromkeys(("-", "sub"), _subtracted),
    **dict.fromkeys(("*", "mul"), _multiplied),
}
