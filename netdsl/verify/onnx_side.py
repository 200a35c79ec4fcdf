"""ONNX: the model that is exported, with every value as an output; ONNX's own inference;
onnxruntime.
"""

from __future__ import annotations

import re
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper

from netdsl.backends.onnx.fold import stored_chunks
from netdsl.backends.onnx.form import Form
from netdsl.backends.onnx.graph import skeleton
from netdsl.backends.onnx.precision import ELEMENT
from netdsl.runtime.quiet import quiet_options

if TYPE_CHECKING:
    from netdsl.ir.graph import Graph, Node

# How onnxruntime and onnx name a node.
NAMED = (
    r'In Node, \("([^"]+)"',
    r"node name: ([^)]+)\)",
    r"Name:'([^']+)'",
    r"[Nn]ode:? ?[('\"]([^)'\"]+)[)'\"]",
)
MULTIPLIED = {"Conv", "ConvTranspose", "Gemm", "MatMul", "RNN", "LSTM", "GRU"}


class OnnxSide:
    """The model of a graph, and where each node's value stands in it."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        made = skeleton(graph)
        self.params = made.params
        self.model = made.model
        self.outputs = [o.name for o in made.model.graph.output]
        self.tensor = _tensors(graph, _last(made.model))
        self._bare = onnx.ModelProto()
        self._bare.CopyFrom(made.model)
        self._bare.graph.input.extend(
            helper.make_tensor_value_info(k, made.element, p.shape) for k, p in made.params.items()
        )
        for value in self._bare.graph.output:
            value.type.tensor_type.ClearField("shape")

    def infer(
        self, batch: int, sizes: dict[str, int], *, strict: bool = True
    ) -> dict[str, list[int]]:
        """The shapes that ONNX's inference finds by itself, constants propagated; 0 stands for a
        size that it leaves open.

        Strict inference raises what it finds wrong; the other goes on as far as it can.
        """
        for value, declared in zip(self._bare.graph.input, self.graph.inputs, strict=False):
            dims = value.type.tensor_type.shape.dim
            for dim, size in zip(
                dims,
                (batch, *(d if isinstance(d, int) else d.at(sizes) for d in declared.type.shape)),
                strict=True,
            ):
                dim.dim_value = size
        inferred = onnx.shape_inference.infer_shapes(
            self._bare, check_type=strict, strict_mode=strict, data_prop=True
        ).graph
        return {
            v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
            for v in (*inferred.value_info, *inferred.output, *inferred.input)
            if v.type.tensor_type.HasField("shape")
        }

    def macs(self, inferred: dict[str, list[int]], made: dict[str, np.ndarray]) -> dict[str, int]:
        """The multiply-accumulates of the model's nodes for one sample, by layer: the product that
        each operator's definition gives for these shapes.

        The shapes are those that ONNX infers, and onnxruntime's for what it leaves open.
        """
        shapes = {k: list(v.shape) for k, v in made.items()} | {
            k: v for k, v in inferred.items() if 0 not in v
        }
        squaring = {n.name for n in self.graph.nodes if n.op.squares}
        nodes = [(n, _layer(n)) for n in self.model.graph.node]
        # In a layer of squares, each multiplication makes the squares of differences.
        squares = {id(n) for n, layer in nodes if n.op_type == "Mul" and layer in squaring}
        nodes = [(n, layer) for n, layer in nodes if n.op_type in MULTIPLIED or id(n) in squares]
        if any(
            name and name not in shapes for node, _ in nodes for name in (*node.input, *node.output)
        ):
            shapes |= {k: v for k, v in self._from(made).items() if k not in shapes and 0 not in v}
        found: dict[str, int] = {}
        maker = {n.output[0]: n for n in self.model.graph.node}
        for node, layer in nodes:
            if id(node) in squares:
                count = prod(shapes[node.output[0]])
            else:
                count = _macs(node, shapes, maker)
            found[layer] = found.get(layer, 0) + count
        return found

    def _from(self, made: dict[str, np.ndarray]) -> dict[str, list[int]]:
        """What ONNX infers of the values inside a layer once the layers' own shapes are known."""
        bare = onnx.ModelProto()
        bare.CopyFrom(self._bare)
        inputs = {v.name for v in bare.graph.input}
        del bare.graph.output[:]
        bare.graph.output.extend(
            helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
            for k, v in made.items()
            if k not in inputs
        )
        inferred = onnx.shape_inference.infer_shapes(bare, data_prop=True).graph
        return {
            v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
            for v in inferred.value_info
            if v.type.tensor_type.HasField("shape")
        }

    def session(
        self, arrays: dict[str, np.ndarray], *, threads: int = 0
    ) -> onnxruntime.InferenceSession:
        """A session of the model with these weights, which it shares; every inner value is an
        output.
        """
        values = {
            self.tensor[id(n.output)]: n.type.dtype for n in self.graph.nodes if n.aux is None
        }
        return _session(self.model, arrays, values, threads)

    def run(
        self, session: onnxruntime.InferenceSession, inputs: dict[int, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Every output of a session by name, and the inputs."""
        feed = {v.name: inputs[id(v)] for v in self.graph.inputs}
        names = [o.name for o in session.get_outputs()]
        taken = {i.name for i in session.get_inputs()}
        return {
            **feed,
            **dict(
                zip(
                    names,
                    session.run(names, {k: v for k, v in feed.items() if k in taken}),
                    strict=True,
                )
            ),
        }

    def node_named(self, text: str) -> Node | None:
        """The node of the graph whose ONNX node a message of onnxruntime or onnx names as the one
        that fails.
        """
        layers = {
            n.name: p.value
            for n in self.model.graph.node
            for p in n.metadata_props
            if p.key == "netdsl.layer"
        }
        for pattern in NAMED:
            for name in re.findall(pattern, text):
                if name in layers:
                    return next((n for n in self.graph.nodes if n.name == layers[name]), None)
        return None


class ExportedSide:
    """The model as `netdsl export` writes it, batch norms folded, with the numbers that they are
    folded to.
    """

    def __init__(self, side: OnnxSide, arrays: dict[str, np.ndarray]) -> None:
        made = skeleton(side.graph, Form(fold=True))
        self.model = made.model
        self.arrays = {
            name: (
                np.concatenate(
                    [
                        np.asarray(c, np.float32).reshape(-1)
                        for c in stored_chunks(stored, made.params, lambda n, _: [arrays[n]])
                    ]
                ).reshape(stored.param.shape)
                if stored.norm
                else arrays[name]
            )
            for name, stored in made.stored.items()
        }
        nodes = {n.name: n for n in side.graph.nodes}
        self.folded: dict[str, Node] = {}  # the batch norm of a layer by the layer's name
        for node in made.model.graph.node:
            told = {p.key: p.value for p in node.metadata_props}
            if "netdsl.folded" in told:
                self.folded[told["netdsl.layer"]] = nodes[told["netdsl.folded"]]
        # A layer may be written otherwise here, its inner values named as the whole layer was.
        last = _last(made.model)
        self.tensor = _tensors(
            side.graph, last | {norm.name: last[name] for name, norm in self.folded.items()}
        )

    def session(self, wanted: dict[str, str], *, threads: int = 0) -> onnxruntime.InferenceSession:
        """A session of the model with those inner values (name and element type) as outputs too."""
        return _session(self.model, self.arrays, wanted, threads)


def _last(model: onnx.ModelProto) -> dict[str, str]:
    """What the last node of each layer makes, by the layer's name."""
    return {
        p.value: n.output[0]
        for n in model.graph.node
        for p in n.metadata_props
        if p.key == "netdsl.layer"
    }


def _tensors(graph: Graph, last: dict[str, str]) -> dict[int, str]:
    """The name of every value of a graph, by its `id`, where `last` has that of each layer."""
    names = {id(v): v.name for v in graph.inputs}
    for node in graph.nodes:
        if (
            node.aux is None
        ):  # what acts in training alone has no node of its own: its value is its input's
            names[id(node.output)] = last.get(node.name, names[id(node.inputs[0])])
    return names


def _session(
    model: onnx.ModelProto, arrays: dict[str, np.ndarray], values: dict[str, str], threads: int
) -> onnxruntime.InferenceSession:
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
        whole.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _layer(node: onnx.NodeProto) -> str:
    """The name of the layer that a node belongs to."""
    return next((p.value for p in node.metadata_props if p.key == "netdsl.layer"), "")


def _macs(node: onnx.NodeProto, shapes: dict[str, list[int]], maker: dict[str, Any]) -> int:
    x, w, y = shapes[node.input[0]], shapes[node.input[1]], shapes[node.output[0]]
    if node.op_type == "Conv":
        source = maker.get(node.input[1])
        if (
            source is not None and source.op_type == "ScatterND"
        ):  # zero where maps are not connected: those are no products
            return prod(y[2:]) * prod(shapes[source.input[2]])
        return prod(y) * prod(w[1:])
    if node.op_type == "ConvTranspose":
        return prod(x) * prod(w[1:])
    if node.op_type in ("Gemm", "MatMul"):
        return prod(y) * x[-1]
    return x[0] * x[1] * (prod(w) + prod(shapes[node.input[2]]))  # T x N steps of W x + R h
