"""The picked net as an ONNX model, in pieces between which the page puts the weights.

The page makes fresh weights itself, or has trained some: they would be slow to make in Python, and
to pass to it.
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

from netdsl.backends.onnx.graph import skeleton
from netdsl.backends.onnx.make import GRAPH_FIELD, tensor_head
from netdsl.backends.onnx.proto import tag
from netdsl.ops.init import bilinear, distribution

if TYPE_CHECKING:
    from netdsl.ir.graph import Graph
    from netdsl.ir.op import Param

ITEM = 4  # bytes of a float32


def model_pieces(graph: Graph) -> dict[str, Any]:
    """The bytes before each tensor, as base64, and how each tensor begins.

    Raises `NetdslError` for a graph that ONNX cannot represent.
    """
    built = skeleton(graph)
    params = {name: stored.param for name, stored in built.stored.items()}
    heads = {n: tensor_head(n, p, built.element, ITEM * p.size) for n, p in params.items()}
    inside = built.model.graph.serialized()
    length = len(inside) + sum(len(heads[name]) + ITEM * p.size for name, p in params.items())
    first = built.model.serialized(but="graph") + tag(GRAPH_FIELD, length) + inside
    starts = dict.fromkeys(heads, b"")
    starts |= dict.fromkeys(list(heads)[:1], first)
    return {
        "pieces": [b64encode(starts[name] + heads[name]).decode() for name in heads],
        "whole": b64encode(first).decode() if not heads else "",
        "tensors": [start_of(name, param) for name, param in params.items()],
    }


def start_of(name: str, param: Param) -> dict[str, Any]:
    """How the numbers of a tensor begin: their distribution, or the numbers themselves."""
    kind, scale = distribution(param.init, param.shape)
    values: list[float] = []
    if kind in ("bilinear", "literal"):
        values = list(param.values if kind == "literal" else bilinear(param.shape))
    return {
        "name": name,
        "shape": list(param.shape),
        "kind": kind,
        "scale": scale,
        "values": values,
    }
