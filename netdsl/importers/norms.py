"""Patterns of norms that are written as arithmetic."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from netdsl.importers.formulas import replacement, with_number

if TYPE_CHECKING:
    from netdsl.importers.foreign import Foreign, Node

NORMS = ("LayerNormalization", "RMSNormalization")


def layer_norm(graph: Foreign, node: Node) -> Node | None:
    """`(x - mean(x)) / sqrt(mean((x - mean(x))^2) + eps)`, without scale and shift."""
    parts = _quotient(graph, node)
    if parts is None:
        return None
    top, square, axes, eps = parts
    minus = graph.made_by(top, "Sub")
    mean = graph.made_by(minus.input(1), "ReduceMean") if minus is not None else None
    if minus is None or mean is None or mean.input(0) != minus.input(0):
        return None
    centred = {top}
    other = graph.made_by(square, "Sub")
    if other is not None and other.inputs == minus.inputs:
        centred.add(square)
    if square not in centred or _axes(graph, mean) != axes:
        return None
    return _norm(graph, node, "LayerNormalization", minus.input(0), axes, eps)


def rms_norm(graph: Foreign, node: Node) -> Node | None:
    """`x / sqrt(mean(x^2) + eps)`, without a scale."""
    parts = _quotient(graph, node)
    if parts is None or parts[0] != parts[1]:
        return None
    return _norm(graph, node, "RMSNormalization", parts[0], parts[2], parts[3])


def _quotient(graph: Foreign, node: Node) -> tuple[str, str, tuple[int, ...], float] | None:
    """A value divided by `sqrt(mean(y^2) + eps)`: the value, y, the axes, and eps."""
    if node.kind == "Div":
        top, root = node.inputs[0], graph.made_by(node.inputs[1], "Sqrt")
        return _rooted(graph, top, root.input(0)) if root is not None else None
    for top, bottom in (node.inputs, node.inputs[::-1]):
        inverse = graph.made_by(bottom, "Reciprocal")
        root = graph.made_by(inverse.input(0), "Sqrt") if inverse is not None else None
        if root is not None:
            return _rooted(graph, top, root.input(0))
        power = with_number(graph, graph.producers.get(bottom), "Pow")
        if power is not None and power[1] == -0.5:
            return _rooted(graph, top, power[0])
        divided = graph.made_by(bottom, "Div")
        root = graph.made_by(divided.input(1), "Sqrt") if divided is not None else None
        if root is not None and divided is not None:
            stored = graph.numbers(divided.input(0))
            if stored is not None and stored.size == 1 and float(stored.reshape(-1)[0]) == 1:
                return _rooted(graph, top, root.input(0))
    return None


def _rooted(
    graph: Foreign, top: str, inside: str
) -> tuple[str, str, tuple[int, ...], float] | None:
    plus = with_number(graph, graph.producers.get(inside), "Add")
    mean = graph.made_by(plus[0], "ReduceMean") if plus is not None else None
    if mean is None or plus is None:
        return None
    square = graph.producers.get(mean.input(0))
    if square is None:
        return None
    power = with_number(graph, square, "Pow")
    base = power[0] if power is not None and power[1] == 2 else ""
    if square.kind == "Square":
        base = square.input(0)
    axes = _axes(graph, mean)
    return (top, base, axes, plus[1]) if base and axes else None


def _axes(graph: Foreign, mean: Node) -> tuple[int, ...]:
    """The axes of a mean, counted from the front; none if they are not the last ones."""
    shape = graph.shape(mean.input(0))
    given = mean.attributes.get("axes")
    if given is None and mean.input(1):
        array = graph.numbers(mean.input(1))
        given = None if array is None else tuple(int(i) for i in array.reshape(-1))
    if shape is None or not isinstance(given, tuple):
        return ()
    axes = tuple(sorted(int(axis) % len(shape) for axis in given))
    return axes if axes == tuple(range(axes[0], len(shape))) and axes[0] > 0 else ()


def _norm(
    graph: Foreign, node: Node, kind: str, x: str, axes: tuple[int, ...], eps: float
) -> Node | None:
    if graph.shape(x) is None:
        return None
    return replacement(node, kind, x, axis=axes[0], epsilon=eps)


def scaled_norm(graph: Foreign, node: Node) -> Node | None:
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


def local_norm(graph: Foreign, node: Node) -> Node | None:
    """`x / (k + alpha mean(x^2))^beta`, where the mean is over `n` channels around each."""
    power = with_number(graph, graph.producers.get(node.input(1)), "Pow")
    plus = with_number(graph, graph.producers.get(power[0]), "Add") if power is not None else None
    scaled = with_number(graph, graph.producers.get(plus[0]), "Mul") if plus is not None else None
    if power is None or plus is None or scaled is None:
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
        elif maker.kind not in ("Reshape", "Pad", "Squeeze", "Unsqueeze", "Transpose"):
            return None
        value = maker.input(0)
    return None
