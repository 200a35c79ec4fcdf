"""Runs a net over many pictures once, and keeps what the views need of its layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from netdsl.data.source import tracked
from netdsl.look.net import by_unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.ir.graph import Node
    from netdsl.look.net import LayeredNet
    from netdsl.look.pictures import Pictures


class LayerSurvey(NamedTuple):
    """The values of the units of a layer over N pictures.

    `best` is the largest value of each unit in each picture, N x units, and `places` is where it
    is. `lowest` and `highest` are those of each unit over all pictures.
    """

    best: np.ndarray
    places: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray

    @property
    def dead(self) -> int:
        """The number of units that have the same value everywhere in all pictures."""
        return int((self.lowest == self.highest).sum())

    def most_exciting(self, unit: int, most: int) -> list[tuple[int, int, float]]:
        """The pictures in which a unit has its largest values, with the place and the value."""
        order = np.argsort(-self.best[:, unit], kind="stable")[:most]
        return [(int(i), int(self.places[i, unit]), float(self.best[i, unit])) for i in order]


class Survey(NamedTuple):
    """The scores of N pictures, N x K, and the layers by their names."""

    scores: np.ndarray
    layers: dict[str, LayerSurvey]


def survey(net: LayeredNet, pictures: Pictures, nodes: Sequence[Node]) -> Survey:
    """Run the net over all pictures."""
    scores: list[np.ndarray] = []
    found: dict[str, list[tuple[np.ndarray, ...]]] = {node.name: [] for node in nodes}
    wanted = [net.scores, *(node.output for node in nodes)]
    for numbers in tracked(pictures.batches(), "running the net over the pictures"):
        images = pictures.prepared(numbers)
        with torch.inference_mode():
            last, *values = (by_unit(value) for value in net.values(images, wanted))
            scores.append(last.mean(2).numpy())
            for node, value in zip(nodes, values, strict=True):
                best, places = value.max(2)
                parts = (best, places, value.amin((0, 2))[None], best.amax(0)[None])
                found[node.name].append(tuple(part.numpy() for part in parts))
    layers = {}
    for name, batches in found.items():
        best_, places_, low, high = (np.concatenate(p) for p in zip(*batches, strict=True))
        layers[name] = LayerSurvey(best_, places_, low.min(0), high.max(0))
    return Survey(np.concatenate(scores), layers)
