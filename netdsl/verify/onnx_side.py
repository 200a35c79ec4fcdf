"""ONNX: the model that is exported, with every value as an output; ONNX's own inference; onnxruntime."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import onnx
import onnxruntime
from onnx import helper

from netdsl.backends.onnx import ELEMENT, skeleton

if TYPE_CHECKING:
    import numpy as np

    from netdsl.ir.graph import Graph, Node

Shape = tuple[int, ...]
MULTIPLIED = {"Conv", "ConvTranspose", "Gemm", "MatMul", "RNN", "LSTM", "GRU"}


class OnnxSide:
    """The model of a graph, and where each node's value stands in it."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        made = skeleton(graph)
        self.params = made.params
        self.model = made.model
        self.outputs = [o.name for o in made.model.graph.output]
        last = {p.value: n.output[0] for n in made.model.graph.node for p in n.metadata_props if p.key == "netdsl.layer"}
        self.tensor: dict[int, str] = {id(v): v.name for v in graph.inputs}
        for node in graph.nodes:
            if node.aux is None:  # what acts in training alone has no node of its own: its value is its input's
                self.tensor[id(node.output)] = last.get(node.name, self.tensor[id(node.inputs[0])])
        self._bare = onnx.ModelProto()
        self._bare.CopyFrom(made.model)
        self._bare.graph.input.extend(helper.make_tensor_value_info(k, made.element, p.shape) for k, p in made.params.items())
        for value in self._bare.graph.output:
            value.type.tensor_type.ClearField("shape")

    def infer(self, batch: int, sizes: dict[str, int]) -> dict[str, list[int]]:
        """The shapes that ONNX's strict inference finds by itself, constants propagated; 0 stands for a size that it leaves open."""
        for value, declared in zip(self._bare.graph.input, self.graph.inputs, strict=False):
            dims = value.type.tensor_type.shape.dim
            for dim, size in zip(dims, (batch, *(d if isinstance(d, int) else d.at(sizes) for d in declared.type.shape)), strict=True):
                dim.dim_value = size
        inferred = onnx.shape_inference.infer_shapes(self._bare, check_type=True, strict_mode=True, data_prop=True).graph
        return {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in (*inferred.value_info, *inferred.output, *inferred.input) if v.type.tensor_type.HasField("shape")}

    def macs(self, shapes: dict[str, list[int]]) -> dict[str, int]:
        """The multiply-accumulates of the model's nodes for one sample, by layer: the product that each operator's definition gives for these shapes."""
        found: dict[str, int] = {}
        maker = {n.output[0]: n for n in self.model.graph.node}
        for node in self.model.graph.node:
            layer = {p.key: p.value for p in node.metadata_props}
            count = _macs(node, shapes, maker) if node.op_type in MULTIPLIED else 0
            if layer.get("netdsl.kind") == "rbf" and node.op_type == "Mul":
                count = prod(shapes[node.output[0]])  # distances: each square is a product
            if count:
                found[layer["netdsl.layer"]] = found.get(layer["netdsl.layer"], 0) + count
        return found

    def session(self, arrays: dict[str, np.ndarray], *, threads: int = 0, inner: bool = True) -> onnxruntime.InferenceSession:
        """A session of the model with these weights, which it shares; with every inner value as an output unless `inner` is false."""
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        for name, param in self.params.items():
            tensor = model.graph.initializer.add(name=name, data_type=onnx.TensorProto.FLOAT, dims=param.shape, data_location=onnx.TensorProto.EXTERNAL)
            tensor.external_data.add(key="location", value="memory")
        known = {*self.outputs, *(v.name for v in self.graph.inputs)}
        for node in self.graph.nodes if inner else ():
            name = self.tensor.get(id(node.output), "")
            if name and name not in known:
                known.add(name)
                model.graph.output.add(name=name).type.tensor_type.elem_type = ELEMENT[node.type.dtype]
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = threads
        options.enable_mem_pattern = False
        options.enable_cpu_mem_arena = False
        needed = list(self.params)
        options.add_external_initializers(needed, [onnxruntime.OrtValue.ortvalue_from_numpy(arrays[n]) for n in needed])
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def run(self, session: onnxruntime.InferenceSession, inputs: dict[int, np.ndarray]) -> dict[str, np.ndarray]:
        """Every output of a session by name, and the inputs."""
        feed = {v.name: inputs[id(v)] for v in self.graph.inputs}
        names = [o.name for o in session.get_outputs()]
        taken = {i.name for i in session.get_inputs()}
        return {**feed, **dict(zip(names, session.run(names, {k: v for k, v in feed.items() if k in taken}), strict=True))}

    def node_named(self, text: str) -> Node | None:
        """The node of the graph whose ONNX nodes a message of onnxruntime or onnx names."""
        for made in self.model.graph.node:
            if made.name and any(f"{quote[0]}{made.name}{quote[1]}" in text for quote in ("''", "()", '""')):
                layer = next((p.value for p in made.metadata_props if p.key == "netdsl.layer"), None)
                return next((n for n in self.graph.nodes if n.name == layer), None)
        return None


def _macs(node: onnx.NodeProto, shapes: dict[str, list[int]], maker: dict[str, Any]) -> int:
    x, w, y = shapes[node.input[0]], shapes[node.input[1]], shapes.get(node.output[0], [])
    if node.op_type == "Conv":
        source = maker.get(node.input[1])
        if source is not None and source.op_type == "ScatterND":  # zero where maps are not connected: those are no products
            return prod(y[2:]) * prod(shapes[source.input[2]])
        return prod(y) * prod(w[1:])
    if node.op_type == "ConvTranspose":
        return prod(x) * prod(w[1:])
    if node.op_type in ("Gemm", "MatMul"):
        return prod(y) * x[-1]
    return x[0] * x[1] * (prod(w) + prod(shapes[node.input[2]]))  # T x N steps of W x + R h
