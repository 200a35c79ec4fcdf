"""Graph to ONNX, written directly: dynamic batch, initialisers under the checkpoint names, each
node with its line of the text.

Only the inference graph is written: auxiliary heads and training-only layers are gone.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import onnx
from onnx import TensorProto, helper

from netdsl.backends.onnx import lrn
from netdsl.backends.onnx.emitter import GraphEmitter
from netdsl.backends.onnx.fold import Stored, fold, plain
from netdsl.backends.onnx.form import Form
from netdsl.backends.onnx.functions import DOMAIN, group
from netdsl.backends.onnx.pixels import is_resized, prepare
from netdsl.backends.onnx.precision import ELEMENT
from netdsl.backends.place import at
from netdsl.ir.lowering import TypedName
from netdsl.ir.types import Sym

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netdsl.ir.graph import Graph
    from netdsl.ir.op import Param
    from netdsl.ir.types import TensorType

IR_VERSION = 10


class Skeleton:
    """A model without the numbers of its weights: what is left is small, whatever the net's size.

    `params` are the tensors that a checkpoint must have, `stored` those of the file, which are
    others where something is folded.
    """

    def __init__(
        self,
        model: onnx.ModelProto,
        params: dict[str, Param],
        stored: dict[str, Stored],
        dtype: str = "float32",
    ) -> None:
        self.model = model
        self.params = params
        self.stored = stored
        self.dtype = dtype
        self.element = ELEMENT[dtype]
        self.item = 4 if dtype == "float32" else 2


def skeleton(
    graph: Graph, form: Form | None = None, *, metadata: Mapping[str, str] | None = None
) -> Skeleton:
    """Write the graph without weights; raises `NetdslError` if the net cannot take pictures."""
    form = form or Form()
    emitter = GraphEmitter(form.opset, form.dtype)
    names = _inputs(graph, emitter, form)
    for node in graph.nodes:
        if node.aux is None:
            emitter.begin(node)
            given = [names[id(v)] for v in node.inputs]
            fast = form.fold and lrn.applies(node.op, node.type, form.dtype)
            with at(node.output):
                result = (
                    lrn.emit(emitter, node.op, given[0], node.type)
                    if fast
                    else node.op.onnx(emitter, *given)
                )
            names[id(node.output)] = TypedName.of(result, node.output.type)
    stored = (
        fold(emitter.nodes, emitter.params, {str(names[id(o.value)]) for o in graph.outputs})
        if form.fold
        else plain(emitter.params)
    )
    _rename_outputs(
        graph, emitter, names, {v.name for v in graph.inputs} | {o.name for o in graph.outputs}
    )
    if form.keep_io:
        _widen_outputs(graph, emitter)
    return Skeleton(
        _model(graph, emitter, form, metadata or {}), emitter.params, stored, form.dtype
    )


def _inputs(graph: Graph, emitter: GraphEmitter, form: Form) -> dict[int, TypedName]:
    """The names of the graph's inputs, or of what is made of them at once."""
    names = {id(v): TypedName.of(v.name, v.type) for v in graph.inputs}
    for value in graph.inputs:
        if form.pixels is not None and value is graph.inputs[0]:
            with at(value):
                made = prepare(emitter, value, form.pixels, ELEMENT[form.dtype])
            names[id(value)] = TypedName.of(made, value.type)
        elif form.keep_io and form.dtype != "float32" and value.type.dtype == "float32":
            emitter.begin_at(value.name, "cast", value.site)
            cast = emitter.op("Cast", value.name, to=ELEMENT[form.dtype])
            names[id(value)] = TypedName.of(cast, value.type)
    return names


def _model(
    graph: Graph, emitter: GraphEmitter, form: Form, metadata: Mapping[str, str]
) -> onnx.ModelProto:
    inner = "float32" if form.keep_io else form.dtype
    outputs = [_value_info(o.name, o.value.type, inner) for o in graph.outputs]
    inputs = [_value_info(v.name, v.type, inner) for v in graph.inputs]
    if form.pixels is not None:
        first = graph.inputs[0]
        named = ("height", "width") if is_resized(first.type) else first.type.spatial
        dims: list[Any] = [
            "N",
            *(d if isinstance(d, int) else str(d) for d in named),
            first.type.channels,
        ]
        inputs[0] = helper.make_tensor_value_info(first.name, TensorProto.UINT8, dims)
    functions = (
        group(emitter.nodes, graph.scopes.values(), {o.name for o in graph.outputs}, form.opset)
        if form.functions
        else []
    )
    made = helper.make_graph(
        emitter.nodes,
        graph.name,
        inputs,
        outputs,
        list(emitter.constants.values()),
        doc_string=graph.doc,
    )
    model = helper.make_model(
        made,
        opset_imports=_opsets(form, functions),
        ir_version=IR_VERSION,
        functions=functions,
        producer_name="netdsl",
    )
    narrow = {} if form.dtype == "float32" else {"netdsl.dtype": form.dtype}
    helper.set_model_props(
        model,
        {
            "netdsl.net": graph.name,
            "netdsl.source": graph.site.span.file.name,
            **narrow,
            **metadata,
        },
    )
    return model


def _opsets(form: Form, functions: list[onnx.FunctionProto]) -> list[onnx.OperatorSetIdProto]:
    return [
        helper.make_opsetid("", form.opset),
        *([helper.make_opsetid(DOMAIN, 1)] if functions else []),
    ]


def _rename_outputs(
    graph: Graph, emitter: GraphEmitter, names: dict[int, TypedName], taken: set[str]
) -> None:
    """Name the graph's outputs; inner values that happen to have such a name get another one."""
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
                if name in rename and not (
                    name in inputs and name not in node.output and name not in wanted
                ):
                    field[i] = rename[name]
    for source, target in extra:
        emitter.nodes.append(helper.make_node("Identity", [source], [target], name=target))


def _widen_outputs(graph: Graph, emitter: GraphEmitter) -> None:
    """Give the outputs as float32, whatever the model computes in."""
    wide = {o.name: f"{o.name}/narrow" for o in graph.outputs if o.value.type.dtype == "float32"}
    for node in emitter.nodes:
        for field in (node.input, node.output):
            for i, name in enumerate(field):
                field[i] = wide.get(name, name)
    emitter.nodes.extend(
        helper.make_node("Cast", [narrow], [name], name=f"{name}/wide", to=TensorProto.FLOAT)
        for name, narrow in wide.items()
    )


def _value_info(name: str, type_: TensorType, dtype: str) -> onnx.ValueInfoProto:
    element = ELEMENT[dtype if type_.dtype == "float32" else type_.dtype]
    dims = ["N", *(str(d) if isinstance(d, Sym) else d for d in type_.shape)]
    return helper.make_tensor_value_info(name, element, dims)


def check_file(path: str | os.PathLike[str]) -> None:
    """ONNX's full check of a written model; raises `onnx.checker.ValidationError`."""
    onnx.checker.check_model(os.fspath(path), full_check=True)
