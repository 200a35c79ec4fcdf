"""Makes a `torch.nn.Module` of a graph by running the source that `source` writes."""

from __future__ import annotations

import linecache
from typing import TYPE_CHECKING, Any

import numpy as np

from netdsl.backends.torch.source import class_name, emit_source
from netdsl.weights.checkpoints import fit, tensors_of, weights_of
from netdsl.weights.tensors import as_float32

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from netdsl.ir.graph import Graph


def lower(graph: Graph) -> torch.nn.Module:
    """A module with the graph's names, in training mode as PyTorch's modules are.

    In training, a net with auxiliary heads returns its outputs and then the values of the heads.
    The attribute `aux_weights` has the weights of the heads, and `source` has the source.
    """
    source = emit_source(graph, standalone=False)
    file = f"<netdsl {graph.name}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    space: dict[str, Any] = {"__name__": f"netdsl.generated.{graph.name}"}
    exec(compile(source, file, "exec"), space)
    module_class = space[class_name(graph)]
    # Attributes of the class do not collide with members that have these names.
    module_class.aux_weights = [head.weight for head in graph.aux]
    module_class.source = source
    module: torch.nn.Module = module_class()
    return module


def load(
    module: torch.nn.Module, graph: Graph, weights: object, *, allow_nonfinite: bool = False
) -> None:
    """Give a module of a graph the weights of a state dict or of a file.

    Auxiliary heads keep their own weights, because the given ones need not include them. Raises
    `NetdslError` for weights that do not fit.
    """
    fitting = fit(tensors_of(graph), weights_of(weights), lazy=True)
    set_weights(module, fitting, allow_nonfinite=allow_nonfinite)


def set_weights(
    module: torch.nn.Module, tensors: Mapping[str, object], *, allow_nonfinite: bool = False
) -> None:
    """Copy tensors, by their names in the state dict, into a module on the CPU.

    The other tensors of the module stay as they are. Raises `NetdslError` for numbers that
    `as_float32` refuses.
    """
    state = module.state_dict()
    for name, values in tensors.items():
        numbers = as_float32(name, np.asarray(values), allow_nonfinite=allow_nonfinite)
        state[name].numpy()[...] = numbers  # writes to the memory of the module, without a copy
