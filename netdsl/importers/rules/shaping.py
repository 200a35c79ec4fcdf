"""Rules for dense layers, and for operators that move or choose elements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.importers.flat import FlatLayer
from netdsl.importers.onnx.foreign import Typed
from netdsl.importers.rules.common import (
    Refusal,
    axis_of,
    batch_of,
    integer,
    integers,
    number,
    operand,
    require,
    shape_of,
    single,
    text,
    weight,
)
from netdsl.importers.rules.pointwise import constant_layer, nested

if TYPE_CHECKING:
    import numpy as np

    from netdsl.importers.onnx.foreign import Foreign, ForeignNode, StoredTensor

SCORES = 4  # axes of scores: the batch, heads, queries and keys
ROWS = 4096  # integers of a lookup that a text may contain


def turned(stored: StoredTensor) -> StoredTensor:
    """A stored matrix with its axes exchanged."""
    return stored.as_read(_turn, stored.shape[::-1])


def _turn(array: np.ndarray) -> np.ndarray:
    return array.T


def gemm(node: ForeignNode, graph: Foreign) -> list[FlatLayer]:
    """`Gemm` with stored weights."""
    require(number(node, "alpha", 1.0) == number(node, "beta", 1.0) == 1, "it scales its operands")
    require(integer(node, "transA", 0) == 0, "it transposes its input")
    matrix = weight(node, graph, 1, "matrix")
    if integer(node, "transB", 0) == 0:
        matrix = turned(matrix)
    return _dense(node, graph, matrix)


def dense(node: ForeignNode, graph: Foreign) -> list[FlatLayer]:
    """`Dense`, which stands for a product with a stored matrix and the addition of a bias."""
    return _dense(node, graph, turned(weight(node, graph, 1, "matrix")))


def _dense(node: ForeignNode, graph: Foreign, matrix: StoredTensor) -> list[FlatLayer]:
    units = matrix.shape[0]
    rank = len(shape_of(graph, node.input(0)))
    args: dict[str, object] = {"units": units}
    layer = FlatLayer("dense", node.output, [node.input(0)], node, args, weights={"weight": matrix})
    if rank > 3:
        args["axis"] = -1
    if node.input(2):
        bias = weight(node, graph, 2, "bias")
        count = max(bias.shape, default=1)
        require(
            count in (1, units) and sum(n > 1 for n in bias.shape) < 2, "its bias is not a vector"
        )
        if bias.shape != (units,):
            times = units // count
            bias = bias.as_read(lambda a: a.reshape(-1).repeat(times), (units,))
        layer.weights["bias"] = bias
    else:
        args["bias"] = False
    return [layer]


def product(node: ForeignNode, graph: Foreign) -> list[FlatLayer]:
    """`MatMul` of a value with a stored matrix, or of two values."""
    left, right = (graph.stored.get(node.input(i)) for i in (0, 1))
    if right is not None and len(right.shape) == 2:
        return _dense(node, graph, turned(right))
    require(left is None and right is None, "one of its operands is a constant, but no matrix")
    shapes = [shape_of(graph, name) for name in node.inputs]
    require(min(map(len, shapes)) > 2, "it multiplies samples of the batch with each other")
    return [FlatLayer("matmul", node.output, list(node.inputs), node)]


def gather(node: ForeignNode, graph: Foreign) -> list[FlatLayer] | str:
    """`Gather`: an embedding of integers, one element of an axis, or a stretch of it."""
    table = graph.stored.get(node.input(0))
    if table is not None:
        return _embedding(node, graph, table)
    shape = shape_of(graph, node.input(0))
    axis = axis_of(len(shape), integer(node, "axis", 0))
    indices = graph.numbers(node.input(1))
    if indices is None:
        raise Refusal("its indices depend on an input")
    if indices.ndim == 0:
        index = int(indices)
        index = index + shape[axis] if index < -1 else index
        return single(node, "select", index=index, axis=axis)
    listed = [int(i) % shape[axis] for i in indices.reshape(-1)]
    require(indices.ndim == 1, "its indices have several axes")
    if listed == list(range(shape[axis])):
        return node.input(0)
    require(listed == list(range(listed[0], listed[0] + len(listed))), "its indices have gaps")
    return single(node, "slice", start=listed[0], end=listed[-1] + 1, axis=axis)


def _embedding(node: ForeignNode, graph: Foreign, table: StoredTensor) -> list[FlatLayer]:
    """The lookup of rows; constant integers are the positions 0, 1, 2, ..., or a `const`."""
    require(len(table.shape) == 2, "its table is not a matrix")
    require(integer(node, "axis", 0) == 0, "its table is not indexed by rows")
    layer = FlatLayer("embedding", node.output, [node.input(1)], node)
    layer.args = {"n": table.shape[0], "dim": table.shape[1]}
    layer.weights["weight"] = table
    stored = graph.stored.get(node.input(1))
    if stored is None:
        return [layer]
    rows = stored.read()
    batch = batch_of(graph)
    if rows.ndim > 1 and rows.shape[0] in (1, batch) and (rows == rows[:1]).all():
        rows = rows[0]
    source = FlatLayer("const", f"{node.output}:rows", [graph.inputs[0]], node)
    if rows.ndim == 1 and (rows == range(len(rows))).all():
        beside = [v for v in graph.inputs if shape_of(graph, v)[1:2] == rows.shape]
        if beside:
            source.kind, source.inputs = "positions", beside[:1]
    if source.kind == "const":
        require(rows.size <= ROWS, "its rows are constants, too many for a text")
        source.args = {"value": nested(rows.tolist()), "dtype": "int64"}
    layer.inputs = [source.output]
    graph.types[node.output] = Typed((batch, *rows.shape, table.shape[1]), "float32")
    return [source, layer]


def flatten(node: ForeignNode, graph: Foreign) -> list[FlatLayer] | str:
    """`Flatten` of all axes but the batch."""
    rank = len(shape_of(graph, node.input(0)))
    axis = integer(node, "axis", 1)
    require(axis % rank == 1 if rank > 1 else axis == 1, f"its axis is {axis}")
    if rank == 2:
        return node.input(0)
    return single(node, "flatten")


def reshape(node: ForeignNode, graph: Foreign) -> list[FlatLayer] | str:
    """An operator that only changes the shape: `Reshape`, `Squeeze`, `Unsqueeze`, `Flatten`."""
    old, new = shape_of(graph, node.input(0)), shape_of(graph, node.output)
    if old == new:
        return node.input(0)
    if new == (1, *old[1:]) or old == (1, *new[1:]):
        return node.input(0)  # a value that is the same for every sample
    require(old and new and old[0] == new[0], "it mixes the batch with other axes")
    if len(new) == 2:
        return single(node, "flatten")
    return single(node, "reshape", shape=new[1:])


def transpose(node: ForeignNode, graph: Foreign) -> list[FlatLayer] | str:
    """`Transpose` of the axes after the batch."""
    rank = len(shape_of(graph, node.input(0)))
    order = integers(node, "perm") or tuple(reversed(range(rank)))
    if order == tuple(range(rank)):
        return node.input(0)
    require(order[0] == 0, "it moves the batch")
    return single(node, "permute", order=order[1:])


def concat(node: ForeignNode, graph: Foreign) -> list[FlatLayer] | str:
    """`Concat` along an axis; stored tensors become layers."""
    shape = shape_of(graph, node.output)
    axis = axis_of(len(shape), integer(node, "axis", 1))
    beside = next((name for name in node.inputs if name not in graph.stored), "")
    require(beside, "all of its inputs are constants")
    layers, names = [], []
    for name in node.inputs:
        if name in graph.stored:
            layers.append(constant_layer(node, graph, name, beside, len(shape)))
            names.append(layers[-1].output)
        else:
            names.append(name)
    if len(names) == 1:
        return names[0]
    return [*layers, FlatLayer("concat", node.output, names, node, {"axis": axis})]


def slices(node: ForeignNode, graph: Foreign) -> list[FlatLayer] | str:
    """`Slice` with steps of 1, one layer for each axis."""
    shape = shape_of(graph, node.input(0))
    starts, ends = operand(node, graph, 1, "starts"), operand(node, graph, 2, "ends")
    if starts is None or ends is None:
        raise Refusal("it has no starts or no ends")
    axes = operand(node, graph, 3, "axes") or tuple(range(len(starts)))
    steps = operand(node, graph, 4, "steps") or (1,) * len(starts)
    layers: list[FlatLayer] = []
    value = node.input(0)
    for start, end, counted, step in zip(starts, ends, axes, steps, strict=True):
        axis = counted + len(shape) if counted < 0 else counted
        size = shape[axis]
        begin, stop = (min(max(i + size if i < 0 else i, 0), size) for i in (start, end))
        if (begin, stop, step) == (0, size, 1):
            continue
        require(axis > 0, "it takes a part of the batch")
        require(step == 1, f"its step is {step}")
        args: dict[str, object] = {"start": begin, "end": stop, "axis": axis}
        if stop == size:
            del args["end"]
        output = f"{node.output}:{axis}"
        layers.append(FlatLayer("slice", output, [value], node, args))
        value = output
    if not layers:
        return value
    layers[-1].output = node.output
    return layers


def split(node: ForeignNode, graph: Foreign) -> list[FlatLayer]:
    """`Split` into equal parts, or into stretches of other lengths."""
    shape = shape_of(graph, node.input(0))
    axis = axis_of(len(shape), integer(node, "axis", 0))
    lengths = [shape_of(graph, name)[axis] for name in node.outputs]
    layers, begin = [], 0
    for index, (name, length) in enumerate(zip(node.outputs, lengths, strict=True)):
        args: dict[str, object] = {"parts": len(lengths), "index": index, "axis": axis}
        kind = "split"
        if len(set(lengths)) > 1:
            kind, args = "slice", {"start": begin, "end": begin + length, "axis": axis}
        layers.append(FlatLayer(kind, name, [node.input(0)], node, args))
        begin += length
    return layers


def shuffle(node: ForeignNode, graph: Foreign) -> list[FlatLayer]:
    """`DepthToSpace` in the order of PyTorch's pixel shuffle."""
    require(text(node, "mode", "DCR") == "CRD", "its order is not that of a pixel shuffle")
    return single(node, "pixel_shuffle", r=integer(node, "blocksize", 1))


def expand(node: ForeignNode, graph: Foreign) -> list[FlatLayer] | str:
    """`Expand` to the shape that the value has, or of a learned tensor to all samples."""
    new = shape_of(graph, node.output)
    if node.input(0) in graph.stored:
        made = constant_layer(node, graph, node.input(0), graph.inputs[0], len(new))
        made.output = node.output
        return [made]
    require(shape_of(graph, node.input(0)) == new, "it repeats elements")
    return node.input(0)


def tokens(node: ForeignNode, graph: Foreign) -> list[FlatLayer]:
    """`Tokens`, which stands for a map whose positions become vectors."""
    return single(node, "tokens")


def channel_shuffle(node: ForeignNode, graph: Foreign) -> list[FlatLayer]:
    """`ChannelShuffle`, which stands for three changes of shape."""
    return single(node, "channel_shuffle", groups=integer(node, "groups", 1))


def attention(node: ForeignNode, graph: Foreign) -> list[FlatLayer]:
    """`MultiHeadAttention`, which stands for the whole layer with its projections."""
    given = node.attributes
    count = integer(node, "count", 1)
    layer = FlatLayer("attention", node.output, node.inputs[:count], node)
    layer.args = {name: given[name] for name in ("heads", "causal", "windowed")}
    weights = given["weights"]
    assert isinstance(weights, dict)
    layer.weights = weights
    layer.args["bias"] = "out_proj.bias" in weights
    layers = [layer]
    for name in ("mask", "padding"):
        if name not in given:
            continue
        value = node.inputs[integer(node, name, 0)]
        if value in graph.stored:
            rank = len(graph.stored[value].shape)
            made = constant_layer(node, graph, value, layer.inputs[0], max(rank, SCORES))
            layers.insert(0, made)
            value = made.output
        layer.tensors[name] = value
    return layers
