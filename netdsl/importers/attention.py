"""Recognises multi-head attention in its products, and joins its projections into one layer.

Exporters write attention in many orders of axes. So the pattern follows the values from the softmax
up to the three projections and down to the last one, through every change of shape between them.
The comparison with the original shows whether the order of the axes was the usual one.
"""

from __future__ import annotations

from math import prod, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from netdsl.importers.foreign import Node, Stored
from netdsl.importers.formulas import near, number, replacement

if TYPE_CHECKING:
    from netdsl.importers.foreign import Foreign

MOVES = ("Reshape", "Transpose", "Squeeze", "Unsqueeze", "Identity", "Dropout", "Flatten", "Cast")
PROJECTIONS = ("Dense", "Gemm", "MatMul")
HIDDEN = -1e4  # a mask at or below it hides
SEQUENCE = 3  # axes of a batch of sequences; windows have more
STEPS = 24  # nodes between a softmax and a projection


class Projection(NamedTuple):
    """A projection: its node, the part of its result, the factor after it, and its input.

    `part` is the first and last row of the matrix that are used.
    """

    node: Node
    part: tuple[int, int]
    factor: float
    x: str
    turned: bool


class Scores(NamedTuple):
    """The product of queries and keys, with its factor and what hides keys."""

    queries: str
    keys: str
    factor: float
    causal: bool
    mask: str
    padding: str


def attention(graph: Foreign, node: Node) -> Node | None:
    """The product of the attention weights with the values, which becomes the whole layer.

    The replaced node is the last one, which makes the result of the layer.
    """
    softmax = _softmax(graph, node.input(0))
    if softmax is None:
        return None
    scores = _scores(graph, softmax.input(0))
    if scores is None:
        return None
    return _whole(graph, node, scores, node.input(1))


def ready_attention(graph: Foreign, node: Node) -> Node | None:
    """ONNX's operator `Attention`, without a cache."""
    if any(node.inputs[4:]) or any(node.outputs[1:]) or node.attributes.get("softcap"):
        return None
    scale = node.attributes.get("scale")
    size = _head_size(graph, node)
    if size is None:
        return None
    factor = scale if isinstance(scale, float) and scale else 1 / sqrt(size)
    causal = bool(node.attributes.get("is_causal", 0))
    mask = node.input(3)
    if mask:
        if not _is_causal(graph, mask, shown=True):
            return None
        causal, mask = True, ""
    scores = Scores(node.input(0), node.input(1), factor, causal, "", "")
    return _whole(graph, node, scores, node.input(2))


def _head_size(graph: Foreign, node: Node) -> int | None:
    shape = graph.shape(node.input(0))
    heads = node.attributes.get("q_num_heads")
    if shape is None:
        return None
    if len(shape) == 3 and isinstance(heads, int) and heads:
        return shape[-1] // heads
    return shape[-1]


def _softmax(graph: Foreign, value: str) -> Node | None:
    """The softmax that makes attention weights; a `Where` after it treats rows without a key."""
    for _ in range(STEPS):
        node = graph.producers.get(value)
        if node is None:
            return None
        if node.kind == "Softmax":
            return node
        if node.kind == "Where":
            value = node.input(2)
        elif node.kind in ("Identity", "Dropout", "Cast"):
            value = node.input(0)
        else:
            return None
    return None


def _scores(graph: Foreign, value: str) -> Scores | None:
    """The scores before a softmax: scaled, and with masks."""
    factor, causal, mask, padding = 1.0, False, "", ""
    for _ in range(STEPS):
        node = graph.producers.get(value)
        if node is None:
            return None
        if node.kind == "MatMul":
            return Scores(node.input(0), node.input(1), factor, causal, mask, padding)
        scaled = _scaled(graph, node)
        if scaled is not None:
            value, factor = scaled[0], factor * scaled[1]
        elif node.kind in ("Identity", "Dropout", "Cast", "Reshape"):
            value = node.input(0)
        elif node.kind in ("Add", "Where"):
            found = _masked(graph, node)
            if found is None:
                return None
            value, is_causal, own_mask, own_padding = found
            causal |= is_causal
            if (mask and own_mask) or (padding and own_padding):
                return None
            mask, padding = mask or own_mask, padding or own_padding
        else:
            return None
    return None


def _scaled(graph: Foreign, node: Node) -> tuple[str, float] | None:
    """The value and the factor of a product or quotient with a number."""
    if node.kind == "Scale":
        factor = node.attributes["factor"]
        return (node.input(0), factor) if isinstance(factor, float) else None
    if node.kind not in ("Mul", "Div"):
        return None
    for i in (1, 0) if node.kind == "Mul" else (1,):
        constant = number(graph, node.inputs[i])
        if constant:
            return node.inputs[1 - i], constant if node.kind == "Mul" else 1 / constant
    return None


def _masked(graph: Foreign, node: Node) -> tuple[str, bool, str, str] | None:
    """The scores under a mask, whether it is causal, or else the mask or the padding."""
    if node.kind == "Add":
        for i in (0, 1):
            if node.inputs[i] in graph.stored:
                if _is_causal(graph, node.inputs[i]):
                    return node.inputs[1 - i], True, "", ""
                return node.inputs[1 - i], False, node.inputs[i], ""
        for i in (1, 0):
            scores = graph.producers.get(node.inputs[1 - i])
            if scores is not None and scores.kind in ("MatMul", "Mul", "Div", "Scale"):
                return node.inputs[1 - i], False, node.inputs[i], ""
        return None
    condition, yes, no = node.inputs
    low = number(graph, yes)
    if low is not None and low <= HIDDEN:
        if condition in graph.stored:
            hides = _is_causal(graph, condition, hides=True)
            return (no, True, "", "") if hides else None
        source = _unsqueezed(graph, condition)
        return (no, False, "", source) if source else (no, False, condition, "")
    low = number(graph, no)
    if low is not None and low <= HIDDEN and _is_causal(graph, condition, shown=True):
        return yes, True, "", ""
    return None


def _unsqueezed(graph: Foreign, condition: str) -> str:
    """The keys' padding of which a mask is a copy for all heads and queries."""
    node = graph.made_by(condition, "Unsqueeze", "Reshape")
    shape = graph.shape(node.input(0)) if node is not None else None
    return node.input(0) if node is not None and shape is not None and len(shape) == 2 else ""


def _is_causal(graph: Foreign, mask: str, *, hides: bool = False, shown: bool = False) -> bool:
    """Whether a stored mask hides exactly the keys after each query.

    The mask has numbers that are added, or booleans that are true for keys that it hides or shows.
    """
    stored = graph.stored.get(mask)
    if stored is None or len(stored.shape) < 2 or prod(stored.shape[:-2]) != 1:
        return False
    array = stored.read().reshape(stored.shape[-2:])
    if array.dtype == bool:
        hidden = ~array if shown else array
    elif hides:
        return False
    else:
        hidden = array <= HIDDEN
        if not (array[~hidden] == 0).all():
            return False
    return bool((hidden == np.triu(np.ones(array.shape, bool), 1)).all())


# ---- the projections


def _whole(graph: Foreign, node: Node, scores: Scores, values: str) -> Node | None:
    """The node of the whole layer, if its four projections are found."""
    found = [_projection(graph, v) for v in (scores.queries, scores.keys, values)]
    last = _last(graph, node)
    if last is None or None in found:
        return None
    q, k, v = (p for p in found if p is not None)
    shape = graph.shape(scores.queries)
    if shape is None:
        return None
    size = _head_size(graph, node) if node.kind == "Attention" else shape[-1]
    width = q.part[1] - q.part[0]
    if not size or width % size or v.factor != 1:
        return None
    if not near(scores.factor * q.factor * k.factor, 1 / sqrt(size)):
        return None
    out, end = last
    if q.turned and graph.made_by(end.output, "Transpose") is None:
        return None
    weights = _weights(graph, (q, k, v), out)
    if weights is None:
        return None
    inputs = [q.x] if q.x == k.x == v.x else [q.x, k.x]
    if v.x != k.x:
        inputs.append(v.x)
    made = replacement(end, "MultiHeadAttention", *inputs)
    made.attributes = {"heads": width // size, "causal": scores.causal, "weights": weights}
    made.attributes |= {"count": len(inputs), "windowed": len(graph.shape(q.x) or ()) > SEQUENCE}
    for name, value in (("mask", scores.mask), ("padding", scores.padding)):
        if value:
            made.attributes[name] = len(made.inputs)
            made.inputs.append(value)
    made.scope = _common(graph, (q.node, k.node, v.node, out))
    return made


def _projection(graph: Foreign, value: str) -> Projection | None:
    """The projection from which queries, keys or values come."""
    factor, part, turned = 1.0, None, False
    for _ in range(STEPS):
        node = graph.producers.get(value)
        if node is None:
            return None
        scaled = _scaled(graph, node)
        if node.kind in PROJECTIONS:
            return _found(graph, node, part, factor)
        if scaled is not None:
            value, factor = scaled[0], factor * scaled[1]
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
    graph: Foreign, node: Node, part: tuple[int, int, int] | None, factor: float
) -> Projection | None:
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
        if move is None or not _keeps_vectors(graph, move):
            break
        turned |= move.kind == "Transpose"
        x = move.input(0)
    return Projection(node, (begin, end), factor, x, turned)


def _keeps_vectors(graph: Foreign, move: Node) -> bool:
    """Whether a change of shape only puts time before the batch, or merges the two axes."""
    before, after = graph.shape(move.input(0)), graph.shape(move.output)
    if before is None or after is None or before[-1] != after[-1]:
        return False
    if move.kind == "Transpose":
        return move.attributes.get("perm") == (1, 0, 2)
    return min(len(before), len(after)) == 2


def _part(graph: Foreign, node: Node, value: str) -> tuple[int, int, int] | None:
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


def _last(graph: Foreign, node: Node) -> tuple[Node, Node] | None:
    """The last projection, and the node that makes the result of the layer."""
    user = graph.only_user(node.output)
    for _ in range(STEPS):
        if user is None:
            return None
        if user.kind in PROJECTIONS:
            break
        if user.kind not in MOVES:
            return None
        user = graph.only_user(user.output)
    else:
        return None
    if user.input(1) not in graph.stored:
        return None
    out = end = user
    shape = graph.shape(node.output)
    for _ in range(STEPS):
        after = graph.only_user(end.output)
        if after is None or after.kind not in MOVES or not _keeps_vectors(graph, after):
            break
        end = after
    assert shape is not None
    return out, end


def _is_turned(node: Node) -> bool:
    """Whether the stored matrix is outputs x inputs."""
    return node.kind == "Gemm" and node.attributes.get("transB", 0) == 1


def _matrix(graph: Foreign, node: Node) -> Stored:
    stored = graph.stored[node.input(1)]
    return stored if _is_turned(node) else stored.as_read(lambda a: a.T, stored.shape[::-1])


def _weights(
    graph: Foreign, projections: tuple[Projection, ...], out: Node
) -> dict[str, Stored] | None:
    """The weights under the names of PyTorch's `nn.MultiheadAttention`; None if biases differ."""
    nodes = [*(p.node for p in projections), out]
    biased = {bool(node.input(2)) for node in nodes}
    if len(biased) != 1 or not all(n.input(2) in graph.stored for n in nodes if n.input(2)):
        return None
    matrices = [_rows(_matrix(graph, p.node), p.part) for p in projections]
    weights: dict[str, Stored] = {"out_proj.weight": _matrix(graph, out)}
    if len({m.shape[1] for m in matrices}) == 1:
        weights["in_proj_weight"] = _stacked(matrices)
    else:
        names = ("q_proj_weight", "k_proj_weight", "v_proj_weight")
        weights |= dict(zip(names, matrices, strict=True))
    if biased == {True}:
        parts = [_rows(graph.stored[p.node.input(2)], p.part) for p in projections]
        weights["in_proj_bias"] = _stacked(parts)
        weights["out_proj.bias"] = graph.stored[out.input(2)]
    return weights


def _rows(stored: Stored, part: tuple[int, int]) -> Stored:
    begin, end = part
    if (begin, end) == (0, stored.shape[0]):
        return stored
    return stored.as_read(lambda a: a[begin:end], (end - begin, *stored.shape[1:]))


def _stacked(parts: list[Stored]) -> Stored:
    """Three tensors one below the other."""
    shape = (sum(p.shape[0] for p in parts), *parts[0].shape[1:])
    names = {p.name for p in parts}
    name = names.pop() if len(names) == 1 else ""
    return Stored(name, shape, "float32", lambda: np.concatenate([p.read() for p in parts]))


def _common(graph: Foreign, nodes: tuple[Node, ...]) -> tuple[str, ...]:
    """The path that the names of the projections share."""
    paths = []
    for node in nodes:
        name = graph.stored[node.input(1)].name
        paths.append(tuple(name.split(".")[:-1]) if "." in name else node.scope)
    shared = paths[0]
    for path in paths[1:]:
        n = 0
        while n < min(len(shared), len(path)) and shared[n] == path[n]:
            n += 1
        shared = shared[:n]
    return shared
