"""Runs a graph as an ONNX model: in ONNX's shape inference, and in onnxruntime."""

from __future__ import annotations

import re
from math import prod
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
from onnx import helper

from netdsl.backends.onnx.elements import ELEMENT
from netdsl.backends.onnx.folded import stored_chunks
from netdsl.backends.onnx.form import Form
from netdsl.backends.onnx.graph import skeleton
from netdsl.backends.onnx.origin import LAYER, layer_of, result_of
from netdsl.backends.onnx.write import as_onnx
from netdsl.runtime.quiet import quiet_options
from netdsl.verify.numbers import shape_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netdsl.ir.graph import Graph, Node

# How messages of onnxruntime and onnx name a node.
NAMED = (
    r'In Node, \("([^"]+)"',
    r"node name: ([^)]+)\)",
    r"Name:'([^']+)'",
    r"[Nn]ode:? ?[('\"]([^)'\"]+)[)'\"]",
)
MULTIPLIED = {"Conv", "ConvTranspose", "Gemm", "MatMul", "RNN", "LSTM", "GRU"}
Shapes = dict[str, list[int]]  # by name; 0 is a size that inference leaves open


class OnnxSide:
    """The model of a graph. `tensor` has the name of each value in it, by the value's id.

    `stored` has the name in checkpoints of each weight of the model.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        built = skeleton(graph)
        self.model = as_onnx(built)
        # What netdsl has inferred, which ONNX would take over instead of inferring it.
        del self.model.graph.value_info[:]
        self.stored = {name: stored.source for name, stored in built.stored.items()}
        self.params = built.params
        self.tensor = _tensors(graph, self.model, _last(self.model))
        # The model in which only the shapes of the inputs and weights are known.
        self._bare = onnx.ModelProto()
        self._bare.CopyFrom(self.model)
        self._bare.graph.input.extend(
            helper.make_tensor_value_info(k, built.element, s.param.shape)
            for k, s in built.stored.items()
        )
        for value in self._bare.graph.output:
            value.type.tensor_type.ClearField("shape")

    def infer(self, batch: int, sizes: dict[str, int], *, strict: bool = True) -> Shapes:
        """The shapes that ONNX infers from the shapes of the inputs and weights.

        Strict inference raises an exception for an error that it finds; otherwise it goes on as far
        as it can.
        """
        for value, declared in zip(self._bare.graph.input, self.graph.inputs, strict=False):
            dims = value.type.tensor_type.shape.dim
            for dim, size in zip(dims, shape_of(declared, batch, sizes), strict=True):
                dim.dim_value = size
        inferred = onnx.shape_inference.infer_shapes(
            self._bare, check_type=strict, strict_mode=strict, data_prop=True
        ).graph
        return _shapes((*inferred.value_info, *inferred.output, *inferred.input))

    def macs(self, inferred: Shapes, arrays: dict[str, np.ndarray]) -> dict[str, int]:
        """The multiply-accumulates of the model's nodes for one sample, by layer.

        They follow from the definition of each operator and the shapes. These are the inferred
        ones; if a size is open there, the shape of onnxruntime's array.
        """
        shapes = {k: list(v.shape) for k, v in arrays.items()}
        shapes |= {k: v for k, v in inferred.items() if 0 not in v}
        squaring = {n.name for n in self.graph.nodes if n.op.squares}
        nodes = [(n, layer_of(n)) for n in self.model.graph.node]
        # In a layer that sums squares, each `Mul` computes the squares.
        squares = {id(n) for n, layer in nodes if n.op_type == "Mul" and layer in squaring}
        nodes = [(n, layer) for n, layer in nodes if n.op_type in MULTIPLIED or id(n) in squares]
        if any(
            name and name not in shapes for node, _ in nodes for name in (*node.input, *node.output)
        ):
            inside = self._inferred_inside(arrays)
            shapes |= {k: v for k, v in inside.items() if k not in shapes and 0 not in v}
        counts: dict[str, int] = {}
        producers = {n.output[0]: n for n in self.model.graph.node}
        for node, layer in nodes:
            if id(node) in squares:
                count = prod(shapes[node.output[0]])
            else:
                count = _macs(node, shapes, producers)
            counts[layer] = counts.get(layer, 0) + count
        return counts

    def _inferred_inside(self, arrays: dict[str, np.ndarray]) -> Shapes:
        """The shapes that ONNX infers inside layers from the shapes of the layers' values."""
        bare = onnx.ModelProto()
        bare.CopyFrom(self._bare)
        inputs = {v.name for v in bare.graph.input}
        del bare.graph.output[:]
        bare.graph.output.extend(
            helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
            for k, v in arrays.items()
            if k not in inputs
        )
        inferred = onnx.shape_inference.infer_shapes(bare, data_prop=True).graph
        return _shapes(inferred.value_info)

    def session(
        self, arrays: dict[str, np.ndarray], *, threads: int = 0
    ) -> onnxruntime.InferenceSession:
        """A session of the model in which the value of every layer is an output.

        The session uses the memory of the weights in `arrays` and does not copy it. They have their
        names in checkpoints.
        """
        weights = {name: arrays[source] for name, source in self.stored.items()}
        made = [v for n in self.graph.nodes if n.aux is None for v in n.outputs]
        values = {self.tensor[id(v)]: v.type.dtype for v in made}
        # Constants that are computed early would be a second copy of the weights of each `dense`.
        return _session(self.model, weights, values, threads, without=["ConstantFolding"])

    def run(
        self, session: onnxruntime.InferenceSession, inputs: dict[int, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """The inputs and all outputs of a session, by name."""
        arrays = {v.name: inputs[id(v)] for v in self.graph.inputs}
        names = [o.name for o in session.get_outputs()]
        fed = {i.name: arrays[i.name] for i in session.get_inputs()}
        return arrays | dict(zip(names, session.run(names, fed), strict=True))

    def node_named(self, text: str) -> Node | None:
        """The node of the graph that a message of onnxruntime or onnx names as the one that fails.

        None if the message names no node that belongs to a layer.
        """
        layers = {n.name: layer_of(n) for n in self.model.graph.node if layer_of(n)}
        for pattern in NAMED:
            for name in re.findall(pattern, text):
                if name in layers:
                    return next((n for n in self.graph.nodes if n.name == layers[name]), None)
        return None


class ExportedSide:
    """The model as `netdsl export` writes it: batch norms are folded into the layers before them.

    `folded` has the batch norm that each of these layers contains, by the layer's name. `tensor` is
    as in `OnnxSide`.
    """

    def __init__(self, side: OnnxSide, arrays: dict[str, np.ndarray]) -> None:
        built = skeleton(side.graph, Form(fold=True))
        self.model = as_onnx(built)
        self.arrays = {}
        for name, stored in built.stored.items():
            if stored.norm is None:
                self.arrays[name] = arrays[stored.source]
            else:
                chunks = stored_chunks(stored, built.params, lambda n, _: [arrays[n]])
                flat = [np.asarray(chunk, np.float32).reshape(-1) for chunk in chunks]
                self.arrays[name] = np.concatenate(flat).reshape(stored.param.shape)
        nodes = {n.name: n for n in side.graph.nodes}
        self.folded: dict[str, Node] = {}
        for node in self.model.graph.node:
            metadata = {p.key: p.value for p in node.metadata_props}
            if "netdsl.folded" in metadata:
                self.folded[metadata[LAYER]] = nodes[metadata["netdsl.folded"]]
        # A folded layer may consist of other nodes than in `OnnxSide`, with other names of values.
        last = _last(self.model)
        last |= {norm.name: last[name] for name, norm in self.folded.items()}
        self.tensor = _tensors(side.graph, self.model, last)

    def session(self, wanted: dict[str, str], *, threads: int = 0) -> onnxruntime.InferenceSession:
        """A session in which these inner values, with their element types, are outputs too."""
        return _session(self.model, self.arrays, wanted, threads)


def _last(model: onnx.ModelProto) -> dict[str, str]:
    """The output of the last node of each layer, by the layer's name."""
    return {layer_of(n): n.output[0] for n in model.graph.node if layer_of(n)}


def _tensors(graph: Graph, model: onnx.ModelProto, last: dict[str, str]) -> dict[int, str]:
    """The name of each value in the model, by the value's id. `last` is as `_last` returns it."""
    names = {id(v): v.name for v in graph.inputs}
    marked = {(layer_of(n), result_of(n)): n.output[0] for n in model.graph.node if result_of(n)}
    for node in graph.nodes:
        if node.aux is None:
            # A layer that only acts in training has no ONNX node: its value is its input's.
            names[id(node.output)] = last.get(node.name, names[id(node.inputs[0])])
            for name, value in node.results.items():
                names[id(value)] = marked[node.name, name]
    return names


def _session(
    model: onnx.ModelProto,
    arrays: dict[str, np.ndarray],
    values: dict[str, str],
    threads: int,
    *,
    without: Sequence[str] = (),
) -> onnxruntime.InferenceSession:
    """A session with these weights and outputs, without some of onnxruntime's optimisations."""
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    for name, array in arrays.items():
        tensor = whole.graph.initializer.add(
            name=name,
            data_type=onnx.TensorProto.FLOAT,
            dims=array.shape,
            data_location=onnx.TensorProto.EXTERNAL,
        )
        tensor.external_data.add(key="location", value="memory")
    known = {v.name for v in (*whole.graph.input, *whole.graph.output)}
    for name, dtype in values.items():
        if name not in known:
            whole.graph.output.add(name=name).type.tensor_type.elem_type = ELEMENT[dtype]
    options = quiet_options()
    options.intra_op_num_threads = threads
    options.enable_mem_pattern = False
    options.enable_cpu_mem_arena = False
    options.add_external_initializers(
        list(arrays), [onnxruntime.OrtValue.ortvalue_from_numpy(a) for a in arrays.values()]
    )
    return onnxruntime.InferenceSession(
        whole.SerializeToString(),
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=list(without),
    )


def _shapes(values: Iterable[onnx.ValueInfoProto]) -> Shapes:
    """The shapes of those values that have one."""
    return {
        v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in values
        if v.type.tensor_type.HasField("shape")
    }


def _macs(node: onnx.NodeProto, shapes: Shapes, producers: dict[str, onnx.NodeProto]) -> int:
    """The multiply-accumulates of one node; `producers` has the node that makes each value."""
    w, y = shapes[node.input[1]], shapes[node.output[0]]
    if node.op_type == "Conv":
        source = producers.get(node.input[1])
        if source is not None and source.op_type == "ScatterND":
            # A kernel with zeros between maps that are not connected: only the others count.
            return prod(y[2:]) * prod(shapes[source.input[2]])
        return prod(y) * prod(w[1:])  # its input may be padded at run time, so that it has no shape
    x = shapes[node.input[0]]
    if node.op_type == "ConvTranspose":
        return prod(x) * prod(w[1:])
    if node.op_type in ("Gemm", "MatMul"):
        return prod(y) * x[-1]
    return x[0] * x[1] * (prod(w) + prod(shapes[node.input[2]]))  # T x N steps of W x + R h
