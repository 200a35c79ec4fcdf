"""Passes a signal from a layer back to the image: Zeiler and Fergus' deconvolution.

Visualizing and Understanding Convolutional Networks, ECCV 2014: max pooling passes the signal to
the place of the largest value (its switch), ReLU passes what is positive of it, whatever the layer
had as input, and a convolution applies its transposed filters. Every other layer passes the signal
by its plain derivative.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from netdsl.backends.torch.steps import as_list
from netdsl.words import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.ir.graph import Graph, Node
    from netdsl.look.net import LayeredNet

RECTIFIED = ("relu", "relu6")
SWITCHED = ("maxpool", "gmp", "adaptive_maxpool")
BENT = ("activation", "pooling")  # families of the other layers that a reader may ask about


def passed_back(
    net: LayeredNet, images: Tensor, node: Node, signal: Tensor, *, rectified: bool = True
) -> Tensor:
    """The signal at the result of a layer, passed back to images N x C x H x W.

    Without `rectified`, ReLU also passes by its derivative, so that the result is the gradient.
    """
    nodes = net.below([node.output])
    inputs = _inputs_of(net, images, nodes)
    signals = {id(node.output): signal}
    for other in reversed(nodes):
        given = [signals.get(id(value)) for value in other.outputs]
        if all(part is None for part in given):
            continue
        if rectified and other.op.kind in RECTIFIED and given[0] is not None:
            passed: Sequence[Tensor | None] = [given[0].clamp(min=0)]
        else:
            passed = _derivative(net, other, inputs[id(other)], given)
        for value, part in zip(other.taken, passed, strict=False):
            if part is not None:
                before = signals.get(id(value))
                signals[id(value)] = part if before is None else before + part
    found = signals.get(id(net.graph.inputs[0]))
    return torch.zeros_like(images) if found is None else found


def _inputs_of(net: LayeredNet, images: Tensor, nodes: Sequence[Node]) -> dict[int, list[Tensor]]:
    """The inputs of each layer for images, by the layer's id."""
    known = {id(net.graph.inputs[0]): images}
    inputs = {}
    with torch.no_grad():
        for node in nodes:
            inputs[id(node)] = [known[id(value)] for value in node.taken]
            results = as_list(net.layer(node)(*inputs[id(node)]))
            known |= {id(v): y for v, y in zip(node.outputs, results, strict=True)}
    return inputs


def _derivative(
    net: LayeredNet, node: Node, xs: list[Tensor], signals: Sequence[Tensor | None]
) -> list[Tensor | None]:
    """The signals at the inputs of a layer by its derivative; None for inputs without one."""
    leaves = [x.detach().clone().requires_grad_(x.is_floating_point()) for x in xs]
    with torch.enable_grad():
        results = as_list(net.layer(node)(*leaves))
    pairs = [
        (y, part)
        for y, part in zip(results, signals, strict=True)
        if part is not None and y.requires_grad
    ]
    wanted = [x for x in leaves if x.requires_grad]
    if not pairs or not wanted:
        return [None] * len(xs)
    ys, parts = zip(*pairs, strict=True)
    gradients = iter(torch.autograd.grad(ys, wanted, parts, allow_unused=True))
    return [next(gradients) if x.requires_grad else None for x in leaves]


def rules_text(graph: Graph, nodes: Sequence[Node]) -> str:
    """How the layers between a layer and the image pass a signal back, in words."""
    kinds = dict.fromkeys(node.op.kind for node in nodes)
    plain = [
        f"`{node.op.kind}`"
        for node in {n.op.kind: n for n in nodes}.values()
        if node.op.family in BENT and node.op.kind not in (*RECTIFIED, *SWITCHED)
    ]
    rules = []
    if any(kind in kinds for kind in RECTIFIED):
        rules.append("ReLU passes back what is positive of the signal")
    if any(kind in kinds for kind in SWITCHED):
        rules.append("max pooling passes it to the place of the largest value")
    if not rules and plain:
        return (
            f"There is no ReLU and no max pooling in these layers of {graph.name}: the signal"
            f" passes back by the plain derivative of {listed(plain)}."
        )
    text = "Convolutions apply their transposed filters"
    if rules:
        text += f", {' and '.join(rules)}"
    if plain:
        text += f"; {listed(plain)} pass it by their plain derivative"
    return f"{text}."
