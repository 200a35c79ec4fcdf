"""Computes what does not depend on the inputs: shapes, and numbers that follow from numbers.

Exporters write much of a network as arithmetic on sizes. With a number for every open size, ONNX's
shape inference and its reference implementation reduce this to constants.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from netdsl.errors import NetdslError
from netdsl.importers.onnx.foreign import SMALL, StoredTensor, Typed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROUNDS = 40  # of shape inference; each gets further only if a size was computed in the one before
LOOKED_UP = 4096  # rows that a lookup may read
MOST = 1 << 20  # elements of an array that is computed at once
MOST_LATER = 1 << 28  # elements of an array that is computed when its numbers are needed
RANDOM = {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli"}
RANDOM |= {"Multinomial", "If", "Loop", "Scan", "SequenceMap"}


class Constants:
    """The graph of a model in which all sizes are numbers, and what is constant in it.

    `stored` are the tensors of the model and those that follow from them, `types` the types of all
    values, and `nodes` the nodes that depend on an input. `sizes` are the shapes of the inputs.
    """

    def __init__(
        self,
        model: onnx.ModelProto,
        stored: dict[str, StoredTensor],
        sizes: Mapping[str, Sequence[int]],
    ) -> None:
        self.stored = dict(stored)
        self.opsets = {o.domain: o.version for o in model.opset_import}
        self.types: dict[str, Typed] = {}
        self.batch = next((s[0] for s in sizes.values() if s), 1)
        self._bare = _bare(model, stored, sizes)
        self.nodes = list(self._bare.graph.node)
        for _ in range(ROUNDS):
            self._infer()
            if not self._fold():
                break

    def _infer(self) -> None:
        del self._bare.graph.node[:]
        self._bare.graph.node.extend(self.nodes)
        inferred = onnx.shape_inference.infer_shapes(self._bare, data_prop=True).graph
        self.types = {}
        for value in (*inferred.value_info, *inferred.output, *inferred.input):
            tensor = value.type.tensor_type
            dims = [d.dim_value if d.HasField("dim_value") else -1 for d in tensor.shape.dim]
            if tensor.HasField("shape") and tensor.elem_type and min(dims, default=0) >= 0:
                self.types[value.name] = Typed(tuple(dims), dtype_name(tensor.elem_type))

    def _fold(self) -> bool:
        """Replace the nodes whose results are constant; whether a new one has a small result."""
        kept, is_new = [], False
        for node in self.nodes:
            branch = self._branch(node)
            if branch is not None:
                kept += branch
                is_new = True
                continue
            made = self._constant(node)
            if made is None:
                kept.append(node)
                continue
            self.stored |= made
            for name, tensor in made.items():
                is_small = prod(tensor.shape) <= SMALL
                is_new |= is_small
                _declare(self._bare, name, tensor, is_small)
        self.nodes = kept
        return is_new

    def _branch(self, node: onnx.NodeProto) -> list[onnx.NodeProto] | None:
        """The nodes of the branch of an `If` whose condition is a constant, or None."""
        if node.op_type != "If" or node.input[0] not in self.stored:
            return None
        condition = self.stored[node.input[0]].read()
        wanted = "then_branch" if condition.reshape(-1)[0] else "else_branch"
        body = next((a.g for a in node.attribute if a.name == wanted), None)
        if body is None or len(body.output) != len(node.output):
            return None
        for tensor in body.initializer:
            array = numpy_helper.to_array(tensor)
            self.stored[tensor.name] = _ready(array)
            _declare(self._bare, tensor.name, self.stored[tensor.name], is_small=True)
        ends = [
            helper.make_node("Identity", [own.name], [name])
            for own, name in zip(body.output, node.output, strict=True)
        ]
        return [*body.node, *ends]

    def _constant(self, node: onnx.NodeProto) -> dict[str, StoredTensor] | None:
        """The results of a node that depends on no input, or None."""
        if node.op_type == "Shape" and node.domain in ("", "ai.onnx"):
            return self._shape_of(node)
        if node.op_type in RANDOM or not all(n in self.stored for n in node.input if n):
            return None
        if self._is_for_samples(node) or self._is_lookup(node):
            return None
        if node.op_type == "Identity":
            return {node.output[0]: self._renamed(node)}
        if node.op_type == "Constant":
            array = _evaluate(node, {}, self.opsets)
            if array is None:
                return None
            return {node.output[0]: _ready(array[0])}
        types = [self.types.get(name) for name in node.output if name]
        if None in types or node.domain not in ("", "ai.onnx"):
            return None
        sizes = [prod(t.shape) for t in types if t is not None]
        if max(sizes, default=0) > MOST:
            return self._later(node, sizes)
        arrays = {n: self.stored[n].read() for n in node.input if n}
        if sum(a.size for a in arrays.values()) > MOST:
            return self._later(node, sizes)
        results = _evaluate(node, arrays, self.opsets)
        if results is None:
            return None
        name = self._source(node)
        named = zip([n for n in node.output if n], results, strict=False)
        return {n: _ready(a, name) for n, a in named}

    def _renamed(self, node: onnx.NodeProto) -> StoredTensor:
        """A copy of a tensor, which may have the name of another weight with equal numbers."""
        stored, name = self.stored[node.input[0]], node.output[0]
        if stored.name and "." in name and "/" not in name:
            return stored._replace(name=name)
        return stored

    def _source(self, node: onnx.NodeProto) -> str:
        """The name of the one tensor with axes from which a constant is computed."""
        names = {self.stored[n].name for n in node.input if n and self.stored[n].dtype == "float32"}
        if len(names) == 1:
            return names.pop()
        return ""

    def _is_for_samples(self, node: onnx.NodeProto) -> bool:
        """Whether a node repeats numbers for each sample, such as a learned token."""
        typed = self.types.get(node.output[0])
        if node.op_type != "Expand" or typed is None or typed.dtype != "float32":
            return False
        stored = self.stored[node.input[0]]
        is_one = len(stored.shape) < len(typed.shape) or stored.shape[:1] == (1,)
        return is_one and typed.shape[:1] == (self.batch,) != (1,)

    def _is_lookup(self, node: onnx.NodeProto) -> bool:
        """Whether a node reads rows of a stored matrix, as an embedding of constant integers."""
        if node.op_type != "Gather" or any(a.name == "axis" and a.i for a in node.attribute):
            return False
        table, rows = (self.stored[name] for name in node.input)
        is_short = prod(rows.shape) <= LOOKED_UP * self.batch
        return (
            table.dtype == "float32" and len(table.shape) == 2 and 0 < len(rows.shape) and is_short
        )

    def _shape_of(self, node: onnx.NodeProto) -> dict[str, StoredTensor] | None:
        shape = self.types.get(node.input[0])
        if shape is None and node.input[0] in self.stored:
            shape = Typed(self.stored[node.input[0]].shape, "")
        if shape is None:
            return None
        found = {a.name: a.i for a in node.attribute}
        part = shape.shape[found.get("start", 0) : found.get("end", len(shape.shape))]
        return {node.output[0]: _ready(np.array(part, np.int64))}

    def _later(self, node: onnx.NodeProto, sizes: list[int]) -> dict[str, StoredTensor] | None:
        """A large result of one output, which is computed when its numbers are needed."""
        if len(node.output) != 1 or max(sizes) > MOST_LATER:
            return None
        taken = {n: self.stored[n] for n in node.input if n}
        typed = self.types[node.output[0]]

        def read() -> np.ndarray:
            results = _evaluate(node, {n: s.read() for n, s in taken.items()}, self.opsets)
            if results is None:
                raise NetdslError("bad-model", f"the constant `{node.output[0]}` has no value")
            return results[0]

        return {node.output[0]: StoredTensor(self._source(node), typed.shape, typed.dtype, read)}


def dtype_name(element: int) -> str:
    """The name of an element type, such as `float32`."""
    if element == TensorProto.STRING:
        return "string"
    return str(helper.tensor_dtype_to_np_dtype(element).name)


def _bare(
    model: onnx.ModelProto, stored: Mapping[str, StoredTensor], sizes: Mapping[str, Sequence[int]]
) -> onnx.ModelProto:
    """A copy without large numbers, in which the inputs have these shapes."""
    # In versions before 4, every initialiser had to be an input too.
    bare = onnx.ModelProto(ir_version=max(4, model.ir_version))
    bare.opset_import.extend(model.opset_import)
    bare.graph.name = model.graph.name
    bare.graph.node.extend(model.graph.node)
    for value in model.graph.input:
        if value.name in sizes:
            element = value.type.tensor_type.elem_type
            shape = list(sizes[value.name])
            bare.graph.input.append(helper.make_tensor_value_info(value.name, element, shape))
    for value in model.graph.output:
        element = value.type.tensor_type.elem_type
        bare.graph.output.append(helper.make_tensor_value_info(value.name, element, None))
    for name, tensor in stored.items():
        _declare(bare, name, tensor, prod(tensor.shape) <= SMALL)
    return bare


def _declare(bare: onnx.ModelProto, name: str, tensor: StoredTensor, is_small: bool) -> None:
    """Add a constant: with its numbers if it is small, otherwise as an input."""
    if is_small:
        bare.graph.initializer.append(numpy_helper.from_array(tensor.read(), name))
        return
    element = helper.np_dtype_to_tensor_dtype(np.dtype(tensor.dtype))
    bare.graph.input.append(helper.make_tensor_value_info(name, element, tensor.shape))


def _ready(array: np.ndarray, name: str = "") -> StoredTensor:
    return StoredTensor(name, array.shape, array.dtype.name, lambda: array)


def _evaluate(
    node: onnx.NodeProto, arrays: Mapping[str, np.ndarray], opsets: dict[str, int]
) -> list[np.ndarray] | None:
    """The results of one node in ONNX's reference implementation, or None if that fails."""
    try:
        with np.errstate(all="ignore"):
            results = ReferenceEvaluator(_alone(node, opsets)).run(None, dict(arrays))
    except Exception:  # the reference raises any error of Python and NumPy
        return None
    return [np.asarray(result) for result in results]


def _alone(node: onnx.NodeProto, opsets: dict[str, int]) -> onnx.ModelProto:
    """A model of one node. For a node alone, the reference would take the newest version."""
    inputs = [onnx.ValueInfoProto(name=name) for name in dict.fromkeys(node.input) if name]
    outputs = [onnx.ValueInfoProto(name=name) for name in node.output if name]
    graph = helper.make_graph([node], "alone", inputs, outputs)
    versions = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
    return helper.make_model(graph, opset_imports=versions)
