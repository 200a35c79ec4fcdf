"""A trained net as a module that can be looked into layer by layer."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from netdsl.analysis.receptive import seen_stretches
from netdsl.backends.torch.steps import Step, as_list

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netdsl.ir.graph import Graph, Node, Value

CPU = torch.device("cpu")
Box = tuple[int, int, int, int]  # top, bottom, left and right in an image; the ends are excluded


class LayerModule(nn.Module):
    """One layer as a module of its own, which programs such as captum can watch.

    A layer without weights gets a module that no other layer uses.
    """

    def __init__(self, node: Node, whole: nn.Module) -> None:
        super().__init__()
        self.step = Step(node, whole, {})
        inner = self.step.module
        if inner is not None and not self.step.tensors():
            inner = copy.deepcopy(inner)
        self.inner = inner

    def forward(self, *xs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The result of the layer; with further results, a tuple."""
        results = self.step.outputs(list(xs), self.inner)
        return results[0] if len(results) == 1 else tuple(results)


class LayeredNet(nn.Module):
    """The layers of a graph, with the weights of its module.

    It takes images, N x C x H x W, and gives the scores of one output, N x K. `output` is the
    number of that output; the scores of a map are their means over all places. It computes on
    `device`, to which it moves the images; what it gives is on the CPU.
    """

    def __init__(
        self, graph: Graph, module: nn.Module, output: int = 0, device: torch.device = CPU
    ) -> None:
        super().__init__()
        self.graph, self.output, self.device = graph, output, device
        module.eval().requires_grad_(requires_grad=False).to(device)
        self.nodes = [node for node in graph.nodes if node.aux is None]
        self.layers = nn.ModuleList(LayerModule(node, module) for node in self.nodes)
        self._stretches = {
            id(node): stretches
            for node, stretches in zip(graph.nodes, seen_stretches(graph), strict=True)
        }

    @property
    def scores(self) -> Value:
        """The output whose scores the net gives."""
        return self.graph.outputs[self.output].value

    @property
    def channels(self) -> int:
        """The channels of its images."""
        return int(str(self.graph.inputs[0].type.shape[0]))

    @property
    def sizes(self) -> tuple[int, int]:
        """The height and the width of its images."""
        height, width = (int(str(size)) for size in self.graph.inputs[0].type.shape[1:])
        return height, width

    def forward(self, images: Tensor) -> Tensor:
        """The scores, N x K."""
        return by_unit(self.values(images, [self.scores])[0]).mean(2)

    def values(self, images: Tensor, wanted: Sequence[Value]) -> list[Tensor]:
        """These values of the net for images."""
        known = {id(self.graph.inputs[0]): images.to(self.device)}
        last: dict[int, Node] = {}
        nodes = self.below(wanted)
        for node in nodes:
            last |= {id(value): node for value in node.taken}
        kept = {id(value) for value in wanted}
        for node in nodes:
            xs = [known[id(value)] for value in node.taken]
            results = as_list(self.layer(node)(*xs))
            known |= {id(v): y for v, y in zip(node.outputs, results, strict=True)}
            for value in node.taken:
                if last[id(value)] is node and id(value) not in kept:
                    known.pop(id(value), None)
        return [fetched(known[id(value)]) for value in wanted]

    def below(self, wanted: Iterable[Value]) -> list[Node]:
        """The layers that these values depend on, in order."""
        needed = {id(value) for value in wanted}
        found = []
        for node in reversed(self.nodes):
            if any(id(value) in needed for value in node.outputs):
                found.append(node)
                needed |= {id(value) for value in node.taken}
        return found[::-1]

    def layer(self, node: Node) -> LayerModule:
        """The module of a layer."""
        index = next(i for i, other in enumerate(self.nodes) if other is node)
        module = self.layers[index]
        assert isinstance(module, LayerModule)
        return module

    def box(self, node: Node, place: Sequence[int]) -> Box:
        """The part of the image that the unit of a layer at a place depends on."""
        height, width = self.sizes
        stretches = self._stretches[id(node)]
        if stretches is None or len(place) != 2:
            return (0, height, 0, width)
        ends: list[int] = []
        for stretch, index, size in zip(stretches[-2:], place, (height, width), strict=True):
            low, high = (int(end + stretch.jump * index) for end in (stretch.low, stretch.high))
            ends += [min(max(low, 0), size - 1), max(min(high + 1, size), 1)]
        return (ends[0], ends[1], ends[2], ends[3])


def fetched(values: Tensor) -> Tensor:
    """Values on the CPU."""
    return values.cpu()


def by_unit(values: Tensor) -> Tensor:
    """The values of a layer as N x units x places.

    The units of maps, N x C x H x W, are the channels, and those of a sequence, N x T x D, its last
    axis.
    """
    if values.dim() == 3:
        return values.transpose(1, 2)
    return values.reshape(len(values), values.shape[1] if values.dim() > 1 else 1, -1)


def place_of(node: Node, index: int) -> tuple[int, ...]:
    """The row and the column of a place of a map, whose places are numbered row by row.

    The place of a sequence is one number, and a vector has no places.
    """
    shape = node.type.shape
    if len(shape) == 3:
        return divmod(index, int(str(shape[2])))
    return (index,) * (len(shape) == 2)


def units_of(node: Node) -> int:
    """The number of units of a layer."""
    shape = node.type.shape
    if not shape:
        return 1
    return int(str(shape[-1] if len(shape) == 2 else shape[0]))
