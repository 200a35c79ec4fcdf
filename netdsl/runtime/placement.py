"""Finds the nodes of a model that compute only sizes.

onnxruntime's providers for a GPU leave these nodes on the CPU, where they cost nothing.
"""

from __future__ import annotations

from collections import Counter
from math import prod
from typing import TYPE_CHECKING, NamedTuple

import onnx
from onnx.shape_inference import InferenceError, infer_shapes

if TYPE_CHECKING:
    from pathlib import Path

FEW = 64  # the most numbers that count as sizes; more of them are work
_SIZES = ("Shape", "Size")


class NodeFacts(NamedTuple):
    """Facts about the nodes of a model, read from its file."""

    sizes_alone: frozenset[tuple[str, str]]  # name and operator of the nodes that compute sizes
    opset: int
    dtype: str  # the element type of the arithmetic, or "" for float32


def facts(path: Path) -> NodeFacts:
    """The opset and element type of a model, and its nodes that compute only sizes.

    The results of such a node are at most `FEW` numbers each. They depend only on constants and on
    the sizes of the inputs. Nodes that read the numbers of a tensor do not count, nor do nodes with
    a result or operand that is larger or of unknown size.
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
    constants = {t.name for t in graph.initializer}
    small = constants | {v.name for v in [*graph.value_info, *graph.output] if _is_small(v)}
    known = constants | {""}  # an input that is left out has an empty name
    times = Counter(node.name for node in graph.node)
    computing = set()
    for node in graph.node:
        if _has_bodies(node):  # a loop or a branch can contain any work
            continue
        from_sizes = node.op_type in _SIZES or known.issuperset(node.input)
        if from_sizes and small.issuperset(name for name in node.output if name):
            known.update(node.output)
            if node.name and times[node.name] == 1:  # otherwise, the name does not identify it
                computing.add((node.name, node.op_type))
    return frozenset(computing)


def _has_bodies(node: onnx.NodeProto) -> bool:
    return any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute)


def _without_large(graph: onnx.GraphProto) -> None:
    """Turn the large initialisers into inputs, so that shape inference is fast for any model."""
    kept = [
        tensor
        for tensor in graph.initializer
        if prod(tensor.dims) <= FEW and tensor.data_location != onnx.TensorProto.EXTERNAL
    ]
    present = {v.name for v in graph.input} | {tensor.name for tensor in kept}
    graph.input.extend(
        onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
        for tensor in graph.initializer
        if tensor.name not in present
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
