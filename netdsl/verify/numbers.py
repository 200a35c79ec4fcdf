"""Random inputs of the right sort and random weights of a sane scale: each net gets numbers on
which a wrong rule shows.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from netdsl.ir.op import NUMBERS, Param
from netdsl.ir.rounding import NEAR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.ir.graph import Graph, Node, Value
    from netdsl.ir.op import Sort


EDGES = {"edge weights", "adjacency", "laplacian"}


def shape_of(value: Value, batch: int, sizes: dict[str, int]) -> tuple[int, ...]:
    """The shape of a value with its batch, its open sizes set."""
    return (batch, *(d if isinstance(d, int) else d.at(sizes) for d in value.type.shape))


def inputs_for(
    graph: Graph, batch: int, sizes: dict[str, int], seed: int
) -> dict[int, torch.Tensor]:
    """A random tensor for each input, by the value's `id`."""
    stream = np.random.default_rng([seed, batch, *sizes.values()])
    return {
        id(v): torch.from_numpy(_input(graph, v, shape_of(v, batch, sizes), sizes, stream))
        for v in graph.inputs
    }


def _input(
    graph: Graph,
    value: Value,
    shape: tuple[int, ...],
    sizes: dict[str, int],
    stream: np.random.Generator,
) -> np.ndarray:
    dtype = value.type.dtype
    if dtype in ("int64", "int32", "uint8"):
        return np.asarray(stream.integers(0, _vocabulary(graph, value), shape), dtype=dtype)
    if dtype == "bool":
        return stream.random(shape) < 0.5
    users = {sort.name: (node, sort) for node, sort in reversed(_uses(graph, value))}
    if "boxes" in users:
        return _boxes(*users["boxes"], shape, sizes, stream).astype(dtype)
    if set(users) & EDGES:
        return _edges(set(users), shape, stream).astype(dtype)
    return stream.standard_normal(shape).astype(dtype)


def _taken(node: Node) -> Iterator[tuple[Value, Sort]]:
    """The inputs of a node, and what the numbers of each are."""
    sorts = node.op.sorts()
    for i, value in enumerate(node.inputs):
        yield value, sorts[i] if i < len(sorts) else NUMBERS


def _uses(graph: Graph, value: Value) -> list[tuple[Node, Sort]]:
    """The nodes that take a value, and what its numbers are to each."""
    return [(n, sort) for n in graph.nodes for taken, sort in _taken(n) if taken is value]


def _vocabulary(graph: Graph, value: Value) -> int:
    """How many integers there may be for every layer that takes the value, or parts of it."""
    reached = {id(value)}
    room = 256 if value.type.dtype == "uint8" else 1000
    found = []
    for node in graph.nodes:
        for taken, sort in _taken(node):
            if id(taken) in reached and sort.name == "indices":
                found.append(int(sort.extent))
            elif id(taken) in reached and node.op.any_dtype:
                reached.add(id(node.output))
    return min(found, default=room)


def _boxes(
    node: Node,
    sort: Sort,
    shape: tuple[int, ...],
    sizes: dict[str, int],
    stream: np.random.Generator,
) -> np.ndarray:
    """Boxes inside the image: x1, y1, x2, y2, at least a pixel wide."""
    height, width = (d / sort.extent for d in shape_of(node.inputs[0], 1, sizes)[2:])
    corners = np.sort(stream.random((*shape[:-1], 2, 2)), axis=-2)
    corners[..., 1, :] = np.minimum(corners[..., 1, :] + 0.1, 1)
    return np.reshape(corners * [0.98 * width, 0.98 * height], shape)


def _edges(sorts: set[str], shape: tuple[int, ...], stream: np.random.Generator) -> np.ndarray:
    """A symmetric matrix that suits every layer that takes it."""
    half = np.triu(stream.random(shape), 1)
    edges = half + np.swapaxes(half, -1, -2)
    if "adjacency" in sorts:
        return edges > 0.6
    if "laplacian" in sorts:
        return (2 * edges - 1) / shape[-1]
    return edges / shape[-1] * 2


class Settler:
    """Gives the weights of a net numbers in the order in which they are used, so that values keep
    their scale through any depth.

    Matrices and kernels are normal, scaled by their inputs' size; biases, scales and slopes are
    random too. Statistics of batch norm are those of the values, each off by a random share.
    """

    def __init__(self, seed: int) -> None:
        self._stream = torch.Generator().manual_seed(seed)

    @torch.no_grad()
    def settle(self, node: Node, tensors: dict[str, torch.Tensor], xs: list[torch.Tensor]) -> None:
        """Fill the tensors of a node for these inputs."""
        declared: dict[str, Any] = node.params()
        x = xs[0].float()
        size = float(x.square().mean().sqrt()) or 1.0
        for name, tensor in tensors.items():
            if name in declared and declared[name].init == "literal":
                tensor.copy_(torch.tensor(declared[name].values).reshape(declared[name].shape))
            elif name == "running_mean":
                axes = [i for i in range(x.dim()) if i != 1]
                # Of values that are all alike a norm would make rounding alone, enlarged from norm
                # to norm.
                spread = torch.maximum(
                    x.std(axes, correction=0), 0.5 * x.square().mean(axes).sqrt()
                )
                tensor.copy_(x.mean(axes) + 0.3 * spread * self._normal(tensor))
                variance = spread.square() * self._between(tensor, 0.5, 1.5) + 0.01
                tensors["running_var"].copy_(variance.clamp(max=NEAR))
            elif name == "num_batches_tracked":
                tensor.zero_()
            elif name != "running_var":
                role = declared.get(name, Param(())).role
                tensor.copy_(self._weight(role, name, tensor, size))

    def _weight(self, role: str, name: str, tensor: torch.Tensor, size: float) -> torch.Tensor:
        if role == "value":
            return self._normal(tensor)
        if role == "code":
            return self._normal(tensor) * size
        if tensor.dim() > 1:
            return self._normal(tensor) * self._matrix_scale(role, prod(tensor.shape[1:]), size)
        if name.rpartition(".")[2].startswith(("bias", "in_proj_bias")):
            return self._normal(tensor) * 0.3
        if role == "slope":
            return self._between(tensor, 0.1, 0.6)
        return self._between(tensor, 0.5, 1.5)

    @staticmethod
    def _matrix_scale(role: str, fan: int, size: float) -> float:
        if role == "state":  # it neither fades nor grows without end over a long sequence
            return float((0.5 / fan) ** 0.5)
        return float((2 / fan) ** 0.5 / (1 if role == "after-norm" else max(size, 1e-3)))

    def _normal(self, like: torch.Tensor) -> torch.Tensor:
        return torch.randn(like.shape, generator=self._stream)

    def _between(self, like: torch.Tensor, low: float, high: float) -> torch.Tensor:
        return torch.rand(like.shape, generator=self._stream) * (high - low) + low
