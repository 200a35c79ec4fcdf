"""PyTorch, node by node: each layer's own module and call, on the values that the layers before it
made.
"""

from __future__ import annotations

import copy
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional as F

from netdsl.backends.torch import modules as torch_modules
from netdsl.backends.torch.module import lower
from netdsl.backends.torch.recorder import SourceRecorder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netdsl.ir.graph import Graph, Node

_SPACE = {**vars(torch_modules), "torch": torch, "nn": nn, "F": F}


@lru_cache(4096)
def _function(call: str, count: int) -> Callable[..., torch.Tensor]:
    """The call of a layer as a function of its module and inputs."""
    names = [f"x{i}" for i in range(count)]
    made: Callable[..., torch.Tensor] = _evaluated(
        f"lambda m, {', '.join(names)}: {call.replace('{m}', 'm').format(*names)}"
    )
    return made


def _evaluated(text: str) -> Any:
    """The value of an expression that the back end wrote."""
    space = dict(_SPACE)
    exec(f"made = {text}", space)
    return space["made"]


class Step:
    """One node in PyTorch."""

    def __init__(self, node: Node, whole: nn.Module, fresh: dict[str, nn.Module]) -> None:
        low = node.op.torch(SourceRecorder(), *node.types)
        self.node = node
        self.module: nn.Module | None = None
        if low.module is not None:
            owned = member(whole, node.module)
            if owned is None:  # layers without weights may stand under another name
                owned = fresh.setdefault(low.module, _evaluated(low.module))
            self.module = owned.eval()
        self._call = _function(low.call, len(node.inputs))

    def __call__(self, xs: list[torch.Tensor], module: nn.Module | None = None) -> torch.Tensor:
        return self._call(module or self.module, *xs)

    def double(self) -> nn.Module | None:
        """A copy of the module in double precision."""
        return copy.deepcopy(self.module).double() if self.module is not None else None

    def tensors(self) -> dict[str, torch.Tensor]:
        """Its parameters and buffers."""
        return self.module.state_dict() if self.module is not None else {}


def member(whole: nn.Module, path: str) -> nn.Module | None:
    """The module of that path, None where there is none."""
    found: nn.Module | None = whole
    for name in path.split("."):
        found = dict(found.named_children()).get(name) if found is not None else None
    return found


class TorchSide:
    """The module of a graph, and its nodes one by one.

    The weights hold no numbers until they are settled or loaded.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        with torch.device("meta"):
            whole = lower(graph)
        self.module = whole.to_empty(device="cpu").eval().requires_grad_(False)
        fresh: dict[str, nn.Module] = {}
        self.steps = [Step(n, self.module, fresh) for n in graph.nodes if n.aux is None]
        self._last: dict[int, int] = {}
        for i, step in enumerate(self.steps):
            for value in step.node.inputs:
                self._last[id(value)] = i

    def load(self, weights: dict[str, torch.Tensor]) -> None:
        """Take the numbers of a checkpoint."""
        state = self.module.state_dict()
        for name, tensor in weights.items():
            if name in state:
                state[name].copy_(tensor)

    def walk(
        self,
        inputs: dict[int, torch.Tensor],
        settle: Callable[[Step, list[torch.Tensor]], None] | None = None,
    ) -> Iterator[tuple[Step, list[torch.Tensor], Any]]:
        """Each step with its inputs and what it makes, an exception where the layer fails; values
        are dropped after their last use.
        """
        values = dict(inputs)
        for i, step in enumerate(self.steps):
            xs = [values[id(v)] for v in step.node.inputs]
            try:
                if settle is not None:
                    settle(step, xs)
                y: Any = step(xs)
            except Exception as error:  # whatever a lowering raises is the finding
                yield step, xs, error
                return
            values[id(step.node.output)] = y
            yield step, xs, y
            for value in step.node.inputs:
                if self._last[id(value)] == i:
                    values.pop(id(value), None)

    def outputs(self, inputs: dict[int, torch.Tensor]) -> list[torch.Tensor]:
        """What the whole module gives."""
        made = self.module(*(inputs[id(v)] for v in self.graph.inputs))
        return list(made) if isinstance(made, tuple) else [made]
