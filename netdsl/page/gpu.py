"""Models for onnxruntime-web on the graphics processor, without what it computes wrongly there.

Version 1.30 computes a convolution wrongly if it reads channels in threes: the number of channels
is a multiple of 3 but not of 4, and more than 3, and that of the results is a multiple of 4, as in
LeNet-5's `C3`, from 6 to 16. (https://github.com/microsoft/onnxruntime/issues/29651 seems to be the
same.) A further channel of zeros changes no result, and avoids this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.backends.onnx.elements import INT64
from netdsl.backends.onnx.make import make_node, make_tensor, value_of

if TYPE_CHECKING:
    from netdsl.backends.onnx.proto import ModelProto, NodeProto, ValueInfoProto

MOST_AXES = 4  # convolutions in three dimensions are not at fault


def for_gpu(model: ModelProto) -> ModelProto:
    """Change a model whose weights are inputs or constants; returns it."""
    graph = model.graph
    kernels = {value.name: _sizes(value) for value in graph.input}
    kernels |= {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    nodes: list[NodeProto] = []
    ranks = set()
    for node in graph.node:
        shape = kernels.get(node.input[1]) if node.op_type == "Conv" else None
        if shape is not None and _is_wrong(shape) and _groups(node) == 1:
            ranks.add(len(shape))
            nodes += _widen(node, len(shape))
        nodes.append(node)
    graph.node[:] = nodes
    for rank in sorted(ranks):
        widths = [0] * rank + [0, 1] + [0] * (rank - 2)
        graph.initializer.append(make_tensor(_widths(rank), INT64, [2 * rank], widths))
    return model


def _sizes(value: ValueInfoProto) -> tuple[int, ...]:
    """The sizes of an input; one that is open counts as 0."""
    return tuple(axis.dim_value or 0 for axis in value.type.tensor_type.shape.dim)


def _is_wrong(shape: tuple[int, ...]) -> bool:
    """Whether a convolution with a kernel of this shape is computed wrongly."""
    results, channels = shape[:2]
    in_threes = channels > 3 and channels % 3 == 0 and channels % 4 != 0
    return in_threes and results % 4 == 0 and len(shape) <= MOST_AXES


def _groups(node: NodeProto) -> int:
    return next((int(value_of(a)) for a in node.attribute if a.name == "group"), 1)


def _widths(rank: int) -> str:
    return f"gpu/widths{rank}"


def _widen(node: NodeProto, rank: int) -> list[NodeProto]:
    """The nodes that add a channel to the input and to the kernel, which the node then takes."""
    made = []
    for place, what in enumerate(("input", "kernel")):
        name = f"gpu/{node.name}/{what}"
        made.append(make_node("Pad", [node.input[place], _widths(rank)], [name], name))
        node.input[place] = name
    return made
