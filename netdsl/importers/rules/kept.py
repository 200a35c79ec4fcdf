"""Which operators of a model stay as they are, and the layers that stand for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnx import defs

from netdsl.errors import NetdslError
from netdsl.importers.flat import FlatLayer
from netdsl.importers.onnx.foreign import Typed
from netdsl.importers.rules.common import batch_of
from netdsl.importers.rules.naming import path_of
from netdsl.importers.rules.opaque import FAMILY, kind_name, kind_of
from netdsl.importers.rules.products import macs_of
from netdsl.source import printable

if TYPE_CHECKING:
    from netdsl.importers.onnx.foreign import Foreign, ForeignNode, StoredTensor
    from netdsl.ir.graph import Node
    from netdsl.ir.op import Op

LEARNED = ("float32", "float16", "float64", "bfloat16", "int8", "uint8")  # element types of weights
SETTINGS = ("roi", "scales", "scale", "zero_point", "x_scale", "y_scale")  # inputs without weights


class Kept:
    """The operators of one model for which no layer of the language is used.

    `forced` are the outputs of operators whose layers did not compile, `kinds` the kinds so far.
    `undone` are the results of groups of operators that are no layer of the language either: each
    operator of such a group stays by itself. With `all_stay`, there is no layer of the language.
    """

    def __init__(self) -> None:
        self.forced: set[str] = set()
        self.undone: set[str] = set()
        self.all_stay = False
        self.kinds: dict[str, type[Op]] = {}

    def stays(self, node: ForeignNode, graph: Foreign) -> bool:
        """Whether no layer is tried for an operator.

        Layers work on samples, so all values must have the batch as their first axis.
        """
        if self.all_stay or self.forced.intersection(node.outputs):
            return True
        values = [v for v in node.inputs if v and v not in graph.stored]
        values += [v for v in node.outputs if v and _is_used(v, graph)]
        batch = (batch_of(graph),)
        return any(v in graph.types and graph.types[v].shape[:1] != batch for v in values)

    def layer(self, node: ForeignNode, graph: Foreign) -> FlatLayer:
        """The layer that stands for an operator; raises `NetdslError` if its shape is not known."""
        if node.is_pattern:
            self.undone.add(node.output)
        kind = kind_name(node.kind)
        self.kinds.setdefault(kind, kind_of(kind))
        first, *others = [name for name in node.outputs if name and _is_used(name, graph)]
        types = [_typed(node, name, graph) for name in (first, *others)]
        macs = macs_of(node, graph)
        weights = {f"tensor{i}": t for i, t in enumerate(_weights(node, graph))}
        return FlatLayer(
            kind,
            first,
            [v for v in node.inputs if v and v not in graph.stored] or graph.inputs[:1],
            node,
            {
                "shape": types[0].shape,
                "dtype": f'"{types[0].dtype}"',
                "macs_known": -1 if macs is None else macs,
                "tensors": tuple(t.shape for t in weights.values()),
                "more": tuple(t.shape for t in types[1:]),
                "more_types": f'"{" ".join(t.dtype for t in types[1:])}"',
            },
            weights=weights,
            results={f"result{i}": name for i, name in enumerate(others, start=1)},
        )


def is_kept(node: Node) -> bool:
    """Whether a layer of a compiled net stands for an operator that stayed as it is."""
    return node.op.family == FAMILY


def sample_type(typed: Typed, graph: Foreign) -> Typed:
    """A type without the batch, if its first axis is the batch."""
    if typed.shape[:1] == (batch_of(graph),):
        return typed._replace(shape=typed.shape[1:])
    return typed


def count_once(layers: list[FlatLayer]) -> None:
    """Leave each tensor of the model to the first layer that has it."""
    others = [layer for layer in layers if "tensors" not in layer.args]
    known = {tensor.name for layer in others for tensor in layer.weights.values()}
    for layer in layers:
        if "tensors" not in layer.args:
            continue
        own = [t for t in layer.weights.values() if t.name not in known]
        known.update(t.name for t in own)
        layer.weights = {f"tensor{i}": tensor for i, tensor in enumerate(own)}
        layer.args["tensors"] = tuple(t.shape for t in own)
        layer.path = path_of(layer)


def _is_used(name: str, graph: Foreign) -> bool:
    return name in graph.users or name in graph.outputs


def _typed(node: ForeignNode, name: str, graph: Foreign) -> Typed:
    """The type of a result for one sample; raises `NetdslError` if it is not known."""
    if name in graph.stored:
        return Typed(graph.stored[name].shape, graph.stored[name].dtype)
    typed = graph.types.get(name)
    if typed is None:
        operator = printable(node.kind)[:80]
        raise NetdslError(
            "unsupported-operator",
            f"the shape that the node `{printable(node.name or name)[:80]}` ({operator}) makes is"
            " not known: neither ONNX nor onnxruntime can compute it",
            help="infer the shapes with the tool that wrote the model, and save them in it",
        )
    return sample_type(typed, graph)


def _weights(node: ForeignNode, graph: Foreign) -> list[StoredTensor]:
    """The tensors that an operator has learned: its numbers, without shapes and scales."""
    names = _formal_names(node)
    tensors: list[StoredTensor] = []
    for i, value in enumerate(node.inputs):
        stored = graph.stored.get(value)
        formal = names[min(i, len(names) - 1)] if names else ""
        if stored is None or not stored.name or not stored.shape or stored.dtype not in LEARNED:
            continue
        if formal in SETTINGS or formal.endswith("_zero_point") or _is_scale(formal):
            continue
        tensors.append(stored)
    return tensors


def _is_scale(formal: str) -> bool:
    return formal.endswith("_scale") and len(formal) <= len("w_scale")


def _formal_names(node: ForeignNode) -> list[str]:
    """The names that the standard gives to the inputs."""
    if not defs.has(node.kind):
        return []
    return [each.name for each in defs.get_schema(node.kind).inputs]
