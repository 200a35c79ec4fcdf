"""Turns the nodes of a foreign graph into layers, each by the rule of its operator."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from netdsl.errors import NetdslError
from netdsl.importers.flat import Flat, FlatInput, FlatLayer, Tied
from netdsl.importers.onnx.foreign import ForeignNode
from netdsl.importers.rules import pointwise, recurrent, shaping, windows
from netdsl.importers.rules.common import Refusal
from netdsl.importers.rules.kept import count_once
from netdsl.importers.rules.naming import path_of
from netdsl.importers.writing.plain import JOINS, OPERATORS
from netdsl.source import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netdsl.importers.onnx.foreign import Foreign, Shape
    from netdsl.importers.rules.common import Rule
    from netdsl.importers.rules.kept import Kept

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        **pointwise.ACTIVATIONS,
        **dict.fromkeys(pointwise.REDUCTIONS, pointwise.reduction),
        **dict.fromkeys((*pointwise.OPERATORS, "Max", "Min", "Sum"), pointwise.binary),
        **dict.fromkeys(("Reshape", "Squeeze", "Unsqueeze"), shaping.reshape),
        **dict.fromkeys(("Resize", "Upsample"), windows.resizing),
        "Identity": pointwise.same,
        "Dropout": pointwise.dropout,
        "Cast": pointwise.cast,
        "LeakyRelu": pointwise.leaky,
        "Elu": pointwise.elu,
        "Selu": pointwise.selu,
        "HardSigmoid": pointwise.hard_sigmoid,
        "Gelu": pointwise.gelu,
        "PRelu": pointwise.prelu,
        "Softmax": partial(pointwise.softmax, "softmax"),
        "LogSoftmax": partial(pointwise.softmax, "log_softmax"),
        "Clip": pointwise.clip,
        "BatchNormalization": pointwise.batch_norm,
        "InstanceNormalization": pointwise.instance_norm,
        "LayerNormalization": pointwise.layer_norm,
        "RMSNormalization": pointwise.rms_norm,
        "GroupNormalization": pointwise.group_norm,
        "LRN": pointwise.local_norm,
        "Conv": windows.convolution,
        "ConvTranspose": windows.transposed,
        "MaxPool": windows.max_pooling,
        "AveragePool": windows.average_pooling,
        "Pad": windows.padding,
        "Gemm": shaping.gemm,
        "Dense": shaping.dense,
        "MatMul": shaping.product,
        "Gather": shaping.gather,
        "Flatten": shaping.flatten,
        "Transpose": shaping.transpose,
        "Concat": shaping.concat,
        "Slice": shaping.slices,
        "Split": shaping.split,
        "DepthToSpace": shaping.shuffle,
        "Expand": shaping.expand,
        "Tokens": shaping.tokens,
        "ChannelShuffle": shaping.channel_shuffle,
        "MultiHeadAttention": shaping.attention,
        "Scale": pointwise.scale,
        "Recurrent": recurrent.recurrent,
    }
)
# Layers whose weights can be those of earlier layers.
TYING = ("conv", "depthwise", "deconv", "dense", "embedding", "bn", "layernorm", "rmsnorm", "prelu")


def translate(graph: Foreign, *, partial: bool = False, kept: Kept | None = None) -> Flat:
    """The net of a foreign graph.

    Raises `NetdslError` with the code `unsupported-operator` and one diagnostic for each node that
    the language cannot express. With `partial`, the net has the layers that do not depend on such
    nodes, and notes about the nodes. With `kept`, these nodes become layers that stand for them.
    """
    work = _Translation(graph, kept)
    for node in graph.nodes:
        work.add(node)
    work.add_constant_outputs()
    if work.refused and not partial:
        raise NetdslError.of([_refused(node, fact).diagnostic for node, fact in work.refused])
    layers = work.layers
    _tie(layers)
    for layer in layers:
        layer.path = path_of(layer)
    layers = _beside(layers)
    if kept is not None:
        count_once(layers)
    flat = Flat(_net_name(graph.name), _inputs(graph), layers, work.outputs())
    flat.shapes = {name: typed.shape for name, typed in graph.types.items()}
    for node, fact in work.refused:
        value = next((v for v in node.inputs if v in work.made), graph.inputs[0])
        note = f"not imported: {_name_of(node)} ({printable(node.kind)[:40]}), because {fact}"
        flat.notes.setdefault(value, []).append(note)
    return flat


class _Translation:
    """The layers of a graph so far. `refused` are the nodes that cannot be imported, and why."""

    def __init__(self, graph: Foreign, kept: Kept | None = None) -> None:
        self.graph = graph
        self.kept = kept
        self.layers: list[FlatLayer] = []
        self.refused: list[tuple[ForeignNode, str]] = []
        self.made = set(graph.inputs)
        self._renamed: dict[str, str] = {}
        self._lost: set[str] = set()

    def add(self, node: ForeignNode) -> None:
        """Add the layers of a node, unless it depends on a node that was refused."""
        node.inputs = [self._renamed.get(name, name) for name in node.inputs]
        if self._lost.intersection(node.inputs):
            self._lost.update(node.outputs)
            return
        try:
            made = self._made(node)
        except Refusal as refusal:
            self.refused.append((node, str(refusal)))
            self._lost.update(node.outputs)
            return
        if isinstance(made, str):
            self._renamed[node.output] = made
        else:
            self.layers += made
            self.made.update(value for layer in made for value in (layer.output, *layer.results))

    def add_constant_outputs(self) -> None:
        """Add a layer for each output that no input changes, or refuse it."""
        for name in self.graph.outputs:
            value = self._renamed.get(name, name)
            if value in self.made or value not in self.graph.stored or name in self._lost:
                continue
            node = ForeignNode("Constant", "", [], [value])
            fact = "no input changes it, and a net has no such outputs"
            if self.kept is None:
                self.refused.append((node, fact))
                self._lost.add(name)
            else:
                self.layers.append(self.kept.layer(node, self.graph))

    def _made(self, node: ForeignNode) -> list[FlatLayer] | str:
        """The layers of a node, or the one that stands for it; raises `Refusal`."""
        if self.kept is None:
            return layers_of(node, self.graph)
        if not self.kept.stays(node, self.graph):
            with suppress(Refusal):
                made = layers_of(node, self.graph)
                if isinstance(made, str) or not self._takes_constants(made):
                    return made
        return [self.kept.layer(node, self.graph)]

    def _takes_constants(self, layers: list[FlatLayer]) -> bool:
        """Whether layers take a tensor of the model, which no layer makes."""
        return any(value in self.graph.stored for layer in layers for value in layer.taken)

    def outputs(self) -> list[tuple[str, str]]:
        """The outputs by name; in a part of a net, the values that nothing takes are outputs."""
        names = self.graph.outputs
        inputs = {each.name for each in _inputs(self.graph)}
        found = []
        for i, name in enumerate(names):
            if name not in self._lost:
                own = _output_name(name, i, len(names))
                found.append((f"{own}_out" * (own in inputs) or own, self._renamed.get(name, name)))
        if self._lost:
            taken = {v for layer in self.layers for v in layer.taken} | {v for _, v in found}
            ends = [x.output for x in self.layers if x.output not in taken]
            found += [(f"part{i}", value) for i, value in enumerate(ends, start=1)]
        return found


def _beside(layers: list[FlatLayer]) -> list[FlatLayer]:
    """Put each constant layer right before the join that takes it, beside the other operand."""
    users: dict[str, list[FlatLayer]] = {}
    for layer in layers:
        for value in layer.taken:
            users.setdefault(value, []).append(layer)
    sources = {x.output: x for x in layers if x.kind in ("param", "const")}
    moved: dict[int, list[FlatLayer]] = {}
    for value, source in sources.items():
        taking = users.get(value, [])
        if len(taking) != 1:
            continue
        others = [v for v in taking[0].inputs if v not in sources]
        if others and taking[0].kind in (*JOINS, *OPERATORS):
            source.inputs = [others[0]]
            moved.setdefault(id(taking[0]), []).append(source)
    away = {id(source) for group in moved.values() for source in group}
    ordered: list[FlatLayer] = []
    for layer in layers:
        ordered += moved.get(id(layer), [])
        if id(layer) not in away:
            ordered.append(layer)
    return ordered


def _tie(layers: list[FlatLayer]) -> None:
    """Make a weight that an earlier layer has too a reference to it.

    Exporters may store the matrix of an embedding again, transposed, for a dense layer. They also
    store equal tensors once, such as the zeros and ones of norms that were never trained; these
    are no shared weights.
    """
    owners: dict[tuple[str, Shape], tuple[FlatLayer, str]] = {}
    tables: dict[Shape, tuple[FlatLayer, str]] = {}
    for layer in layers:
        for key, stored in list(layer.weights.items()):
            if not stored.name or not stored.shape:
                continue
            known = owners.setdefault((stored.name, stored.shape), (layer, key))
            if layer.kind == "embedding":
                tables[stored.shape] = (layer, key)
            elif layer.kind == "dense" and known[0] is layer:
                known = tables.get(stored.shape, known)
            if known[0] is layer or key not in ("weight", "bias") or layer.kind not in TYING:
                continue
            own, other = known[0].weights[known[1]].read(), stored.read()
            if (other == other.reshape(-1)[0]).all():
                layer.weights[key] = stored._replace(name="")
            elif (own == other).all():
                layer.args[key] = Tied(*known)
                del layer.weights[key]


def layers_of(node: ForeignNode, graph: Foreign) -> list[FlatLayer] | str:
    """The layers that replace a node, or the value that its output is equal to."""
    rule = RULES.get(node.kind)
    if rule is None:
        raise Refusal("the language has no such operator")
    return rule(node, graph)


def _refused(node: ForeignNode, fact: str) -> NetdslError:
    return NetdslError(
        "unsupported-operator",
        f"the node {_name_of(node)} ({printable(node.kind)[:40]}) cannot be imported: {fact}",
        help="`--partial` writes the layers before it, with a comment in its place",
    )


def _name_of(node: ForeignNode) -> str:
    return f"`{printable(node.name or node.output)[:80]}`"


def _inputs(graph: Foreign) -> list[FlatInput]:
    inputs = []
    for value in graph.inputs:
        typed = graph.types[value]
        opened = {i: s for i, s in graph.open.get(value, {}).items() if i > 0}
        sizes = tuple(opened.get(i, size) for i, size in enumerate(typed.shape) if i > 0)
        inputs.append(FlatInput(identifier(value), value, sizes, typed.dtype))
    names = [each.name for each in inputs]
    if len(set(names)) < len(names):
        for i, each in enumerate(inputs):
            each.name = f"{each.name}_{i}"
    return inputs


def identifier(name: str) -> str:
    """A name of the language that resembles a name of the model."""
    last = name.rpartition("/")[2].partition(":")[0]
    words = re.sub(r"\W+", "_", last, flags=re.ASCII).strip("_")
    if not words or words[0].isdigit():
        words = f"x_{words}".rstrip("_")
    return words[:64]


def _output_name(name: str, number: int, count: int) -> str:
    """The name of an output; a number that an exporter gave is no name."""
    plain = identifier(name)
    if plain.startswith("x_") or "/" in name:
        if count == 1:
            return "output"
        return f"output{number}"
    return plain


def _net_name(name: str) -> str:
    """The name of the net, which begins with a capital letter."""
    plain = identifier(name)
    return plain[0].upper() + plain[1:]
