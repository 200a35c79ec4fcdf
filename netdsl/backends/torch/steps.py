"""Runs the layers of a graph in PyTorch one by one, with the modules of the whole net."""

from __future__ import annotations

import copy
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional as F

from netdsl.backends.torch import modules as torch_modules
from netdsl.backends.torch.recorder import lowered

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.ir.graph import Node

    Results = torch.Tensor | tuple[torch.Tensor, ...]

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
        self._call = _function(call, len(node.taken))

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
        tensor = tensors_in(whole)[path]
        if isinstance(tensor, nn.Parameter):
            self.tensor = tensor
        else:
            self.register_buffer("tensor", tensor)


def tensors_in(module: nn.Module) -> dict[str, torch.Tensor]:
    """The parameters and buffers of a module by their paths.

    `get_parameter` and `get_buffer` do not find those with the name of a method, such as `half`.
    """
    return {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }


def member(whole: nn.Module, path: str) -> nn.Module | None:
    """The module inside `whole` with that path, or None; an empty path is that of `whole`."""
    module = whole
    for name in filter(None, path.split(".")):
        child = dict(module.named_children()).get(name)
        if child is None:
            return None
        module = child
    return module


def as_list(outputs: Results) -> list[torch.Tensor]:
    """The outputs of a module or of a layer, which are a tuple only if there are several."""
    return list(outputs) if isinstance(outputs, tuple) else [outputs]
