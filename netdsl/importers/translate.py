"""Turns the nodes of a foreign graph into layers, each by the rule of its operator."""

from __future__ import annotations

import re
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from netdsl.errors import NetdslError
from netdsl.importers import pointwise, recurrent, shaping, windows
from netdsl.importers.flat import Flat, Input, Layer, Tied
from netdsl.importers.naming import path_of
from netdsl.importers.plain import JOINS, OPERATORS
from netdsl.importers.rules import Refusal
from netdsl.source import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netdsl.importers.foreign import Foreign, Node, Shape
    from netdsl.importers.rules import Rule

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        **pointwise.ACTIVATIONS,
        **dict.fromkeys(pointwise.REDUCTIONS, pointwise.reduction),
        **dict.fromkeys((*pointwise.OPERATORS, "Max", "Min", "Sum"), pointwise.binary),
        **dict.fromkeys(("Identity", "Dropout"), pointwise.same),
        **dict.fromkeys(("Reshape", "Squeeze", "Unsqueeze"), shaping.reshape),
        **dict.fromkeys(("Resize", "Upsample"), windows.resizing),
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


def translate(graph: Foreign) -> Flat:
    """The net of a foreign graph.

    Raises `NetdslError` with the code `unsupported-operator` and one diagnostic for each node that
    the language cannot express.
    """
    refused: list[NetdslError] = []
    renamed: dict[str, str] = {}
    layers: list[Layer] = []
    for node in graph.nodes:
        node.inputs = [renamed.get(name, name) for name in node.inputs]
        try:
            made = layers_of(node, graph)
        except Refusal as refusal:
            refused.append(_refused(node, str(refusal)))
            continue
        if isinstance(made, str):
            renamed[node.output] = made
        else:
            layers += made
    if refused:
        raise NetdslError.of([d for error in refused for d in error.diagnostics])
    for layer in layers:
        layer.path = path_of(layer)
    _tie(layers)
    layers = _beside(layers)
    outputs = [
        (_output_name(name, i, len(graph.outputs)), renamed.get(name, name))
        for i, name in enumerate(graph.outputs)
    ]
    shapes = {name: typed.shape for name, typed in graph.types.items()}
    return Flat(_net_name(graph.name), _inputs(graph), layers, outputs, shapes)


def _beside(layers: list[Layer]) -> list[Layer]:
    """Put each constant layer right before the join that takes it, beside the other operand."""
    users: dict[str, list[Layer]] = {}
    for layer in layers:
        for value in layer.taken:
            users.setdefault(value, []).append(layer)
    sources = {x.output: x for x in layers if x.kind in ("param", "const")}
    moved: dict[int, list[Layer]] = {}
    for value, source in sources.items():
        taking = users.get(value, [])
        if len(taking) != 1:
            continue
        others = [v for v in taking[0].inputs if v not in sources]
        if others and taking[0].kind in (*JOINS, *OPERATORS):
            source.inputs = [others[0]]
            moved.setdefault(id(taking[0]), []).append(source)
    away = {id(source) for group in moved.values() for source in group}
    ordered: list[Layer] = []
    for layer in layers:
        ordered += moved.get(id(layer), [])
        if id(layer) not in away:
            ordered.append(layer)
    return ordered


def _tie(layers: list[Layer]) -> None:
    """Make a weight that an earlier layer has too a reference to it.

    Exporters may store the matrix of an embedding again, transposed, for a dense layer.
    """
    owners: dict[tuple[str, Shape], tuple[Layer, str]] = {}
    tables: dict[Shape, tuple[Layer, str]] = {}
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
            if (own == other).all():
                layer.args[key] = Tied(*known)
                del layer.weights[key]


def layers_of(node: Node, graph: Foreign) -> list[Layer] | str:
    """The layers that replace a node, or the value that its output is equal to."""
    rule = RULES.get(node.kind)
    if rule is None:
        raise Refusal("the language has no such operator")
    return rule(node, graph)


def _refused(node: Node, fact: str) -> NetdslError:
    name = printable(node.name or node.output)[:80]
    return NetdslError(
        "unsupported-operator",
        f"the node `{name}` ({printable(node.kind)[:40]}) cannot be imported: {fact}",
        help="`--partial` writes the layers before it, with a comment in its place",
    )


def _inputs(graph: Foreign) -> list[Input]:
    inputs = []
    for value in graph.inputs:
        typed = graph.types[value]
        opened = {i: s for i, s in graph.open.get(value, {}).items() if i > 0}
        sizes = tuple(opened.get(i, size) for i, size in enumerate(typed.shape) if i > 0)
        inputs.append(Input(_identifier(value), value, sizes, typed.dtype))
    names = [each.name for each in inputs]
    if len(set(names)) < len(names):
        for i, each in enumerate(inputs):
            each.name = f"{each.name}_{i}"
    return inputs


def _identifier(name: str) -> str:
    """A name of the language that resembles a name of the model."""
    words = re.sub(r"\W+", "_", name.split("/")[-1].split(":")[0], flags=re.ASCII).strip("_")
    if not words or words[0].isdigit():
        words = f"x_{words}".rstrip("_")
    return words[:64]


def _output_name(name: str, number: int, count: int) -> str:
    """The name of an output; a number that an exporter gave is no name."""
    plain = _identifier(name)
    if plain.startswith("x_") or "/" in name:
        return "output" if count == 1 else f"output{number}"
    return plain


def _net_name(name: str) -> str:
    """The name of the net: `main_graph` and other names that exporters give are no names."""
    plain = _identifier(name)
    if plain.lower() in ("main_graph", "torch_jit", "torch_jit_export", "graph", "main", "tf2onnx"):
        return "Imported"
    return plain[0].upper() + plain[1:]
