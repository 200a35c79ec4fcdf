"""Recognises multi-head attention in its products, and joins its projections into one layer.

Exporters write attention in many orders of axes. So the pattern follows the values from the softmax
up to the three projections and down to the last one, through every change of shape between them.
The comparison with the original shows whether the order of the axes was the usual one.
"""

from __future__ import annotations

from math import prod, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from netdsl.importers.patterns.formulas import near, number, replacement
from netdsl.importers.patterns.projections import (
    MOVES,
    PROJECTIONS,
    STEPS,
    keeps_vectors,
    projection,
    scaled,
    weights_of,
)

if TYPE_CHECKING:
    from netdsl.importers.onnx.foreign import Foreign, ForeignNode

HIDDEN = -1e4  # a mask at or below it hides
SEQUENCE = 3  # axes of a batch of sequences; windows have more


class Scores(NamedTuple):
    """The product of queries and keys, with its factor and what hides keys."""

    queries: str
    keys: str
    factor: float
    causal: bool
    mask: str
    padding: str


def attention(graph: Foreign, node: ForeignNode) -> ForeignNode | None:
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


def ready_attention(graph: Foreign, node: ForeignNode) -> ForeignNode | None:
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


def _head_size(graph: Foreign, node: ForeignNode) -> int | None:
    shape = graph.shape(node.input(0))
    heads = node.attributes.get("q_num_heads")
    if shape is None:
        return None
    if len(shape) == 3 and isinstance(heads, int) and heads:
        return shape[-1] // heads
    return shape[-1]


def _softmax(graph: Foreign, value: str) -> ForeignNode | None:
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
        own = scaled(graph, node)
        if own is not None:
            value, factor = own[0], factor * own[1]
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


def _masked(graph: Foreign, node: ForeignNode) -> tuple[str, bool, str, str] | None:
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
            if hides:
                return (no, True, "", "")
            return None
        source = _unsqueezed(graph, condition)
        if source:
            return (no, False, "", source)
        return (no, False, condition, "")
    low = number(graph, no)
    if low is not None and low <= HIDDEN and _is_causal(graph, condition, shown=True):
        return yes, True, "", ""
    return None


def _unsqueezed(graph: Foreign, condition: str) -> str:
    """The keys' padding of which a mask is a copy for all heads and queries."""
    node = graph.made_by(condition, "Unsqueeze", "Reshape")
    shape = graph.shape(node.input(0)) if node is not None else None
    if node is not None and shape is not None and len(shape) == 2:
        return node.input(0)
    return ""


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


def _whole(graph: Foreign, node: ForeignNode, scores: Scores, values: str) -> ForeignNode | None:
    """The node of the whole layer, if its four projections are found."""
    found = [projection(graph, v) for v in (scores.queries, scores.keys, values)]
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
    weights = weights_of(graph, (q, k, v), out)
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


def _last(graph: Foreign, node: ForeignNode) -> tuple[ForeignNode, ForeignNode] | None:
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
    for _ in range(STEPS):
        after = graph.only_user(end.output)
        if after is None or after.kind not in MOVES or not keeps_vectors(graph, after):
            break
        end = after
    return out, end


def _common(graph: Foreign, nodes: tuple[ForeignNode, ...]) -> tuple[str, ...]:
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
