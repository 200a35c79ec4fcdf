"""The forward and the backward pass of a net as one ONNX graph, for a batch of fixed size.

The layers are emitted from the typed graph as training computes them, with dropout, the statistics
of the batch and the auxiliary heads. Weights, statistics and inputs are inputs of the graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.backends.onnx import lrn
from netdsl.backends.onnx.differentiate import Differentiator
from netdsl.backends.onnx.graph import IR_VERSION
from netdsl.backends.onnx.make import entry, make_node, make_value_info, operator_sets
from netdsl.backends.onnx.proto import GraphProto, ModelProto
from netdsl.backends.place import at
from netdsl.errors import NetdslError
from netdsl.ir.lowering import TypedName

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from netdsl.backends.onnx.proto import ValueInfoProto
    from netdsl.ir.graph import Graph, Node, Value
    from netdsl.ir.op import Param


class _Span(NamedTuple):
    """A layer, the values that it takes, and the range of its nodes."""

    node: Node
    taken: list[TypedName]
    start: int
    end: int


class Passes:
    """Emits the forward pass of a graph, and then the backward pass.

    `frozen` are the names of weights that are not trained, in addition to those of layers that the
    text freezes. `with_inputs` asks for the gradients of the inputs, and `takes_masks` makes the
    random factors of dropout inputs of the graph; both are for tests.
    """

    def __init__(
        self,
        graph: Graph,
        batch: int,
        opset: int,
        frozen: Collection[str] = (),
        *,
        with_inputs: bool = False,
        takes_masks: bool = False,
    ) -> None:
        self.graph = graph
        self.learned = {n: p for n, p in learned_of(graph).items() if n not in frozen}
        self.inputs = _input_names(graph)
        floats = {
            self.inputs[id(v)] for v in graph.inputs if with_inputs and v.type.dtype == "float32"
        }
        self.g = Differentiator(opset, self.learned.keys() | floats, takes_masks=takes_masks)
        self._frozen = frozen
        self._names: dict[int, TypedName] = {}
        self._spans: list[_Span] = []
        self._loss = 0  # the first node of the loss
        for value in graph.inputs:
            name = self.g.declare(self.inputs[id(value)], value.type.dtype, _shape(value, batch))
            self._names[id(value)] = TypedName.of(name, value.type)
        for node in graph.nodes:
            with at(node.output):
                self._forward(node)

    def value(self, value: Value) -> str:
        """The name of a value of the net in the graph."""
        return str(self._names[id(value)])

    def _forward(self, node: Node) -> None:
        taken = [self._names[id(value)] for value in node.taken]
        start = len(self.g.nodes)
        self.g.begin(node, taken)
        result = self._emit(node, taken[: len(node.inputs)])
        self._spans.append(_Span(node, taken, start, len(self.g.nodes)))
        self._names[id(node.output)] = TypedName.of(result, node.output.type)
        for name, value in node.results.items():
            self._names[id(value)] = TypedName.of(self.g.made[name], value.type)

    def _emit(self, node: Node, inputs: list[TypedName]) -> str:
        if lrn.applies(node.op, node.type, "float32"):  # as products, which are faster
            return lrn.emit(self.g, node.op, inputs[0], node.type)
        if self._is_frozen(node):
            return node.op.onnx(self.g, *inputs)
        return node.op.onnx_training(self.g, *inputs)

    def _is_frozen(self, node: Node) -> bool:
        """Whether a layer with statistics uses those that are stored."""
        own = [node.tensor_name(key) for key in node.params()]
        return node.frozen or (bool(own) and all(name in self._frozen for name in own))

    def begin_loss(self) -> None:
        """Begin the nodes of the loss, which follow those of the layers."""
        self.g.begin_at("step/loss", "loss", self.graph.site)
        self._loss = len(self.g.nodes)

    def backward(self, loss: str) -> dict[str, str]:
        """Emit the backward pass from the loss, a scalar whose nodes come last.

        Returns the names of the gradients of the learned weights. Raises `NetdslError` with an
        error for each layer that has no gradient.
        """
        self.g.add(loss, self.g.floats(1.0))
        self.g.begin_at("step/loss/grad", "loss", self.graph.site)
        self.g.tape = self.g.nodes[self._loss :]
        self.g.derive()
        self.backward_layers()
        made = {name: self.g.gradient(name) for name in self.learned}
        return {name: gradient for name, gradient in made.items() if gradient is not None}

    def backward_layers(self) -> None:
        """Emit the backward pass through the layers; raises as `backward`."""
        errors = []
        for span in reversed(self._spans):
            try:
                with at(span.node.output):
                    self._back(span)
            except NetdslError as error:
                errors += error.diagnostics
        if errors:
            raise NetdslError.of(errors)

    def _back(self, span: _Span) -> None:
        node, g = span.node, self.g
        own = [self.value(value) for value in node.outputs]
        if not any(g.wants(name) for name in own):
            return
        g.begin_backward(node, span.taken, g.nodes[span.start : span.end])
        dy = g.gradient(own[0])
        if dy is None and not any(g.gradient(name) for name in own):
            return
        node.op.grad(g, dy or "", *span.taken[: len(node.inputs)])


def learned_of(graph: Graph) -> dict[str, Param]:
    """The weights that are trained, by name, with those of auxiliary heads."""
    learned: dict[str, Param] = {}
    fixed: set[str] = set()
    for node in graph.nodes:
        for key, param in node.params().items():
            if param.is_constant or param.tied:
                continue
            name = node.tensor_name(key)
            learned.setdefault(name, param)
            if node.frozen and not node.shared:
                fixed.add(name)
    return {name: param for name, param in learned.items() if name not in fixed}


def _shape(value: Value, batch: int) -> tuple[int, ...]:
    sizes = [d for d in value.type.shape if isinstance(d, int)]
    return (batch, *sizes)


def _input_names(graph: Graph) -> dict[int, str]:
    """The names of the inputs in the graph while it is built.

    A layer can have the name of an input, so these names are none that a layer can have.
    """
    return {id(value): f"input/{value.name}" for value in graph.inputs}


class Terminal(NamedTuple):
    """An input or output of the model: its name, and the name of the value inside."""

    name: str
    value: str


def model_of_ports(
    g: Differentiator,
    name: str,
    doc: str,
    inputs: Sequence[Terminal],
    outputs: Sequence[Terminal],
    properties: Mapping[str, str],
) -> ModelProto:
    """The model of everything that was emitted, with the outer names of its inputs and outputs."""
    renamed: dict[str, str] = {}
    copies = []
    taken = {port.name for port in (*inputs, *outputs)}
    given = {port.value for port in inputs}
    infos = [_info(g, port) for port in inputs], [_info(g, port) for port in outputs]
    for port in inputs:
        renamed[port.value] = port.name
    for port in outputs:
        if port.value in renamed or port.value in given or port.value in g.numbers:
            copies.append((port.value, port.name))
        else:
            renamed[port.value] = port.name
    for node in g.nodes:
        for inner in node.output:
            if inner in taken and inner not in renamed:
                renamed[inner] = f"{inner}/value"
    for node in g.nodes:
        for values in (node.input, node.output):
            values[:] = [renamed.get(value, value) for value in values]
    nodes = [
        *g.nodes,
        *(
            make_node("Identity", [renamed.get(value, value)], [outer], f"{outer}/copy")
            for value, outer in copies
        ),
    ]
    used = {value for node in nodes for value in node.input}
    graph = GraphProto(
        node=nodes,
        name=name,
        initializer=[tensor for tensor in g.constants.values() if tensor.name in used],
        doc_string=doc or None,
        input=infos[0],
        output=infos[1],
    )
    return ModelProto(
        ir_version=IR_VERSION,
        producer_name="netdsl",
        graph=graph,
        opset_import=operator_sets(g.opset),
        metadata_props=[entry(*item) for item in properties.items()],
    )


def _info(g: Differentiator, port: Terminal) -> ValueInfoProto:
    return make_value_info(port.name, g.element(port.value), g.shape(port.value))
