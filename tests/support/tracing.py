"""Layers with random numbers, as `netdsl trace` runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from netdsl.trace.values import TraceRun, run_to
from netdsl.weights.checkpoints import tensors_of

if TYPE_CHECKING:
    from netdsl.ir.graph import Graph, Node


def random_run(graph: Graph, node: Node, seed: int = 0, samples: int = 0) -> TraceRun:
    """A run with random inputs and weights; variances are positive.

    With a number of samples, it is a run in training.
    """
    stream = np.random.default_rng(seed)
    inputs = {}
    for value in graph.inputs:
        shape = [size for size in value.type.shape if isinstance(size, int)]
        batch = [samples, *shape] if samples else shape
        inputs[value.name] = stream.standard_normal(batch).astype(np.float32)
    weights = {}
    for name, param in tensors_of(graph).items():
        numbers = stream.standard_normal(param.shape)
        if name.endswith("running_var"):
            numbers = np.abs(numbers) + 0.1
        if not param.is_constant:
            weights[name] = numbers.astype(np.float32)
    return run_to(graph, node, inputs, weights, training=samples > 0)
