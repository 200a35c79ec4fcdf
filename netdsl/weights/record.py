"""What the weights of a training run record besides their numbers: the net and its data."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from netdsl.errors import NetdslError, SettingError
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netdsl.data.dataset import Constants, Dataset
    from netdsl.ir.graph import Graph
    from netdsl.weights.checkpoints import Weights

SHOWN = 4  # classes in a message
MOST = 3  # layers that differ in a message


class RunRecord(NamedTuple):
    """The record in a file of weights; `source` is the name of the file.

    `data` is the data set as a `train` section names it, `defines` are the values of the net's
    parameters as texts, and `layers` describes its layers by name. `constants` are the mean and the
    deviation of the images, by the name of the input. `settings` are entries of the `train` section
    as texts, if the file has them.
    """

    source: str
    data: str
    classes: tuple[str, ...]
    constants: dict[str, Constants]
    defines: dict[str, str]
    layers: dict[str, str]
    settings: Mapping[str, str] = MappingProxyType({})

    def applied_to(self, dataset: Dataset) -> Dataset:
        """A data set with the normalisation of the training.

        Raises SettingError `data-mismatch` for a data set with other classes.
        """
        if self.classes != dataset.classes:
            own, others = (_described(names) for names in (self.classes, dataset.classes))
            message = f"{self.source} was trained on {own}, but {dataset.name} has {others}"
            help_ = f"use data with the same classes in the same order, such as `{self.data}`"
            raise SettingError("data-mismatch", message, "data", help_)
        return self.normalising(dataset)

    def normalising(self, dataset: Dataset) -> Dataset:
        """A data set with the normalisation of the training, whatever its classes are."""
        if len(self.constants) == len(dataset.constants) == 1:
            return dataset.normalised_by(*next(iter(self.constants.values())))
        return dataset.with_constants(self.constants)

    def other_net(self, graph: Graph) -> str | None:
        """How a net differs from the one that was trained, or None if it does not.

        What is frozen does not matter after the training.
        """
        before, now = map(_without_frozen, (self.layers, layers_of(graph)))
        if now == before:
            return None
        return f"{self.source} was trained with another net: {differences(before, now)}"


def record_of(weights: Weights) -> RunRecord | None:
    """The record of weights that `netdsl train` wrote; None for those of other programs.

    Raises `NetdslError` for a record that is not what it writes.
    """
    metadata = weights.metadata
    if "data" not in metadata or "layers" not in metadata:
        return None
    try:
        names = ("classes", "constants", "defines", "layers")
        classes, constants, defines, layers = (json.loads(metadata[name]) for name in names)
        pairs = {name: (tuple(mean), tuple(std)) for name, (mean, std) in constants.items()}
        settings = dict(json.loads(metadata.get("settings", "{}")))
        return RunRecord(
            weights.name, metadata["data"], tuple(classes), pairs, defines, layers, settings
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        message = f"the metadata of {weights.name} do not describe a training run: {error}"
        raise NetdslError("bad-metadata", message) from None


class TrainedNet(NamedTuple):
    """The net whose weights a file has: its name, if it is known, and its parameters as texts."""

    name: str | None = None
    defines: Mapping[str, str] = {}


def recorded_net(path: str) -> TrainedNet:
    """The net whose weights a file has, as far as the file records it.

    Only the header of the file is read; errors in it are left to `read_weights`.
    """
    from safetensors import SafetensorError, safe_open  # only weights that are trained need it

    file = Path(path)
    if os.path.isdir(file):
        file /= "weights.safetensors"
    if not os.path.isfile(file):
        return TrainedNet()
    try:
        with safe_open(file, "numpy") as opened:
            metadata = opened.metadata() or {}
        defines = json.loads(metadata.get("defines", "{}"))
    except (OSError, SafetensorError, TypeError, ValueError):
        return TrainedNet()
    return TrainedNet(metadata.get("net"), defines if isinstance(defines, dict) else {})


def layers_of(graph: Graph) -> dict[str, str]:
    """Every layer of a graph as a text, by its name.

    The text has the layer's kind, its arguments, its inputs, and whether it is frozen. Arguments
    with their default are left out, so that a kind can get new ones without being another layer.
    """
    return {
        node.name: " ".join(
            [
                node.op.kind,
                *(
                    f"{argument.name}={node.op.given[argument.name]}"
                    for argument in node.op.args
                    if node.op.given[argument.name] != argument.default
                ),
                *(f"@{value.name}" for value in node.inputs),
                *(["frozen"] if node.frozen else []),
            ]
        )
        for node in graph.nodes
    }


def _without_frozen(layers: Mapping[str, str]) -> dict[str, str]:
    return {name: text.removesuffix(" frozen") for name, text in layers.items()}


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """The first layers that differ: `relu1` was `relu` and is `tanh`."""
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    texts = [_difference(name, before.get(name), now.get(name)) for name in names[:MOST]]
    if len(names) > MOST:
        texts.append(f"and {counted(len(names) - MOST, 'more layer')}")
    return "; ".join(texts)


def _difference(name: str, before: str | None, now: str | None) -> str:
    """The kinds of a layer, or the arguments that differ if the kind is the same."""
    if before is None:
        return f"`{name}` is new"
    if now is None:
        return f"`{name}` is missing"
    old, new = before.split(), now.split()
    if old[0] != new[0]:
        return f"`{name}` was `{old[0]}` and is `{new[0]}`"
    lost = " ".join(word for word in old if word not in new)
    gained = " ".join(word for word in new if word not in old)
    if not lost:
        return f"`{name}` now has `{gained}`"
    if not gained:
        return f"`{name}` no longer has `{lost}`"
    return f"`{name}` had `{lost}` and has `{gained}`"


def _described(classes: tuple[str, ...]) -> str:
    """The number of classes, and the names of the first ones."""
    if not classes:
        return "numbers"
    more = ", ..." if len(classes) > SHOWN else ""
    return f"{counted(len(classes), 'class')} ({', '.join(classes[:SHOWN])}{more})"
