"""Runs a graph in PyTorch node by node, and as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from netdsl.backends.torch.module import lower
from netdsl.backends.torch.steps import Step, as_list, member, tensors_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

    from netdsl.ir.graph import Graph, Node

    Settle = Callable[[Step, list[torch.Tensor]], None]  # fills the weights of a step


class StepError(Exception):
    """A layer fails in PyTorch, with the exception `cause`."""

    def __init__(self, node: Node, cause: Exception) -> None:
        super().__init__(str(cause))
        self.node = node
        self.cause = cause


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
            for value in step.node.taken:
                self._last[id(value)] = i

    def _restore(self, graph: Graph) -> None:
        """Tie weights again, which `to_empty` separates, and give constants their numbers."""
        tensors = tensors_in(self.module)
        for node in graph.nodes:
            for name, param in node.params().items():
                if param.tied:
                    scope, _, key = node.tensor_name(name).rpartition(".")
                    setattr(member(self.module, scope), key, tensors[param.tied])
            for name, param in node.buffers().items():
                if param.is_constant:
                    tensor = tensors[node.tensor_name(name)]
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
            xs = [values[id(v)] for v in step.node.taken]
            try:
                if settle is not None:
                    settle(step, xs)
                ys = step.outputs(xs)
            except Exception as error:  # every exception of a lowering is a finding
                raise StepError(step.node, error) from error
            made = zip(step.node.outputs, ys, strict=True)
            values |= {id(value): y for value, y in made}
            yield step, xs, ys
            for value in step.node.taken:
                if self._last[id(value)] == i:
                    values.pop(id(value), None)

    def outputs(self, inputs: dict[int, torch.Tensor]) -> list[torch.Tensor]:
        """The outputs of the whole module."""
        return as_list(self.module(*(inputs[id(v)] for v in self.graph.inputs)))
