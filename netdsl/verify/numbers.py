"""Random inputs and weights on which a wrong rule shows.

Inputs are of the sort that the layers need, and weights keep the scale of the values.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np
import torch

from netdsl.analysis.integers import accepted_integers, reached, sorted_inputs
from netdsl.ir.op import CONSTANT, COUNTER, POSITIVE, Param
from netdsl.ir.rounding import NEAR

if TYPE_CHECKING:
    from netdsl.ir.graph import Graph, Node, Value
    from netdsl.ir.op import Sort


EDGES = {"edge weights", "adjacency", "laplacian"}


def shape_of(value: Value, batch: int, sizes: dict[str, int]) -> tuple[int, ...]:
    """The shape of a value, with the batch and with numbers for the open sizes."""
    return (batch, *(d if isinstance(d, int) else d.at(sizes) for d in value.type.shape))


def inputs_for(
    graph: Graph, batch: int, sizes: dict[str, int], seed: int
) -> dict[int, torch.Tensor]:
    """A random tensor for each input of the net, by the value's id."""
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
    """The numbers of one input."""
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
    numbers = stream.standard_normal(shape)
    if any(sort is POSITIVE for _, sort in reached(graph, value)):
        numbers = np.abs(numbers)
    return np.asarray(numbers, dtype)


def _uses(graph: Graph, value: Value) -> list[tuple[Node, Sort]]:
    """The nodes that take a value, each with the sort of numbers that it takes there."""
    return [(n, sort) for n in graph.nodes for taken, sort in sorted_inputs(n) if taken is value]


def _vocabulary(graph: Graph, value: Value) -> int:
    """How many different integers the layers that take the value, or parts of it, all accept."""
    accepted = accepted_integers(graph, value)
    if accepted is not None:
        return accepted.extent
    return 256 if value.type.dtype == "uint8" else 1000


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
    """A symmetric matrix that is valid for every layer that takes it."""
    half = np.triu(stream.random(shape), 1)
    edges = half + np.swapaxes(half, -1, -2)
    if "adjacency" in sorts:
        return edges > 0.6
    if "laplacian" in sorts:
        return (2 * edges - 1) / shape[-1]
    return edges / shape[-1] * 2


class Settler:
    """Gives random numbers to the weights of a net, so that values keep their scale at any depth.

    Weights get their numbers in the order of their use. Matrices and kernels are normal, scaled by
    the size of their inputs; biases, scales and slopes are random too. The statistics of a batch
    norm are those of its input, each changed by a random amount.
    """

    def __init__(self, seed: int) -> None:
        self._stream = torch.Generator().manual_seed(seed)

    @torch.no_grad()
    def settle(self, node: Node, tensors: dict[str, torch.Tensor], xs: list[torch.Tensor]) -> None:
        """Fill the tensors of a node for these inputs."""
        declared = node.params() | node.buffers()
        # A layer before it may have made infinities and NaNs; weights are for the other numbers.
        x = xs[0].float().nan_to_num(0.0, 0.0, 0.0)
        size = float(x.square().mean().sqrt()) or 1.0
        for name, tensor in tensors.items():
            param = declared.get(name, Param(()))
            if param.tied:
                continue  # its owner has filled it
            if param.init in ("literal", CONSTANT):
                numbers = torch.tensor(param.values, dtype=tensor.dtype)
                tensor.copy_(numbers.reshape(param.shape))
            elif name == "running_mean":
                self._settle_statistics(tensor, tensors["running_var"], x)
            elif name == COUNTER:
                tensor.zero_()
            elif name != "running_var":
                tensor.copy_(self._weight(param.role, name, tensor, size))

    def _settle_statistics(
        self, mean: torch.Tensor, variance: torch.Tensor, x: torch.Tensor
    ) -> None:
        """Fill the running mean and variance of a batch norm with this input."""
        axes = [i for i in range(x.dim()) if i != 1]
        # If all values are equal, their deviation is only rounding, which the norm would enlarge.
        spread = torch.maximum(x.std(axes, correction=0), 0.5 * x.square().mean(axes).sqrt())
        mean.copy_(x.mean(axes) + 0.3 * spread * self._normal(mean))
        random_variance = spread.square() * self._between(mean, 0.5, 1.5) + 0.01
        variance.copy_(random_variance.clamp(max=NEAR))

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
        """The standard deviation of a matrix with `fan` inputs of that size."""
        if role == "state":  # keeps the state bounded over a long sequence
            return float((0.5 / fan) ** 0.5)
        if role == "after-norm":
            return float((2 / fan) ** 0.5)
        return float((2 / fan) ** 0.5 / max(size, 1e-3))

    def _normal(self, like: torch.Tensor) -> torch.Tensor:
        return torch.randn(like.shape, generator=self._stream)

    def _between(self, like: torch.Tensor, low: float, high: float) -> torch.Tensor:
        return torch.rand(like.shape, generator=self._stream) * (high - low) + low
