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
from netdsl.look.net import fetched
from netdsl.words import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.ir.graph import Graph, Node
    from netdsl.look.net import LayeredNet

RECTIFIED = ("relu", "relu6")
SWITCHED = ("maxpool", "gmp", "adaptive_maxpool")
BENT = ("activation", "pooling")  # families of the other layers that a reader may ask about


class Passage:
    """A run of a net up to a layer, which passes signals at its result back to the images.

    `value` is the result. The net runs once, for all signals.
    """

    def __init__(self, net: LayeredNet, images: Tensor, node: Node) -> None:
        self._nodes = net.below([node.output])
        self._images, self._device = images, net.device
        self._ends = (id(net.graph.inputs[0]), id(node.output))
        self._steps: dict[int, tuple[list[Tensor], list[Tensor]]] = {}  # inputs and results
        known = {self._ends[0]: images.to(net.device)}
        for other in self._nodes:
            leaves = [known[id(value)].detach() for value in other.taken]
            for leaf in leaves:
                leaf.requires_grad_(leaf.is_floating_point())
            with torch.enable_grad():
                results = as_list(net.layer(other)(*leaves))
            self._steps[id(other)] = leaves, results
            known |= {id(v): y.detach() for v, y in zip(other.outputs, results, strict=True)}
        self.value = fetched(known[self._ends[1]])

    def back(self, signal: Tensor, *, rectified: bool = True) -> Tensor:
        """A signal of the shape of `value`, passed back to images N x C x H x W.

        Without `rectified`, ReLU also passes by its derivative: the result is the gradient.
        """
        first, last = self._ends
        signals = {last: signal.to(self._device)}
        for other in reversed(self._nodes):
            given = [signals.get(id(value)) for value in other.outputs]
            if all(part is None for part in given):
                continue
            if rectified and other.op.kind in RECTIFIED and given[0] is not None:
                passed: Sequence[Tensor | None] = [given[0].clamp(min=0)]
            else:
                passed = self._derivative(other, given)
            for value, part in zip(other.taken, passed, strict=False):
                if part is not None:
                    before = signals.get(id(value))
                    signals[id(value)] = part if before is None else before + part
        found = signals.get(first)
        return torch.zeros_like(self._images) if found is None else fetched(found)

    def _derivative(self, node: Node, signals: Sequence[Tensor | None]) -> list[Tensor | None]:
        """The signals at the inputs of a layer by its derivative; None for inputs without one."""
        leaves, results = self._steps[id(node)]
        pairs = [
            (y, part)
            for y, part in zip(results, signals, strict=True)
            if part is not None and y.requires_grad
        ]
        wanted = [x for x in leaves if x.requires_grad]
        if not pairs or not wanted:
            return [None] * len(leaves)
        ys, parts = zip(*pairs, strict=True)
        found = torch.autograd.grad(ys, wanted, parts, allow_unused=True, retain_graph=True)
        gradients = iter(found)
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
