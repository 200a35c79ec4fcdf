"""Which nodes of a model compute sizes alone: providers for a GPU leave those on the CPU, where
they cost nothing.
"""

from __future__ import annotations

from collections import Counter
from math import prod
from typing import TYPE_CHECKING, NamedTuple

import onnx
from onnx.shape_inference import InferenceError, infer_shapes

if TYPE_CHECKING:
    from pathlib import Path

FEW = 64  # numbers: more would be work
_SIZES = ("Shape", "Size")


class NodeFacts(NamedTuple):
    """What a model's file says of its nodes."""

    sizes_alone: frozenset[tuple[str, str]]  # name and operator
    opset: int
    dtype: str  # of the arithmetic, where an export says that it is not float32


def facts(path: Path) -> NodeFacts:
    """The nodes whose results are a few numbers each, known from the sizes of the inputs and from
    constants alone.

    A node with a larger result or operand is not among them, nor one that reads any of a tensor's
    numbers, nor one of unknown size.
    """
    model = onnx.load(path, load_external_data=False)
    opset = max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=0)
    dtype = next((p.value for p in model.metadata_props if p.key == "netdsl.dtype"), "")
    return NodeFacts(_sizes_alone(model), opset, dtype)


def _sizes_alone(model: onnx.ModelProto) -> frozenset[tuple[str, str]]:
    _without_large(model.graph)
    try:
        graph = infer_shapes(model, data_prop=True).graph
    except InferenceError:
        return frozenset()
    small = {v.name for v in [*graph.value_info, *graph.output] if _is_small(v)} | {
        t.name for t in graph.initializer
    }
    known = {t.name for t in graph.initializer} | {""}
    times = Counter(n.name for n in graph.node)
    found = set()
    for node in graph.node:
        # Loops and branches may hold anything.
        whole = not any(a.HasField("g") or a.graphs for a in node.attribute)
        if (
            whole
            and (node.op_type in _SIZES or known.issuperset(node.input))
            and small.issuperset(n for n in node.output if n)
        ):
            known.update(node.output)
            if node.name and times[node.name] == 1:  # else the name says not which
                found.add((node.name, node.op_type))
    return frozenset(found)


def _without_large(graph: onnx.GraphProto) -> None:
    """Take out the weights: what is left is parsed at once, whatever the model's size."""
    kept = [
        t
        for t in graph.initializer
        if prod(t.dims) <= FEW and t.data_location != onnx.TensorProto.EXTERNAL
    ]
    have, names = {v.name for v in graph.input}, {t.name for t in kept}
    graph.input.extend(
        onnx.helper.make_tensor_value_info(t.name, t.data_type, list(t.dims))
        for t in graph.initializer
        if t.name not in names | have
    )
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _is_small(value: onnx.ValueInfoProto) -> bool:
    kind = value.type.tensor_type
    dims = kind.shape.dim
    return (
        kind.HasField("shape")
        and all(d.HasField("dim_value") for d in dims)
        and prod(d.dim_value for d in dims) <= FEW
    )
