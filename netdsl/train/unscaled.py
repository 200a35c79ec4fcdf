"""The warning about inputs of a large scale, such as pixels from 0 to 255; imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from netdsl.analysis.lint.recipe import has_random_weights
from netdsl.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.data.dataset import Dataset
    from netdsl.ir.graph import Graph, Node, Value

LARGEST_DEVIATION = 20  # initial weights are made for numbers with a deviation of about 1
EXAMINED = 256  # samples
LARGEST_PIXEL = 255
KEEP_THE_SCALE = ("shape", "pooling", "regularisation", "dense")  # families of layers


def scale_warnings(graph: Graph, dataset: Dataset) -> Iterator[SettingError]:
    """The warnings about inputs of floats that reach learned weights with a large deviation.

    The inputs of the dataset are in the order of the net's, as `fitted` gives them. Images of
    bytes are scaled; a normalisation or arithmetic in the net can scale the other numbers.
    """
    examined = np.arange(min(EXAMINED, len(dataset.train)))
    for value, (name, column) in zip(graph.inputs, dataset.train.inputs.items(), strict=True):
        if column.dtype.kind != "f":
            continue
        numbers = column.read(examined).astype(np.float64)
        node = _weights_after(graph, value)
        if node is None or numbers.std() <= LARGEST_DEVIATION:
            continue
        error = SettingError(
            "unscaled-input",
            f"`{name}` of {dataset.name} has numbers from {numbers.min():g} to"
            f" {numbers.max():g}, and `{node.op.kind}` takes them as they are",
            "data",
            _advice(value, numbers),
        )
        error.diagnostic.severity = "warning"
        yield error


def _advice(value: Value, numbers: np.ndarray) -> str:
    if len(value.type.shape) == 3 and numbers.min() >= 0 and numbers.max() <= LARGEST_PIXEL:
        return (
            "store them divided by 255, or as bytes, which are scaled and normalised; or write"
            f" `(@{value.name} / 255)` as the first layer"
        )
    return "store them minus their mean and divided by their deviation, or begin with `bn`"


def _weights_after(graph: Graph, value: Value) -> Node | None:
    """The first layer with learned weights that takes the numbers in the scale of an input."""
    scaled = {id(value)}
    for node in graph.nodes:
        if not any(id(given) in scaled for given in node.inputs):
            continue
        if has_random_weights(node):
            return node
        if node.op.family in KEEP_THE_SCALE:
            scaled.add(id(node.output))
    return None
