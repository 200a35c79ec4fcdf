"""Graph to ONNX, written directly: dynamic batch, initialisers under the checkpoint names, each node with its line of the text.

Only the inference graph is written: auxiliary heads and training-only layers are gone.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from netdsl.backends.onnx import lrn
from netdsl.backends.onnx.fold import Stored, fold, plain
from netdsl.backends.onnx.form import Form
from netdsl.backends.onnx.functions import DOMAIN, group
from netdsl.backends.onnx.pixels import is_resized, prepare
from netdsl.backends.onnx.precision import ELEMENT, narrowed
from netdsl.backends.place import at
from netdsl.ir.types import Sym

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netdsl.ir.graph import Graph, Node, Site, Value
    from netdsl.ir.types import TensorType
    from netdsl.ops.base import Param

IR_VERSION = 10


class Tensor(str):
    """The name of a value in the graph, with its type where the layer may ask for it."""

    __slots__ = ("type",)

    type: TensorType


class Emitter:
    """Handed to `Op.onnx`: makes nodes, constants and the names of weights."""

    def __init__(self, opset: int, dtype: str = "float32") -> None:
        self.opset = opset
        self._dtype, self._float = dtype, ELEMENT[dtype]
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[tuple[Any, ...], onnx.TensorProto] = {}
        self.params: dict[str, Param] = {}
        self._node: Node | None = None
        self._name = self._kind = self._place = ""
        self._count = 0

    def begin(self, node: Node) -> None:
        """Emit for this layer from now on."""
        self.begin_at(node.name, node.op.kind, node.output.site)
        self._node = node

    def begin_at(self, name: str, kind: str, site: Site) -> None:
        """Emit under this name from now on what belongs to no layer."""
        self._node, self._name, self._kind = None, name, kind
        self._place = f"{site.span.file.name}:{site.span.first.line}"
        self._count = 0

    def op(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """Add a node; returns the name of its result."""
        suffix = f"/{op_type}_{self._count}" if self._count or self._node is None else ""
        self._count += 1
        name = f"{self._name}{suffix}"
        made = helper.make_node(op_type, list(inputs), [name], name=name, **attributes)
        for key, value in (("netdsl.line", self._place), ("netdsl.layer", self._name), ("netdsl.kind", self._kind)):
            made.metadata_props.add(key=key, value=value)
        self.nodes.append(made)
        return name

    def pad(self, x: str, pairs: Sequence[tuple[int, int]], value: str, mode: str = "constant") -> str:
        """A border around every axis but the batch's, of the (begin, end) widths given.

        With its axes given, onnxruntime leaves the border alone; else it makes it the padding of a pooling that follows, and maxima
        do not see padding. All axes are given: where a transposition goes before, it takes the border to be that of all of them.
        """
        ends = [(0, 0), *pairs]
        pads = self.ints([a for a, _ in ends] + [b for _, b in ends])
        return self.op("Pad", x, pads, value, self.ints(list(range(len(ends)))), mode=mode)

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
        narrowed(self._name, np.asarray(values, np.float32), self._dtype)  # refuses an overflow
        if isinstance(values, (int, float)):
            return self._constant(self._float, (), (float(values),))
        return self._constant(self._float, (len(values),), tuple(values))

    def scales(self, values: Sequence[float]) -> str:
        """A constant vector that is float32 whatever the model's precision, as `Resize` wants its factors."""
        return self.wide(values, (len(values),))

    def wide(self, values: Sequence[float], shape: tuple[int, ...]) -> str:
        """A constant that is float32 whatever the model's precision."""
        return self._constant(TensorProto.FLOAT, shape, tuple(values))

    def _constant(self, kind: int, shape: tuple[int, ...], values: tuple[Any, ...]) -> str:
        key = (kind, shape, values)
        if key not in self.constants:
            self.constants[key] = helper.make_tensor(f"constant/{len(self.constants)}", kind, shape, values)
        return self.constants[key].name


class Skeleton:
    """A model without the numbers of its weights: what is left is small, whatever the net's size.

    `params` are the tensors that a checkpoint must have, `stored` those of the file, which are others where something is folded.
    """

    def __init__(self, model: onnx.ModelProto, params: dict[str, Param], stored: dict[str, Stored], dtype: str = "float32") -> None:
        self.model = model
        self.params = params
        self.stored = stored
        self.dtype = dtype
        self.element = ELEMENT[dtype]
        self.item = 4 if dtype == "float32" else 2


def skeleton(graph: Graph, form: Form | None = None, *, metadata: Mapping[str, str] | None = None) -> Skeleton:
    """Write the graph without weights; raises `NetdslError` if the net cannot take pictures."""
    form = form or Form()
    emitter = Emitter(form.opset, form.dtype)
    names = _inputs(graph, emitter, form)
    for node in graph.nodes:
        if node.aux is None:
            emitter.begin(node)
            given = [names[id(v)] for v in node.inputs]
            fast = form.fold and lrn.applies(node.op, node.type, form.dtype)
            with at(node.output):
                result = lrn.emit(emitter, node.op, given[0], node.type) if fast else node.op.onnx(emitter, *given)
            names[id(node.output)] = _tensor(node.output, result)
    stored = fold(emitter.nodes, emitter.params, {str(names[id(o.value)]) for o in graph.outputs}) if form.fold else plain(emitter.params)
    _rename_outputs(graph, emitter, names, {v.name for v in graph.inputs} | {o.name for o in graph.outputs})
    if form.keep_io:
        _widen_outputs(graph, emitter)
    return Skeleton(_model(graph, emitter, form, metadata or {}), emitter.params, stored, form.dtype)


def _inputs(graph: Graph, emitter: Emitter, form: Form) -> dict[int, Tensor]:
    """The names of the graph's inputs, or of what is made of them at once."""
    names = {id(v): _tensor(v, v.name) for v in graph.inputs}
    for value in graph.inputs:
        if form.pixels is not None and value is graph.inputs[0]:
            with at(value):
                made = prepare(emitter, value, form.pixels, ELEMENT[form.dtype])
            names[id(value)] = _tensor(value, made)
        elif form.keep_io and form.dtype != "float32" and value.type.dtype == "float32":
            emitter.begin_at(value.name, "cast", value.site)
            names[id(value)] = _tensor(value, emitter.op("Cast", value.name, to=ELEMENT[form.dtype]))
    return names


def _model(graph: Graph, emitter: Emitter, form: Form, metadata: Mapping[str, str]) -> onnx.ModelProto:
    inner = "float32" if form.keep_io else form.dtype
    outputs = [_value_info(o.name, o.value.type, inner) for o in graph.outputs]
    inputs = [_value_info(v.name, v.type, inner) for v in graph.inputs]
    if form.pixels is not None:
        first = graph.inputs[0]
        named = ("height", "width") if is_resized(first.type) else first.type.spatial
        dims: list[Any] = ["N", *(d if isinstance(d, int) else str(d) for d in named), first.type.channels]
        inputs[0] = helper.make_tensor_value_info(first.name, TensorProto.UINT8, dims)
    functions = group(emitter.nodes, graph.scopes, {o.name for o in graph.outputs}, form.opset) if form.functions else []
    made = helper.make_graph(emitter.nodes, graph.name, inputs, outputs, list(emitter.constants.values()), doc_string=graph.doc)
    model = helper.make_model(made, opset_imports=_opsets(form, functions), ir_version=IR_VERSION, functions=functions, producer_name="netdsl")
    narrow = {} if form.dtype == "float32" else {"netdsl.dtype": form.dtype}
    helper.set_model_props(model, {"netdsl.net": graph.name, "netdsl.source": graph.site.span.file.name, **narrow, **metadata})
    return model


def _opsets(form: Form, functions: list[onnx.FunctionProto]) -> list[onnx.OperatorSetIdProto]:
    return [helper.make_opsetid("", form.opset), *([helper.make_opsetid(DOMAIN, 1)] if functions else [])]


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


def _widen_outputs(graph: Graph, emitter: Emitter) -> None:
    """Give the outputs as float32, whatever the model computes in."""
    wide = {o.name: f"{o.name}/narrow" for o in graph.outputs if o.value.type.dtype == "float32"}
    for node in emitter.nodes:
        for field in (node.input, node.output):
            for i, name in enumerate(field):
                field[i] = wide.get(name, name)
    emitter.nodes.extend(helper.make_node("Cast", [narrow], [name], name=f"{name}/wide", to=TensorProto.FLOAT) for name, narrow in wide.items())


def _value_info(name: str, type_: TensorType, dtype: str) -> onnx.ValueInfoProto:
    element = ELEMENT[dtype if type_.dtype == "float32" else type_.dtype]
    dims = ["N", *(str(d) if isinstance(d, Sym) else d for d in type_.shape)]
    return helper.make_tensor_value_info(name, element, dims)


def check_file(path: str | os.PathLike[str]) -> None:
    """ONNX's full check of a written model; raises `onnx.checker.ValidationError`."""
    onnx.checker.check_model(os.fspath(path), full_check=True)
