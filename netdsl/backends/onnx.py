"""Graph to ONNX, written directly: dynamic batch, initialisers under the checkpoint names, each node with its line of the text.

Only the inference graph is written: auxiliary heads and training-only layers are gone.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import onnx
from onnx import TensorProto, helper

from netdsl.ir.types import Sym
from netdsl.ops.base import OpError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from netdsl.ir.graph import Graph, Node, Value
    from netdsl.ir.types import TensorType
    from netdsl.ops.base import Param

OPSET = 20
OPSETS = range(18, 24)
IR_VERSION = 10
ELEMENT = {
    "float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "float64": TensorProto.DOUBLE, "int64": TensorProto.INT64,
    "int32": TensorProto.INT32, "bool": TensorProto.BOOL, "uint8": TensorProto.UINT8,
}  # fmt: skip


class Tensor(str):
    """The name of a value in the graph, with its type where the layer may ask for it."""

    __slots__ = ("type",)

    type: TensorType


class Emitter:
    """Handed to `Op.onnx`: makes nodes, constants and the names of weights."""

    def __init__(self, opset: int, *, half: bool = False) -> None:
        self.opset = opset
        self._float = TensorProto.FLOAT16 if half else TensorProto.FLOAT
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[tuple[Any, ...], onnx.TensorProto] = {}
        self.params: dict[str, Param] = {}
        self._node: Node | None = None
        self._place = ""
        self._count = 0

    def begin(self, node: Node) -> None:
        """Emit for this layer from now on."""
        self._node = node
        first = node.span.first
        self._place = f"{node.span.file.name}:{first.line}"
        self._count = 0

    def op(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """Add a node; returns the name of its result."""
        assert self._node is not None
        suffix = f"/{op_type}_{self._count}" if self._count else ""
        self._count += 1
        name = f"{self._node.name}{suffix}"
        made = helper.make_node(op_type, list(inputs), [name], name=name, **attributes)
        for key, value in (("netdsl.line", self._place), ("netdsl.layer", self._node.name), ("netdsl.kind", self._node.op.kind)):
            made.metadata_props.add(key=key, value=value)
        self.nodes.append(made)
        return name

    def param(self, name: str) -> str:
        """The initialiser of a weight or buffer of this layer."""
        assert self._node is not None
        full = f"{self._node.module}.{name}"
        if full not in self.params:
            self.params[full] = (self._node.params() | self._node.buffers())[name]
        return full

    def ints(self, values: Sequence[int]) -> str:
        """A constant of 64-bit integers."""
        return self._constant(TensorProto.INT64, (len(values),), tuple(values))

    def floats(self, values: float | Sequence[float]) -> str:
        """A constant of floats: a scalar, or a vector."""
        if isinstance(values, (int, float)):
            return self._constant(self._float, (), (float(values),))
        return self._constant(self._float, (len(values),), tuple(values))

    def scales(self, values: Sequence[float]) -> str:
        """A constant vector that is float32 whatever the model's precision, as `Resize` wants its factors."""
        return self._constant(TensorProto.FLOAT, (len(values),), tuple(values))

    def _constant(self, kind: int, shape: tuple[int, ...], values: tuple[Any, ...]) -> str:
        key = (kind, shape, values)
        if key not in self.constants:
            self.constants[key] = helper.make_tensor(f"constant/{len(self.constants)}", kind, shape, values)
        return self.constants[key].name


class Skeleton:
    """A model without the numbers of its weights: what is left is small, whatever the net's size."""

    def __init__(self, model: onnx.ModelProto, params: dict[str, Param], *, half: bool = False) -> None:
        self.model = model
        self.params = params
        self.dtype = "<f2" if half else "<f4"
        self.element = TensorProto.FLOAT16 if half else TensorProto.FLOAT
        self.item = 2 if half else 4


def skeleton(graph: Graph, *, opset: int = OPSET, half: bool = False, metadata: dict[str, str] | None = None) -> Skeleton:
    """Write the graph but for its weights; raises `OpError` for what ONNX cannot say."""
    if opset not in OPSETS:
        raise OpError("bad-argument", f"opset {opset} is not supported; it can be {OPSETS[0]} to {OPSETS[-1]}")
    emitter = Emitter(opset, half=half)
    names: dict[int, Tensor] = {id(v): _tensor(v, v.name) for v in graph.inputs}
    taken = {v.name for v in graph.inputs} | {o.name for o in graph.outputs}
    for node in graph.nodes:
        if node.aux is not None:
            continue
        emitter.begin(node)
        result = node.op.onnx(emitter, *(names[id(v)] for v in node.inputs))
        names[id(node.output)] = _tensor(node.output, result)
    _rename_outputs(graph, emitter, names, taken)
    outputs = [_value_info(o.name, o.value.type, half=half) for o in graph.outputs]
    inputs = [_value_info(v.name, v.type, half=half) for v in graph.inputs]
    made = helper.make_graph(emitter.nodes, graph.name, inputs, outputs, list(emitter.constants.values()), doc_string=graph.doc)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=IR_VERSION, producer_name="netdsl")
    helper.set_model_props(model, {"netdsl.net": graph.name, "netdsl.source": graph.site.span.file.name, **(metadata or {})})
    return Skeleton(model, emitter.params, half=half)


def _tensor(value: Value, name: str) -> Tensor:
    made = Tensor(name)
    made.type = value.type
    return made


def _rename_outputs(graph: Graph, emitter: Emitter, names: dict[int, Tensor], taken: set[str]) -> None:
    """Give the graph's outputs their names; inner values that have such a name by chance make way."""
    wanted: dict[str, str] = {}
    extra = []
    inputs = {v.name for v in graph.inputs}
    for output in graph.outputs:
        made = str(names[id(output.value)])
        if made in inputs or made in wanted:
            extra.append((wanted.get(made, made), output.name))
        else:
            wanted[made] = output.name
    rename = dict(wanted)
    for node in emitter.nodes:
        for name in node.output:
            if name not in wanted and name in taken:
                rename[name] = f"{name}/value"
    for node in emitter.nodes:
        for field in (node.input, node.output):
            for i, name in enumerate(field):
                if name in rename and not (name in inputs and name not in node.output and name not in wanted):
                    field[i] = rename[name]
    for source, target in extra:
        emitter.nodes.append(helper.make_node("Identity", [source], [target], name=target))


def _value_info(name: str, type_: TensorType, *, half: bool) -> onnx.ValueInfoProto:
    element = TensorProto.FLOAT16 if half and type_.dtype == "float32" else ELEMENT[type_.dtype]
    dims = ["N", *(str(d) if isinstance(d, Sym) else d for d in type_.shape)]
    return helper.make_tensor_value_info(name, element, dims)


def model_of(skeleton_: Skeleton, tensors: Iterator[tuple[str, Any]]) -> onnx.ModelProto:
    """A whole model in memory from a skeleton and the numpy arrays of its weights."""
    model = onnx.ModelProto()
    model.CopyFrom(skeleton_.model)
    for name, array in tensors:
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    return model


def check_file(path: str | os.PathLike[str]) -> None:
    """ONNX's full check of a written model; raises `onnx.checker.ValidationError`."""
    onnx.checker.check_model(os.fspath(path), full_check=True)
