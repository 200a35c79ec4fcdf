"""Freezes parts of a net for all epochs of a run or for the first ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from netdsl.analysis.lint.recipe import has_random_weights
from netdsl.errors import SettingError
from netdsl.train.selection import Selection, kinds_of
from netdsl.words import listed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from torch import nn

    from netdsl.ir.graph import Graph
    from netdsl.train.config import TrainConfig

SHOWN = 4  # layers in a message


def frozen_until(config: TrainConfig, selection: Selection) -> dict[str, dict[str, float]]:
    """The number of epochs for which each weight is frozen, by the names in `freeze`.

    Raises SettingError: `unknown-layer`, and `bad-argument` for an `unfreeze` that has no effect.
    """
    given = config.unfreeze
    names: list[str] = [*config.freeze]
    if given is not None and not names:
        message = "`unfreeze` has no effect, because nothing is frozen"
        raise SettingError("bad-argument", message, "unfreeze", "name layers: `freeze = [conv1]`")
    ends: dict[str, float] = dict.fromkeys(names, math.inf)
    pairs: Sequence[tuple[str, float]] = given if isinstance(given, tuple) else ()
    if isinstance(given, int):
        pairs = [(name, given) for name in names]
    for name, epoch in pairs:
        if name not in ends:
            message = f"`unfreeze` names `{name}`, which is not in `freeze`"
            help_ = f"add it: `freeze = [{', '.join([*names, name])}]`"
            raise SettingError("bad-argument", message, "unfreeze", help_)
        ends[name] = epoch
    for name, epoch in ends.items():
        if math.isfinite(epoch) and epoch >= config.epochs:
            own, run = f"`{name}` stays frozen for {epoch:g} epochs", config.epochs
            message = f"{own}, but the run has only {run}"
            help_ = f"give `unfreeze` a number below {run}, or leave it out"
            raise SettingError("bad-argument", message, "unfreeze", help_)
    return {
        name: dict.fromkeys(selection.weights(name, "freeze"), end) for name, end in ends.items()
    }


def decides_frozen(config: TrainConfig, settings: Mapping[str, str]) -> bool:
    """Whether the text of a net does not determine which frozen layers have random weights."""
    return config.weights is not None or "freeze" in settings


def frozen_untrained(
    graph: Graph, config: TrainConfig, fresh: Collection[str] | None
) -> list[SettingError]:
    """The warning about frozen layers with random weights; `fresh` are those not in the file.

    Without a file, all weights are fresh.
    """
    parts = frozen_until(config, Selection(kinds_of(graph)))
    frozen = {weight for part in parts.values() for weight in part}
    names = []
    for node in graph.nodes:
        own = [node.tensor_name(key) for key in node.params()]
        is_frozen = node.frozen or any(name in frozen for name in own)
        is_fresh = fresh is None or any(name in fresh for name in own)
        if is_frozen and is_fresh and has_random_weights(node):
            names.append(f"`{node.name}`")
    if not names:
        return []
    more = [*names[:SHOWN], f"{len(names) - SHOWN} more"] if len(names) > SHOWN else names
    verb, keep = ("is", "keeps") if len(names) == 1 else ("are", "keep")
    source = "no weights are loaded"
    help_ = 'load trained weights with `weights = "FILE"` or `--weights FILE`, or train them'
    if config.weights is not None:
        source = f"{config.weights} has no weights that fit"
        help_ = (
            f"train {'it' if len(names) == 1 else 'them'}, or give weights for all that is frozen"
        )
    message = f"{listed(more)} {verb} frozen and {keep} random weights: {source}"
    error = SettingError("frozen-untrained", message, "freeze", help_)
    error.diagnostic.severity = "warning"
    return [error]


class Freezing:
    """The frozen parts of a module; they are in evaluation mode, as the layers in a text are."""

    def __init__(self, module: nn.Module, parts: Mapping[str, Mapping[str, float]]) -> None:
        own = dict(module.named_parameters())  # of the whole net, or of a stage
        self._module = module
        self._parts = {
            name: {weight: end for weight, end in part.items() if weight in own}
            for name, part in parts.items()
            if own.keys() & part.keys()
        }
        self._fixed = {n for n, p in module.named_parameters() if not p.requires_grad}

    def apply(self, epoch: int) -> None:
        """Freeze what is frozen in an epoch, counted from 0; the module is in training mode."""
        frozen = {
            weight for part in self._parts.values() for weight, end in part.items() if epoch < end
        }
        for name, parameter in self._module.named_parameters():
            parameter.requires_grad_(name not in frozen and name not in self._fixed)
        for name, part in self._parts.items():
            if part.keys() <= frozen:
                self._stop(name, part)

    def _stop(self, name: str, weights: Mapping[str, float]) -> None:
        """Put a part into evaluation mode: the module of that name, or those of its weights."""
        modules = dict(self._module.named_modules())
        names = [weight.rpartition(".")[0] for weight in weights]
        if name in modules:
            names = [name]
        for own in names:
            if own:
                modules[own].eval()
