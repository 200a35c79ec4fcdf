"""The projections of attention: where queries, keys and values come from, and their weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from netdsl.importers.onnx.foreign import ForeignNode, StoredTensor
from netdsl.importers.patterns.formulas import number

if TYPE_CHECKING:
    from netdsl.importers.onnx.foreign import Foreign

MOVES = ("Reshape", "Transpose", "Squeeze", "Unsqueeze", "Identity", "Dropout", "Flatten", "Cast")
PROJECTIONS = ("Dense", "Gemm", "MatMul")
STEPS = 24  # nodes between a softmax and a projection


class AttentionProjection(NamedTuple):
    """A projection: its node, the part of its result, the factor after it, and its input.

    `part` is the first and last row of the matrix that are used.
    """

    node: ForeignNode
    part: tuple[int, int]
    factor: float
    x: str
    turned: bool


def scaled(graph: Foreign, node: ForeignNode) -> tuple[str, float] | None:
    """The value and the factor of a product or quotient with a number."""
    if node.kind == "Scale":
        factor = node.attributes["factor"]
        if isinstance(factor, float):
            return (node.input(0), factor)
        return None
    if node.kind not in ("Mul", "Div"):
        return None
    for i in (1, 0) if node.kind == "Mul" else (1,):
        constant = number(graph, node.inputs[i])
        if constant:
            return node.inputs[1 - i], constant if node.kind == "Mul" else 1 / constant
    return None


def projection(graph: Foreign, value: str) -> AttentionProjection | None:
    """The projection from which queries, keys or values come."""
    factor, part = 1.0, None
    for _ in range(STEPS):
        node = graph.producers.get(value)
        if node is None:
            return None
        own = scaled(graph, node)
        if node.kind in PROJECTIONS:
            return _found(graph, node, part, factor)
        if own is not None:
            value, factor = own[0], factor * own[1]
        elif node.kind in MOVES:
            value = node.input(0)
        elif node.kind in ("Split", "Slice", "Gather") and part is None:
            part = _part(graph, node, value)
            if part is None:
                return None
            value = node.input(0)
        else:
            return None
    return None


def _found(
    graph: Foreign, node: ForeignNode, part: tuple[int, int, int] | None, factor: float
) -> AttentionProjection | None:
    matrix = graph.stored.get(node.input(1))
    if matrix is None or len(matrix.shape) != 2:
        return None
    rows = matrix.shape[0] if _is_turned(node) else matrix.shape[1]
    begin, end = 0, rows
    if part is not None:
        first, last, of = part
        if rows % of:
            return None
        begin, end = first * rows // of, last * rows // of
    x, turned = node.input(0), False
    for _ in range(STEPS):
        move = graph.made_by(x, *MOVES)
        if move is None or not keeps_vectors(graph, move):
            break
        turned |= move.kind == "Transpose"
        x = move.input(0)
    return AttentionProjection(node, (begin, end), factor, x, turned)


def keeps_vectors(graph: Foreign, move: ForeignNode) -> bool:
    """Whether a change of shape only puts time before the batch, or merges the two axes."""
    before, after = graph.shape(move.input(0)), graph.shape(move.output)
    if before is None or after is None or before[-1] != after[-1]:
        return False
    if move.kind == "Transpose":
        return move.attributes.get("perm") == (1, 0, 2)
    return min(len(before), len(after)) == 2


def _part(graph: Foreign, node: ForeignNode, value: str) -> tuple[int, int, int] | None:
    """Which part of an axis is taken, as (first, after the last, length)."""
    shape, axis = graph.shape(node.input(0)), node.attributes.get("axis", 0)
    if shape is None or not isinstance(axis, int):
        return None
    if node.kind == "Split":
        lengths = [graph.shape(o) for o in node.outputs]
        at = node.outputs.index(value)
        sizes = [s[axis] for s in lengths if s is not None]
        return sum(sizes[:at]), sum(sizes[: at + 1]), shape[axis]
    if node.kind == "Gather":
        index = number(graph, node.input(1))
        if index is None:
            return None
        first = int(index) % shape[axis]
        return first, first + 1, shape[axis]
    ranges = [graph.numbers(node.input(i)) for i in (1, 2, 3)]
    if any(r is None or r.size != 1 for r in ranges):
        return None
    start, end, axis = (int(r.reshape(-1)[0]) for r in ranges if r is not None)
    size = shape[axis]
    return start % size if start < 0 else start, min(end, size), size


def _is_turned(node: ForeignNode) -> bool:
    """Whether the stored matrix is outputs x inputs."""
    return node.kind == "Gemm" and node.attributes.get("transB", 0) == 1


def _matrix(graph: Foreign, node: ForeignNode) -> StoredTensor:
    stored = graph.stored[node.input(1)]
    if _is_turned(node):
        return stored
    return stored.as_read(lambda a: a.T, stored.shape[::-1])


def weights_of(
    graph: Foreign, projections: tuple[AttentionProjection, ...], out: ForeignNode
) -> dict[str, StoredTensor] | None:
    """The weights under the names of `nn.MultiheadAttention`; None if a bias is computed."""
    given = [node.input(2) for node in (*(p.node for p in projections), out)]
    if not all(name in graph.stored for name in given if name):
        return None
    matrices = [_rows(_matrix(graph, p.node), p.part) for p in projections]
    weights: dict[str, StoredTensor] = {"out_proj.weight": _matrix(graph, out)}
    if len({m.shape[1] for m in matrices}) == 1:
        weights["in_proj_weight"] = _stacked(matrices)
    else:
        names = ("q_proj_weight", "k_proj_weight", "v_proj_weight")
        weights |= dict(zip(names, matrices, strict=True))
    if any(given):
        parts = [_rows(_bias(graph, p.node), p.part) for p in projections]
        weights["in_proj_bias"] = _stacked(parts)
        weights["out_proj.bias"] = _bias(graph, out)
    return weights


def _bias(graph: Foreign, node: ForeignNode) -> StoredTensor:
    """The bias of a projection; exporters leave out one of zeros."""
    if node.input(2):
        return graph.stored[node.input(2)]
    rows = _matrix(graph, node).shape[0]
    return StoredTensor("", (rows,), "float32", lambda: np.zeros(rows, np.float32))


def _rows(stored: StoredTensor, part: tuple[int, int]) -> StoredTensor:
    begin, end = part
    if (begin, end) == (0, stored.shape[0]):
        return stored
    return stored.as_read(lambda a: a[begin:end], (end - begin, *stored.shape[1:]))


def _stacked(parts: list[StoredTensor]) -> StoredTensor:
    """Three tensors one below the other."""
    shape = (sum(p.shape[0] for p in parts), *parts[0].shape[1:])
    names = {p.name for p in parts}
    name = names.pop() if len(names) == 1 else ""
    return StoredTensor(name, shape, "float32", lambda: np.concatenate([p.read() for p in parts]))
