"""Graph to an ONNX model, written directly.

The batch is open unless the form fixes it, weights have the names of checkpoints, and each node has
the line of the text that it comes from. Only the inference graph is written, without auxiliary
heads and without layers that act only in training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.backends.onnx import lrn
from netdsl.backends.onnx.elements import ELEMENT
from netdsl.backends.onnx.emitter import GraphEmitter
from netdsl.backends.onnx.fold import Stored, fold, plain
from netdsl.backends.onnx.form import Form
from netdsl.backends.onnx.functions import DOMAIN, group
from netdsl.backends.onnx.make import entry, make_node, make_value_info, operator_sets
from netdsl.backends.onnx.pixels import is_resized, prepare
from netdsl.backends.onnx.proto import GraphProto, ModelProto
from netdsl.backends.place import at
from netdsl.ir.graph import Scope
from netdsl.ir.lowering import TypedName
from netdsl.ir.types import Sym

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from netdsl.backends.onnx.proto import FunctionProto, NodeProto, ValueInfoProto
    from netdsl.ir.graph import Graph, Node, Value
    from netdsl.ir.op import Param
    from netdsl.ir.types import TensorType

IR_VERSION = 10


class Skeleton:
    """A model without the numbers of its weights, which is small whatever the size of the net.

    `params` are the tensors that a checkpoint must have. `stored` are those of the file, which
    differ from them if batch norms are folded.
    """

    def __init__(
        self,
        model: ModelProto,
        params: dict[str, Param],
        stored: dict[str, Stored],
        dtype: str = "float32",
    ) -> None:
        self.model = model
        self.params = params
        self.stored = stored
        self.dtype = dtype

    @property
    def element(self) -> int:
        """ONNX's number of the type of the weights."""
        return ELEMENT[self.dtype]

    @property
    def item(self) -> int:
        """The size in bytes of one number of the weights."""
        return 4 if self.dtype == "float32" else 2


def skeleton(
    graph: Graph, form: Form | None = None, *, metadata: Mapping[str, str] | None = None
) -> Skeleton:
    """Write the graph without weights.

    Raises `NetdslError` for a graph that ONNX cannot represent, and for a net that does not take
    pictures if the form has `pixels`.
    """
    form = form or Form()
    emitter = GraphEmitter(form.opset, form.dtype)
    names = _inputs(graph, emitter, form)
    for node in graph.nodes:
        if node.aux is None:
            taken = [names[id(v)] for v in node.taken]
            emitter.begin(node, taken)
            with at(node.output):
                result = _lower(node, emitter, form, taken[: len(node.inputs)])
            names[id(node.output)] = TypedName.of(result, node.output.type)
            for name, value in node.results.items():
                names[id(value)] = TypedName.of(emitter.made[name], value.type)
    if form.fold:
        results = {str(names[id(output.value)]) for output in graph.outputs}
        stored = fold(emitter.nodes, emitter.params, results)
    else:
        stored = plain(emitter.params)
    outer = {value.name for value in graph.inputs} | {output.name for output in graph.outputs}
    stored = _rename_tensors(emitter, stored, outer)
    _rename_outputs(graph, emitter, names, outer)
    if form.keep_io:
        _widen_outputs(graph, emitter)
    model = _model(graph, emitter, form, metadata or {})
    inner = {str(names[id(v)]): v for n in graph.nodes if n.aux is None for v in n.outputs}
    _add_value_info(model, inner, form)
    return Skeleton(model, emitter.params, stored, form.dtype)


def _lower(node: Node, emitter: GraphEmitter, form: Form, inputs: list[TypedName]) -> str:
    """Add the nodes of a layer; returns the name of the result."""
    if form.fold and lrn.applies(node.op, node.type, form.dtype):
        return lrn.emit(emitter, node.op, inputs[0], node.type)
    return node.op.onnx(emitter, *inputs)


def _inputs(graph: Graph, emitter: GraphEmitter, form: Form) -> dict[int, TypedName]:
    """The names of the inputs as layers take them, by the `id` of the values.

    Adds the nodes that prepare pictures and convert inputs to the model's type.
    """
    names: dict[int, TypedName] = {}
    for value in graph.inputs:
        name = value.name
        if form.pixels is not None and value is graph.inputs[0]:
            with at(value):
                name = prepare(emitter, value, form.pixels, ELEMENT[form.dtype])
        elif form.keep_io and form.dtype != "float32" and value.type.dtype == "float32":
            emitter.begin_at(value.name, "cast", value.site)
            name = emitter.op("Cast", value.name, to=ELEMENT[form.dtype])
        names[id(value)] = TypedName.of(name, value.type)
    return names


# ---- the model


def _model(
    graph: Graph, emitter: GraphEmitter, form: Form, metadata: Mapping[str, str]
) -> ModelProto:
    outer = "float32" if form.keep_io else form.dtype
    batch = form.batch or "N"
    inputs = [_value_info(value.name, value.type, outer, batch) for value in graph.inputs]
    if form.pixels is not None:
        inputs[0] = _picture_info(graph.inputs[0], batch)
    functions: list[FunctionProto] = []
    scopes = _lrn_functions(graph, form)
    if form.functions:
        scopes += graph.scopes.values()
    if scopes:
        names = {output.name for output in graph.outputs}
        functions = group(emitter.nodes, scopes, names, form.opset)
    whole = GraphProto(
        node=emitter.nodes,
        name=graph.name,
        initializer=emitter.constants.values(),
        doc_string=graph.doc or None,
        input=inputs,
        output=[_value_info(o.name, o.value.type, outer, batch) for o in graph.outputs],
    )
    return ModelProto(
        ir_version=IR_VERSION,
        producer_name="netdsl",
        graph=whole,
        opset_import=operator_sets(form.opset, *([DOMAIN] if functions else [])),
        metadata_props=[entry(*item) for item in {**_properties(graph, form), **metadata}.items()],
        functions=functions,
    )


def _add_value_info(model: ModelProto, inner: Mapping[str, Value], form: Form) -> None:
    """Record the types of the results of layers, which viewers show on the arrows."""
    made = {name for node in model.graph.node for name in node.output}
    made -= {output.name for output in model.graph.output}
    model.graph.value_info.extend(
        _value_info(name, value.type, form.dtype, form.batch or "N")
        for name, value in inner.items()
        if name in made
    )


def _lrn_functions(graph: Graph, form: Form) -> list[Scope]:
    """A scope for each local response normalisation that is written as several nodes."""
    scopes = []
    for node in graph.nodes:
        if node.aux is None and form.fold and lrn.applies(node.op, node.type, form.dtype):
            scope = Scope(node.name)
            scope.kind, scope.site, scope.members = "lrn", node.output.site, [node]
            scopes.append(scope)
    return scopes


def _properties(graph: Graph, form: Form) -> dict[str, str]:
    properties = {"netdsl.net": graph.name, "netdsl.source": graph.site.span.file.name}
    if form.dtype != "float32":
        properties["netdsl.dtype"] = form.dtype
    return properties


def _value_info(name: str, type_: TensorType, dtype: str, batch: int | str) -> ValueInfoProto:
    element = ELEMENT[dtype if type_.dtype == "float32" else type_.dtype]
    return _tensor_info(name, element, (batch, *type_.shape))


def _picture_info(value: Value, batch: int | str) -> ValueInfoProto:
    """An input that takes pictures as bytes."""
    type_ = value.type
    sizes: tuple[str | int | Sym, ...] = type_.spatial
    if is_resized(type_):
        sizes = ("height", "width")
    return _tensor_info(value.name, ELEMENT["uint8"], (batch, *sizes, type_.channels))


def _tensor_info(name: str, element: int, shape: tuple[str | int | Sym, ...]) -> ValueInfoProto:
    dims = [str(d) if isinstance(d, Sym) else d for d in shape]
    return make_value_info(name, element, dims)


# ---- the outputs


def _rename_tensors(
    emitter: GraphEmitter, stored: dict[str, Stored], taken: set[str]
) -> dict[str, Stored]:
    """Give a tensor another name in the file if its own is that of an input or output.

    Only a `param` or a `const` at the top of a net can have such a name.
    """
    renamed = {name: f"{name}/stored" for name in emitter.params if name in taken}
    if not renamed:
        return stored
    for node in emitter.nodes:
        for i, name in enumerate(node.input):
            node.input[i] = renamed.get(name, name)
    for tensor in emitter.constants.values():
        tensor.name = renamed.get(tensor.name, tensor.name)
    return {renamed.get(name, name): tensor for name, tensor in stored.items()}


def _rename_outputs(
    graph: Graph, emitter: GraphEmitter, names: dict[int, TypedName], taken: set[str]
) -> None:
    """Give the graph's outputs their names.

    An inner value that happens to have one of the names in `taken` gets another one.
    """
    inputs = {value.name for value in graph.inputs}
    renamed: dict[str, str] = {}
    copies = []  # of inputs, and of values that are outputs more than once
    for output in graph.outputs:
        name = str(names[id(output.value)])
        if name in inputs or name in renamed:
            copies.append((renamed.get(name, name), output.name))
        else:
            renamed[name] = output.name
    results = set(renamed)
    for node in emitter.nodes:
        for name in node.output:
            if name not in results and name in taken:
                renamed[name] = f"{name}/value"
    of_inputs = inputs - results
    for node in emitter.nodes:
        # The name of an input means the input, except in a node that makes a value of that name.
        _rename(node, renamed, kept=of_inputs.difference(node.output))
    for source, target in copies:
        emitter.nodes.append(make_node("Identity", [source], [target], target))


def _widen_outputs(graph: Graph, emitter: GraphEmitter) -> None:
    """Give the outputs as float32, whatever the model computes in."""
    wide = {o.name: f"{o.name}/narrow" for o in graph.outputs if o.value.type.dtype == "float32"}
    for node in emitter.nodes:
        _rename(node, wide)
    emitter.nodes.extend(
        make_node("Cast", [narrow], [name], f"{name}/wide", to=ELEMENT["float32"])
        for name, narrow in wide.items()
    )


def _rename(node: NodeProto, names: Mapping[str, str], kept: Collection[str] = ()) -> None:
    """Replace the names of values that a node takes and makes, except those to be kept."""
    for values in (node.input, node.output):
        for i, name in enumerate(values):
            if name in names and name not in kept:
                values[i] = names[name]
