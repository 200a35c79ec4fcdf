"""What the rules for operators share: reading attributes and operands, and refusing a node."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from netdsl.importers.flat import FlatLayer
from netdsl.source import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from netdsl.importers.onnx.foreign import Foreign, ForeignNode, Shape, StoredTensor

    # Gives the layers that replace a node. A text is a value that its output is equal to.
    Rule = Callable[[ForeignNode, Foreign], list[FlatLayer] | str]

FLOAT_DIGITS = 7  # of a float32 number


class Refusal(Exception):
    """A node cannot be written in the language; the text is why."""


def require(condition: object, fact: str) -> None:
    """Refuse the node unless the condition is true."""
    if not condition:
        raise Refusal(fact)


def integer(node: ForeignNode, name: str, default: int) -> int:
    """An attribute that is an integer."""
    value = node.attributes.get(name, default)
    if not isinstance(value, int):
        raise Refusal(f"its attribute `{name}` is not an integer")
    return value


def number(node: ForeignNode, name: str, default: float) -> float:
    """An attribute that is a number, as its author wrote it."""
    value = node.attributes.get(name, default)
    if not isinstance(value, (int, float)):
        raise Refusal(f"its attribute `{name}` is not a number")
    return short(float(value))


def text(node: ForeignNode, name: str, default: str) -> str:
    """An attribute that is a text."""
    value = node.attributes.get(name, default)
    if not isinstance(value, str):
        raise Refusal(f"its attribute `{name}` is not a text")
    return value


def integers(node: ForeignNode, name: str) -> tuple[int, ...] | None:
    """An attribute that is a list of integers, or None if it is missing."""
    value = node.attributes.get(name)
    if value is None:
        return None
    if isinstance(value, tuple) and all(isinstance(i, int) for i in value):
        return value
    raise Refusal(f"its attribute `{name}` is not a list of integers")


def operand(node: ForeignNode, graph: Foreign, index: int, name: str) -> tuple[int, ...] | None:
    """Integers that old versions have as an attribute, and new ones as a constant input."""
    if name in node.attributes:
        value = node.attributes[name]
        if isinstance(value, int):
            return (value,)
        return integers(node, name)
    if not node.input(index):
        return None
    array = graph.numbers(node.input(index))
    if array is None:
        raise Refusal(f"its `{name}` depends on an input")
    return tuple(int(i) for i in array.reshape(-1))


def constant(node: ForeignNode, graph: Foreign, index: int, name: str) -> float | None:
    """A number that old versions have as an attribute, and new ones as a constant input."""
    if name in node.attributes:
        return number(node, name, 0)
    if not node.input(index):
        return None
    array = graph.numbers(node.input(index))
    if array is None or array.size != 1:
        raise Refusal(f"its `{name}` is not one constant number")
    return short(float(array.reshape(-1)[0]))


def weight(node: ForeignNode, graph: Foreign, index: int, name: str) -> StoredTensor:
    """A tensor that the model stores; raises `Refusal` if the model computes it."""
    stored = graph.stored.get(node.input(index))
    if stored is None:
        raise Refusal(f"its {name} is not a constant, because the model computes it")
    return stored


def shape_of(graph: Foreign, value: str) -> Shape:
    """The shape of a value with its batch; raises `Refusal` if it is not known."""
    shape = graph.shape(value)
    if shape is None:
        raise Refusal(f"the shape of `{printable(value)}` cannot be inferred")
    return shape


def batch_of(graph: Foreign) -> int:
    """The number of samples: axis 0 of the first input."""
    return shape_of(graph, graph.inputs[0])[0]


def axis_of(rank: int, axis: int) -> int:
    """An axis counted from the front, where the batch is 0; raises `Refusal` for the batch."""
    axis = axis + rank if axis < 0 else axis
    if axis == 0:
        raise Refusal("it works along the batch")
    if not 0 < axis < rank:
        raise Refusal(f"its axis is {axis}, and its input has {rank} axes")
    return axis


def short(value: float) -> float:
    """The shortest number that is the same in float32: 1e-05 for 9.999999747378752e-06."""
    return float(f"{value:.{FLOAT_DIGITS}g}")


def brief(sizes: Sequence[int]) -> int | tuple[int, ...]:
    """One number if all sizes are equal."""
    if len(set(sizes)) == 1:
        return sizes[0]
    return tuple(sizes)


def single(node: ForeignNode, kind: str, /, **args: object) -> list[FlatLayer]:
    """The one layer of a node with one input."""
    return [FlatLayer(kind, node.output, [node.input(0)], node, args)]


def size_of(shape: Shape) -> int:
    """The number of elements of one sample."""
    return prod(shape[1:])
