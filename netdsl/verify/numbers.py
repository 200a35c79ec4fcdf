"""Random inputs of the right sort and random weights of a sane scale: each net gets numbers on which a wrong rule shows."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from netdsl.verify.rounding import NEAR

if TYPE_CHECKING:
    from netdsl.ir.graph import Graph, Node, Value

PLAIN_EDGES = {"sage"}  # kinds whose edges are zeros and ones


def shape_of(value: Value, batch: int, sizes: dict[str, int]) -> tuple[int, ...]:
    """The shape of a value with its batch, its open sizes set."""
    return (batch, *(d if isinstance(d, int) else d.at(sizes) for d in value.type.shape))


def inputs_for(graph: Graph, batch: int, sizes: dict[str, int], seed: int) -> dict[int, torch.Tensor]:
    """A random tensor for each input, by the value's `id`."""
    stream = np.random.default_rng([seed, batch, *sizes.values()])
    return {id(v): torch.from_numpy(_input(graph, v, shape_of(v, batch, sizes), sizes, stream)) for v in graph.inputs}


def _input(graph: Graph, value: Value, shape: tuple[int, ...], sizes: dict[str, int], stream: np.random.Generator) -> np.ndarray:
    dtype = value.type.dtype
    if dtype in ("int64", "int32", "uint8"):
        return np.asarray(stream.integers(0, _vocabulary(graph, value), shape), dtype=dtype)
    if dtype == "bool":
        return stream.random(shape) < 0.5
    users = [n for n in graph.nodes if len(n.inputs) == 2 and n.inputs[1] is value]
    regions = next((n for n in users if n.op.family == "regions"), None)
    if regions is not None:
        return _boxes(regions, shape, sizes, stream).astype(dtype)
    edges = [n for n in users if n.op.family == "graph"]
    if edges:
        return _edges(edges, shape, stream).astype(dtype)
    return stream.standard_normal(shape).astype(dtype)


def _vocabulary(graph: Graph, value: Value) -> int:
    """How many integers every embedding that the value reaches has room for."""
    reached = {id(value)}
    room = [256 if value.type.dtype == "uint8" else 1000]
    found = []
    for node in graph.nodes:
        if any(id(v) in reached for v in node.inputs):
            if node.op.kind == "embedding":
                found.append(node.op.given["n"])
            elif node.op.any_dtype:
                reached.add(id(node.output))
    return min(found or room)


def _boxes(node: Node, shape: tuple[int, ...], sizes: dict[str, int], stream: np.random.Generator) -> np.ndarray:
    """Boxes inside the image: x1, y1, x2, y2, at least a pixel wide."""
    height, width = (d / node.op.given["scale"] for d in shape_of(node.inputs[0], 1, sizes)[2:])
    corners = np.sort(stream.random((*shape[:-1], 2, 2)), axis=-2)
    corners[..., 1, :] = np.minimum(corners[..., 1, :] + 0.1, 1)
    return np.reshape(corners * [0.98 * width, 0.98 * height], shape)


def _edges(users: list[Node], shape: tuple[int, ...], stream: np.random.Generator) -> np.ndarray:
    """An adjacency of zeros and ones where a layer needs one; a symmetric matrix of norm at most 1 for polynomials of it; else weights from 0 on."""
    half = np.triu(stream.random(shape), 1)
    edges = half + np.swapaxes(half, -1, -2)
    if any(n.op.kind in PLAIN_EDGES or n.op.given.get("normalize") for n in users):
        return edges > 0.6
    if any(n.op.kind == "cheb" for n in users):
        return (2 * edges - 1) / shape[-1]
    return edges / shape[-1] * 2


class Settler:
    """Gives the weights of a net numbers in the order in which they are used, so that values keep their scale through any depth.

    Matrices and kernels are normal, scaled by their inputs' size; biases, scales and slopes are random too. Statistics of batch
    norm are those of the values, each off by a random share.
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
                # Of values that are all alike a norm would make rounding alone, enlarged from norm to norm.
                spread = torch.maximum(x.std(axes, correction=0), 0.5 * x.square().mean(axes).sqrt())
                tensor.copy_(x.mean(axes) + 0.3 * spread * self._normal(tensor))
                variance = spread.square() * self._between(tensor, 0.5, 1.5) + 0.01
                tensors["running_var"].copy_(variance.clamp(max=NEAR))
            elif name == "num_batches_tracked":
                tensor.zero_()
            elif name != "running_var":
                tensor.copy_(self._weight(node.op.kind, name, tensor, size))

    def _weight(self, kind: str, name: str, tensor: torch.Tensor, size: float) -> torch.Tensor:
        if kind in ("embedding", "param"):
            return self._normal(tensor)
        if kind == "rbf":
            return self._normal(tensor) * size
        if tensor.dim() > 1:
            fan = prod(tensor.shape[1:])
            if "_hh_" in name:  # states that neither fade nor grow without end over a long sequence
                return self._normal(tensor) * float((0.5 / fan) ** 0.5)
            return self._normal(tensor) * float((2 / fan) ** 0.5 / (1 if name.startswith("out_proj") else max(size, 1e-3)))
        if name.rpartition(".")[2].startswith(("bias", "in_proj_bias")):
            return self._normal(tensor) * 0.3
        if kind == "prelu":
            return self._between(tensor, 0.1, 0.6)
        return self._between(tensor, 0.5, 1.5)

    def _normal(self, like: torch.Tensor) -> torch.Tensor:
        return torch.randn(like.shape, generator=self._stream)

    def _between(self, like: torch.Tensor, low: float, high: float) -> torch.Tensor:
        return torch.rand(like.shape, generator=self._stream) * (high - low) + low
