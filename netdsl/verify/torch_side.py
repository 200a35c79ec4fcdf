"""Runs a graph in PyTorch node by node, and as a whole."""

from __future__ import annotations

import copy
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional as F

from netdsl.backends.torch import modules as torch_modules
from netdsl.backends.torch.module import lower
from netdsl.backends.torch.recorder import lowered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netdsl.ir.graph import Graph, Node

    Results = torch.Tensor | tuple[torch.Tensor, ...]
    Settle = Callable[["Step", list[torch.Tensor]], None]  # fills the weights of a step

_SPACE = {**vars(torch_modules), "torch": torch, "nn": nn, "F": F}


@lru_cache(4096)
def _function(call: str, count: int) -> Callable[..., Results]:
    """The call of a layer as a function of its module and its inputs."""
    names = [f"x{i}" for i in range(count)]
    body = call.replace("{m}", "m").format(*names)
    function: Callable[..., Results] = _evaluated(f"lambda m, {', '.join(names)}: {body}")
    return function


def _evaluated(text: str) -> Any:
    """The value of a Python expression that the back end generated."""
    space = dict(_SPACE)
    exec(f"value = {text}", space)
    return space["value"]


class StepError(Exception):
    """A layer fails in PyTorch, with the exception `cause`."""

    def __init__(self, node: Node, cause: Exception) -> None:
        super().__init__(str(cause))
        self.node = node
        self.cause = cause


class Step:
    """One node in PyTorch."""

    def __init__(self, node: Node, whole: nn.Module, fresh: dict[str, nn.Module]) -> None:
        low = lowered(node)
        call = low.call
        self.node = node
        self.module: nn.Module | None = None
        if low.store != "module":
            self.module = _Holder(whole, node.module)
            call = call.replace("{m}", "{m}.tensor")
        elif low.module is not None:
            owned = member(whole, node.module)
            if owned is None:  # layers without weights may have a different name in the module
                owned = fresh.setdefault(low.module, _evaluated(low.module))
            self.module = owned.eval()
        self._call = _function(call, len(node.inputs))

    def __call__(self, xs: list[torch.Tensor], module: nn.Module | None = None) -> torch.Tensor:
        """The result of the layer, without its further results."""
        return self.outputs(xs, module)[0]

    def outputs(
        self, xs: list[torch.Tensor], module: nn.Module | None = None
    ) -> list[torch.Tensor]:
        """The results of the layer, in the order of the node's `outputs`."""
        return as_list(self._call(module or self.module, *xs))

    def double(self) -> nn.Module | None:
        """A copy of the module in double precision."""
        if self.module is None:
            return None
        return copy.deepcopy(self.module).double()

    def tensors(self) -> dict[str, torch.Tensor]:
        """Its parameters and buffers."""
        if self.module is None:
            return {}
        if isinstance(self.module, _Holder):
            return {"": self.module.tensor}
        return self.module.state_dict()


class _Holder(nn.Module):
    """The tensor of a layer that has no module of its own."""

    tensor: torch.Tensor

    def __init__(self, whole: nn.Module, path: str) -> None:
        super().__init__()
        scope, _, name = path.rpartition(".")
        around = whole.get_submodule(scope)
        learned = dict(around.named_parameters(recurse=False, remove_duplicate=False))
        if name in learned:
            self.tensor = learned[name]
        else:
            self.register_buffer("tensor", around.get_buffer(name))


def member(whole: nn.Module, path: str) -> nn.Module | None:
    """The module inside `whole` with that path, or None."""
    module = whole
    for name in path.split("."):
        child = dict(module.named_children()).get(name)
        if child is None:
            return None
        module = child
    return module


def as_list(outputs: Results) -> list[torch.Tensor]:
    """The outputs of a module or of a layer, which are a tuple only if there are several."""
    return list(outputs) if isinstance(outputs, tuple) else [outputs]


class TorchSide:
    """The module of a graph, and its nodes one by one.

    The numbers in the weights are undefined until they are settled or loaded.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        with torch.device("meta"):
            whole = lower(graph)
        self.module = whole.to_empty(device="cpu").eval().requires_grad_(False)
        self._restore(graph)
        fresh: dict[str, nn.Module] = {}
        self.steps = [Step(n, self.module, fresh) for n in graph.nodes if n.aux is None]
        self._last: dict[int, int] = {}  # the step that uses a value last, by the value's id
        for i, step in enumerate(self.steps):
            for value in step.node.inputs:
                self._last[id(value)] = i

    def _restore(self, graph: Graph) -> None:
        """Tie weights again, which `to_empty` separates, and give constants their numbers."""
        for node in graph.nodes:
            for name, param in node.params().items():
                if param.tied:
                    owner = self.module.get_parameter(param.tied)
                    scope, _, key = node.tensor_name(name).rpartition(".")
                    setattr(self.module.get_submodule(scope), key, owner)
            for name, param in node.buffers().items():
                if param.is_constant:
                    tensor = self.module.get_buffer(node.tensor_name(name))
                    numbers = torch.tensor(param.values, dtype=tensor.dtype)
                    tensor.copy_(numbers.reshape(param.shape))

    def load(self, weights: dict[str, torch.Tensor]) -> None:
        """Copy the numbers of a checkpoint into the module."""
        state = self.module.state_dict()
        for name, tensor in weights.items():
            if name in state:
                state[name].copy_(tensor)

    def walk(
        self,
        inputs: dict[int, torch.Tensor],
        settle: Settle | None = None,
    ) -> Iterator[tuple[Step, list[torch.Tensor], list[torch.Tensor]]]:
        """Run the steps in order; yields each with its inputs and its results.

        Values are freed after their last use. Raises `StepError` if a layer fails.
        """
        values = dict(inputs)
        for i, step in enumerate(self.steps):
            xs = [values[id(v)] for v in step.node.inputs]
            try:
                if settle is not None:
                    settle(step, xs)
                ys = step.outputs(xs)
            except Exception as error:  # every exception of a lowering is a finding
                raise StepError(step.node, error) from error
            made = zip(step.node.outputs, ys, strict=True)
            values |= {id(value): y for value, y in made}
            yield step, xs, ys
            for value in step.node.inputs:
                if self._last[id(value)] == i:
                    values.pop(id(value), None)

    def outputs(self, inputs: dict[int, torch.Tensor]) -> list[torch.Tensor]:
        """The outputs of the whole module."""
        return as_list(self.module(*(inputs[id(v)] for v in self.graph.inputs)))
