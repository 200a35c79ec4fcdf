"""Builds the optimizer of a run, with a group for each learning rate and weight decay."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch

from netdsl.errors import SettingError
from netdsl.train.recipe.optimizers import SGD, Adam, AdamW, Muon, RMSprop, weight_values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import nn

    from netdsl.train.recipe.optimizers import Optimizer
    from netdsl.train.selection import Selection

Group = dict[str, Any]  # as torch's optimizers take it
RATE = "initial_lr"  # the learning rate of a group before the schedule


def build_optimizer(
    optimizer: Optimizer,
    parameters: Mapping[str, nn.Parameter],
    selection: Selection,
    *,
    fused: bool = False,
) -> torch.optim.Optimizer:
    """The torch optimizer over parameters by their names; `selection` resolves those of layers.

    The selection may have more parameters: those of the whole net.

    `fused` asks for PyTorch's faster form, which scaled gradients and weights that are unfrozen
    later do not permit.

    Raises SettingError: `nothing-to-train` if there are no parameters, or all of them are frozen,
    and as `Selection` does.
    """
    check_trainable(parameters)
    groups = _groups(optimizer, parameters, selection)
    match optimizer:
        case SGD(momentum=momentum, nesterov=nesterov):
            return torch.optim.SGD(
                groups, lr=0.1, momentum=momentum, nesterov=nesterov, fused=fused
            )
        case AdamW(betas=betas, eps=eps):
            return torch.optim.AdamW(groups, betas=betas, eps=eps, fused=fused)
        case Adam(betas=betas, eps=eps):
            return torch.optim.Adam(groups, betas=betas, eps=eps, fused=fused)
        case RMSprop(alpha=alpha, momentum=momentum, eps=eps):
            return torch.optim.RMSprop(groups, alpha=alpha, eps=eps, momentum=momentum)
        case Muon():
            return _muon(optimizer, groups)


def check_trainable(parameters: Mapping[str, nn.Parameter]) -> None:
    """Raise SettingError `nothing-to-train` if no parameter can be trained."""
    if not parameters:
        help_ = "add a layer with weights, such as `dense` or `conv`"
        message = "the net has no weights to train"
        raise SettingError("nothing-to-train", message, "optimizer", help_)
    if not any(parameter.requires_grad for parameter in parameters.values()):
        help = "remove `frozen` from layers of the net, or names from the entry `freeze`"
        message = "all weights of the net are frozen"
        raise SettingError("nothing-to-train", message, "optimizer", help)


def _groups(
    optimizer: Optimizer, parameters: Mapping[str, nn.Parameter], selection: Selection
) -> list[Group]:
    """The parameters with equal rate and decay, with those; a single group if all are equal."""
    members: dict[tuple[float, float], list[tuple[str, nn.Parameter]]] = {}
    for name, values in weight_values(optimizer, selection).items():
        if name in parameters:
            members.setdefault(values, []).append((name, parameters[name]))
    return [
        {"params": named, "lr": rate, RATE: rate, "weight_decay": decay}
        for (rate, decay), named in members.items()
    ]


def _muon(optimizer: Muon, groups: Sequence[Group]) -> torch.optim.Optimizer:
    """Muon over the parameters with two axes, and AdamW over the others."""
    parts: list[torch.optim.Optimizer] = []
    matrices = _only(groups, lambda parameter: parameter.dim() == 2)
    others = _only(groups, lambda parameter: parameter.dim() != 2)
    if matrices:
        momentum, nesterov = optimizer.momentum, optimizer.nesterov
        own = torch.optim.Muon(
            matrices, momentum=momentum, nesterov=nesterov, adjust_lr_fn="match_rms_adamw"
        )
        parts.append(own)
    if others:
        parts.append(torch.optim.AdamW(others))
    return Together(parts)


def _only(groups: Sequence[Group], chosen: Callable[[nn.Parameter], bool]) -> list[Group]:
    kept = [{**group, "params": [p for p in group["params"] if chosen(p[1])]} for group in groups]
    return [group for group in kept if group["params"]]


class Together(torch.optim.Optimizer):
    """Several optimizers as one; its groups are theirs, in order."""

    def __init__(self, parts: Sequence[torch.optim.Optimizer]) -> None:
        groups = [group for part in parts for group in part.param_groups]
        super().__init__([parameter for group in groups for parameter in group["params"]], {})
        self._parts = parts
        self.param_groups = groups
        self._link()

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Let each optimizer take a step."""
        for part in self._parts:
            part.step()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load what `state_dict` gives, for all of them."""
        super().load_state_dict(state_dict)
        self._link()

    def _link(self) -> None:
        """Give the optimizers the groups and the state of this one."""
        ends = [0]
        for part in self._parts:
            ends.append(ends[-1] + len(part.param_groups))
        for part, (start, end) in zip(self._parts, pairwise(ends), strict=True):
            part.param_groups, part.state = self.param_groups[start:end], self.state
