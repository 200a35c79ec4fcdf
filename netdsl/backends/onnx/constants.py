"""What operators that make shapes compute from constants.

The result is a constant, too, so that the graph has no nodes for sizes. Whatever else depends only
on constants is computed by the program that runs the graph, when it loads it.
"""

from __future__ import annotations

from itertools import product
from math import prod
from operator import mul
from typing import TYPE_CHECKING

from netdsl.backends.onnx.application import Numbers
from netdsl.backends.onnx.elements import FLOAT, INT64

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.backends.onnx.application import Application, TensorKind

MOST = 1 << 12  # numbers of a constant that replaces a node
TYPES = {FLOAT: "float32", INT64: "int64"}
_SAME = ("Reshape", "Squeeze", "Unsqueeze")  # these only change the shape


def computed(node: Application, kind: TensorKind) -> Numbers | None:
    """The result of a node, which has this type and shape; None if it is not computed here."""
    if node.operator == "Shape":
        return Numbers.vector(node.shape[node.get("start", 0) : node.get("end", None)])
    given = [numbers for numbers in node.numbers if numbers is not None]
    if len(given) < len(node.numbers) or kind.element not in TYPES or kind.size > MOST:
        return None
    if node.operator in _SAME:
        values = given[0].values
    elif node.operator == "Expand":
        values = broadcast(given[0], kind.shape)
    elif node.operator == "Concat" and len(kind.shape) == 1:
        values = tuple(value for numbers in given for value in numbers.values)
    else:
        return None
    return Numbers(values, kind.shape, TYPES[kind.element])


def broadcast(numbers: Numbers, shape: Sequence[int]) -> tuple[float, ...]:
    """The numbers, repeated to a larger shape."""
    own = (1,) * (len(shape) - len(numbers.shape)) + numbers.shape
    # The distance of neighbours along each axis; along a repeated axis, it is 0.
    steps = [prod(own[axis + 1 :]) * (size > 1) for axis, size in enumerate(own)]
    places = product(*map(range, shape))
    return tuple(numbers.values[sum(map(mul, steps, place))] for place in places)


def span(start: int, end: int, step: int, size: int) -> slice:
    """A range of an axis in Python: ONNX's bounds mean the same, except that it has no None."""
    return slice(start, None if step < 0 and end < -size else end, step)
