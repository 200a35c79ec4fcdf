"""Patterns of layers that exporters write as changes of shape."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from netdsl.importers.patterns.formulas import replacement

if TYPE_CHECKING:
    import numpy as np

    from netdsl.importers.onnx.foreign import Foreign, ForeignNode, Shape, StoredTensor

CHANGES = ("Reshape", "Flatten", "Squeeze", "Unsqueeze")


def tokens(graph: Foreign, node: ForeignNode) -> ForeignNode | None:
    """A map C x H x W as H W vectors: the spatial axes are merged, then exchanged with C."""
    merged = graph.made_by(node.input(0), *CHANGES)
    if merged is None or node.attributes.get("perm") != (0, 2, 1):
        return None
    old, new = graph.shape(merged.input(0)), graph.shape(merged.output)
    if old is None or new is None or len(old) != 4 or new != (*old[:2], prod(old[2:])):
        return None
    return replacement(node, "Tokens", merged.input(0))


def channel_shuffle(graph: Foreign, node: ForeignNode) -> ForeignNode | None:
    """Channels as groups x channels of a group, the two axes exchanged, and merged again."""
    turned = graph.made_by(node.input(0), "Transpose")
    parted = graph.above(turned, 0, "Reshape")
    if turned is None or parted is None:
        return None
    old, inner, new = (graph.shape(v) for v in (parted.input(0), parted.output, node.output))
    if old is None or inner is None or old != new or len(inner) != len(old) + 1:
        return None
    order = tuple(range(len(inner)))
    if turned.attributes.get("perm") != (0, 2, 1, *order[3:]) or inner[3:] != old[2:]:
        return None
    return replacement(node, "ChannelShuffle", parted.input(0), groups=inner[1])


def group_norm(graph: Foreign, node: ForeignNode) -> ForeignNode | None:
    """A group norm as an instance norm of groups, with a scale and a shift for each channel."""
    scaled, shift = _scaled(graph, node, "Add")
    product, scale = _scaled(graph, scaled, "Mul")
    if product is None or scale is None or shift is None or product.kind not in CHANGES:
        return None
    norm = graph.made_by(product.input(0), "InstanceNormalization")
    parted = graph.above(norm, 0, *CHANGES)
    if norm is None or parted is None:
        return None
    old, new = graph.shape(parted.input(0)), graph.shape(product.output)
    inner = graph.shape(parted.output)
    plain = [graph.numbers(norm.input(i)) for i in (1, 2)]
    if old is None or inner is None or old != new:
        return None
    if not all(a is not None and (a == n).all() for a, n in zip(plain, (1, 0), strict=True)):
        return None
    channels = old[1]
    if not all(prod(graph.stored[v].shape) == channels for v in (scale, shift)):
        return None
    for name in (scale, shift):
        graph.stored[name] = _vector(graph.stored[name], (channels,))
    epsilon = norm.attributes.get("epsilon", 1e-5)
    made = replacement(
        node,
        "GroupNormalization",
        parted.input(0),
        scale,
        shift,
        num_groups=inner[1],
        epsilon=epsilon,
    )
    made.scope = norm.scope
    return made


def _vector(stored: StoredTensor, shape: Shape) -> StoredTensor:
    return stored.as_read(_flat, shape)


def _flat(array: np.ndarray) -> np.ndarray:
    return array.reshape(-1)


def _scaled(
    graph: Foreign, node: ForeignNode | None, kind: str
) -> tuple[ForeignNode | None, str | None]:
    """The node and the stored tensor that a node of a kind combines."""
    if node is None or node.kind != kind:
        return None, None
    for i in (0, 1):
        maker = graph.producers.get(node.inputs[i])
        if node.inputs[1 - i] in graph.stored and maker is not None:
            return maker, node.inputs[1 - i]
    return None, None
