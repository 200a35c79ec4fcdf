"""Graph to a `torch.nn.Module`: runs the source that `source` writes."""

from __future__ import annotations

import linecache
from typing import TYPE_CHECKING, Any

import numpy as np

from netdsl.backends.torch.source import class_name, emit_source
from netdsl.weights.checkpoints import fit, tensors_of, weights_of
from netdsl.weights.tensors import as_float32

if TYPE_CHECKING:
    import torch

    from netdsl.ir.graph import Graph


def lower(graph: Graph) -> torch.nn.Module:
    """A module with the graph's names, in training mode as PyTorch's modules are.

    In training a net with auxiliary heads returns its outputs and then the heads' values;
    `aux_weights` holds their weights.
    """
    source = emit_source(graph, standalone=False)
    name = f"<netdsl {graph.name}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    space: dict[str, Any] = {"__name__": f"netdsl.generated.{graph.name}"}
    exec(compile(source, name, "exec"), space)
    made = space[class_name(graph)]
    # Of the class, where members that are so labelled are not in the way.
    made.aux_weights = [head.weight for head in graph.aux]
    made.source = source
    module: torch.nn.Module = made()
    return module


def load(
    module: torch.nn.Module, graph: Graph, weights: object, *, allow_nonfinite: bool = False
) -> None:
    """Give a module of a graph the weights of a state dict or of a file.

    Auxiliary heads keep their own weights, because the given ones need not include them. Raises
    `NetdslError` for weights that do not fit.
    """
    state = module.state_dict()
    for name, values in fit(tensors_of(graph), weights_of(weights), lazy=True).items():
        made = as_float32(name, np.asarray(values), allow_nonfinite=allow_nonfinite)
        state[name].numpy()[...] = made  # the memory of the module: no tensor is copied twice
