"""Patterns of norms that are written as arithmetic."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from netdsl.importers.patterns.formulas import number, replacement, with_number

if TYPE_CHECKING:
    from netdsl.importers.onnx.foreign import Foreign, ForeignNode

NORMS = ("LayerNormalization", "RMSNormalization")


def layer_norm(graph: Foreign, node: ForeignNode) -> ForeignNode | None:
    """`(x - mean(x)) / sqrt(mean((x - mean(x))^2) + eps)`, without scale and shift."""
    parts = _quotient(graph, node)
    if parts is None:
        return None
    top, square, axes, eps = parts
    minus = graph.made_by(top, "Sub")
    mean = graph.above(minus, 1, "ReduceMean")
    if minus is None or mean is None or mean.input(0) != minus.input(0):
        return None
    centred = {top}
    other = graph.made_by(square, "Sub")
    if other is not None and other.inputs == minus.inputs:
        centred.add(square)
    if square not in centred or _axes(graph, mean) != axes:
        return None
    return _norm(graph, node, "LayerNormalization", minus.input(0), axes, eps)


def rms_norm(graph: Foreign, node: ForeignNode) -> ForeignNode | None:
    """`x / sqrt(mean(x^2) + eps)`, without a scale."""
    parts = _quotient(graph, node)
    if parts is None or parts[0] != parts[1]:
        return None
    return _norm(graph, node, "RMSNormalization", parts[0], parts[2], parts[3])


def _quotient(graph: Foreign, node: ForeignNode) -> tuple[str, str, tuple[int, ...], float] | None:
    """A value divided by `sqrt(mean(y^2) + eps)`: the value, y, the axes, and eps."""
    if node.kind == "Div":
        return _rooted(graph, node.inputs[0], graph.made_by(node.inputs[1], "Sqrt"))
    for top, bottom in (node.inputs, node.inputs[::-1]):
        inverse = graph.made_by(bottom, "Reciprocal")
        root = graph.above(inverse, 0, "Sqrt")
        if root is not None:
            return _rooted(graph, top, root)
        power = with_number(graph, graph.producers.get(bottom), "Pow")
        if power is not None and power[1] == -0.5:
            return _rooted(graph, top, graph.producers[bottom])
        divided = graph.made_by(bottom, "Div")
        if divided is not None and number(graph, divided.input(0)) == 1:
            return _rooted(graph, top, graph.above(divided, 1, "Sqrt"))
    return None


def _rooted(
    graph: Foreign, top: str, root: ForeignNode | None
) -> tuple[str, str, tuple[int, ...], float] | None:
    if root is None:
        return None
    plus = with_number(graph, graph.producers.get(root.input(0)), "Add")
    if plus is None:
        return None
    mean = graph.made_by(plus[0], "ReduceMean")
    square = graph.above(mean, 0, "Pow", "Square")
    if mean is None or square is None:
        return None
    power = with_number(graph, square, "Pow")
    axes = _axes(graph, mean)
    if not axes or (square.kind == "Pow" and (power is None or power[1] != 2)):
        return None
    return top, square.input(0), axes, plus[1]


def _axes(graph: Foreign, mean: ForeignNode) -> tuple[int, ...]:
    """The axes of a mean, counted from the front; none if they are not the last ones."""
    shape = graph.shape(mean.input(0))
    given = mean.attributes.get("axes")
    if given is None and mean.input(1):
        array = graph.numbers(mean.input(1))
        if array is not None:
            given = tuple(int(i) for i in array.reshape(-1))
    if shape is None or not isinstance(given, tuple):
        return ()
    axes = tuple(sorted(int(axis) % len(shape) for axis in given))
    if axes[0] == 0 or axes != tuple(range(axes[0], len(shape))):
        return ()
    return axes


def _norm(
    graph: Foreign, node: ForeignNode, kind: str, x: str, axes: tuple[int, ...], eps: float
) -> ForeignNode | None:
    if graph.shape(x) is None:
        return None
    return replacement(node, kind, x, axis=axes[0], epsilon=eps)


def scaled_norm(graph: Foreign, node: ForeignNode) -> ForeignNode | None:
    """A norm without a scale, times a stored scale; or one without a shift, plus a stored shift."""
    for i in (0, 1):
        norm = graph.made_by(node.inputs[i], *NORMS)
        stored = graph.stored.get(node.inputs[1 - i])
        if norm is None or stored is None or graph.only_user(norm.output) is not node:
            continue
        shape, axis = graph.shape(norm.input(0)), norm.attributes.get("axis", -1)
        if shape is None or not isinstance(axis, int) or stored.shape != shape[axis:]:
            continue
        made = replacement(node, norm.kind, *norm.inputs, node.inputs[1 - i], **norm.attributes)
        made.scope = norm.scope
        if node.kind == "Mul" and len(norm.inputs) == 1:
            return made
        if node.kind == "Add" and len(norm.inputs) == 2 and norm.kind == "LayerNormalization":
            return made
    return None


def local_norm(graph: Foreign, node: ForeignNode) -> ForeignNode | None:
    """`x / (k + alpha mean(x^2))^beta`, where the mean is over `n` channels around each."""
    power = with_number(graph, graph.producers.get(node.input(1)), "Pow")
    if power is None:
        return None
    plus = with_number(graph, graph.producers.get(power[0]), "Add")
    if plus is None:
        return None
    scaled = with_number(graph, graph.producers.get(plus[0]), "Mul")
    if scaled is None:
        return None
    value, size = scaled[0], 0
    for _ in range(8):
        maker = graph.producers.get(value)
        if maker is None:
            return None
        if maker.kind == "AveragePool":
            window = maker.attributes.get("kernel_shape")
            if not isinstance(window, tuple) or prod(window) != max(window):
                return None
            size = max(window)
        elif maker.kind == "Square" and maker.input(0) == node.input(0) and size:
            args = {"size": size, "alpha": scaled[1], "beta": power[1], "bias": plus[1]}
            return replacement(node, "LRN", node.input(0), **args)
        elif maker.kind not in ("Reshape", "Pad", "Squeeze", "Unsqueeze", "Transpose", "Identity"):
            return None
        value = maker.input(0)
    return None
