"""Recurrent layers: ONNX runs them with time before the batch, one node for each layer.

`recurrence` finds the nodes and the changes of shape around them; `recurrent` makes the layer.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from netdsl.importers.flat import FlatLayer
from netdsl.importers.onnx.foreign import ForeignNode, StoredTensor
from netdsl.importers.patterns.formulas import replacement
from netdsl.importers.rules.common import Refusal, integer, require, text, weight

if TYPE_CHECKING:
    from netdsl.importers.onnx.foreign import Foreign

KINDS = {"LSTM": "lstm", "GRU": "gru", "RNN": "rnn"}
# The gates in PyTorch's order, by their places in ONNX's.
GATES = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}
MOVES = ("Squeeze", "Transpose", "Reshape", "Identity", "Unsqueeze")
STEPS = 8  # changes of shape between two layers
FORWARD, BACKWARD = "forward", "bidirectional"


def recurrence(graph: Foreign, node: ForeignNode) -> ForeignNode | None:
    """The change of shape that puts the batch first again, as a node for the whole layer.

    The other end is the change of shape that puts time first, before the first of the layers.
    """
    cells: list[ForeignNode] = []
    last = False
    value = node.output
    end = graph.shape(value)
    for _ in range(STEPS * 100):
        maker = graph.producers.get(value)
        if maker is None:
            return None
        if maker.kind in KINDS:
            if cells and maker.kind != cells[0].kind:
                return None
            if not cells:
                last = value != maker.output
            cells.insert(0, maker)
            value = maker.input(0)
        elif cells and maker.kind == "Transpose" and maker.attributes.get("perm") == (1, 0, 2):
            return _node(graph, node, maker.input(0), cells, last, end)
        elif maker.kind in MOVES and (maker is node or graph.only_user(maker.output) is not None):
            value = maker.input(0)
        else:
            return None
    return None


def _node(
    graph: Foreign,
    node: ForeignNode,
    x: str,
    cells: list[ForeignNode],
    last: bool,
    end: tuple[int, ...] | None,
) -> ForeignNode | None:
    shape = graph.shape(x)
    if shape is None or end is None:
        return None
    ends = (shape[0],) if last else shape[:2]
    if end[: len(ends)] != ends or len(end) != len(ends) + 1:
        return None
    user = graph.only_user(node.output)
    if user is not None and user.kind in MOVES and graph.shape(user.output) != end:
        return None
    made = replacement(node, "Recurrent", x)
    made.attributes = {"cells": cells, "last": last}
    made.scope = cells[0].scope
    return made


def recurrent(node: ForeignNode, graph: Foreign) -> list[FlatLayer]:
    """`Recurrent`, which stands for stacked `LSTM`, `GRU` or `RNN` nodes."""
    cells, last = node.attributes["cells"], node.attributes["last"]
    assert isinstance(cells, list)
    first: ForeignNode = cells[0]
    hidden = {integer(cell, "hidden_size", 0) for cell in cells}
    directions = {text(cell, "direction", FORWARD) for cell in cells}
    require(len(hidden) == len(directions) == 1, "its layers have different sizes")
    require(directions <= {FORWARD, BACKWARD}, "it only reads the sequence backwards")
    args: dict[str, object] = {
        "hidden": hidden.pop(),
        "layers": len(cells),
        "bidirectional": directions == {BACKWARD},
        "last": last,
    }
    layer = FlatLayer(KINDS[first.kind], node.output, [node.input(0)], node, args)
    biased = {bool(cell.input(3)) for cell in cells}
    require(len(biased) == 1, "only some of its layers have a bias")
    args["bias"] = biased == {True}
    for number, cell in enumerate(cells):
        _check(cell, graph)
        layer.weights |= _weights(cell, graph, number)
    return [layer]


def _check(cell: ForeignNode, graph: Foreign) -> None:
    """Refuse what PyTorch's layers do not have; raises `Refusal`."""
    require(not any(cell.inputs[7:]), "it has peepholes")
    require("clip" not in cell.attributes, "it clips its state")
    require(integer(cell, "layout", 0) == 0, "its layout is not 0")
    for name in cell.inputs[5:7]:
        stored = graph.stored.get(name)
        if name and (stored is None or stored.read().any()):
            raise Refusal("its initial state is not zeros")
    if cell.kind == "GRU":
        require(integer(cell, "linear_before_reset", 0) == 1, "it resets before the product")
    usual = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("Tanh",)}
    given = cell.attributes.get("activations")
    if given is not None:
        assert isinstance(given, (list, tuple))
        names = [a.decode() if isinstance(a, bytes) else str(a) for a in given]
        unit = usual[cell.kind]
        require(len(names) % len(unit) == 0, "its activations are unusual")
        require(names == list(unit) * (len(names) // len(unit)), "its activations are unusual")


def _weights(cell: ForeignNode, graph: Foreign, number: int) -> dict[str, StoredTensor]:
    """The weights of one layer under PyTorch's names."""
    gates = GATES[cell.kind]
    count = len(gates)
    w, r = weight(cell, graph, 1, "matrix"), weight(cell, graph, 2, "recurrent matrix")
    found = {}
    for direction, suffix in enumerate(("", "_reverse")[: w.shape[0]]):
        end = f"l{number}{suffix}"
        found[f"weight_ih_{end}"] = _gates(w, direction, gates, 0, 1)
        found[f"weight_hh_{end}"] = _gates(r, direction, gates, 0, 1)
        if cell.input(3):
            b = weight(cell, graph, 3, "bias")
            require(b.shape[1] % (2 * count) == 0, "its bias has another size")
            found[f"bias_ih_{end}"] = _gates(b, direction, gates, 0, 2)
            found[f"bias_hh_{end}"] = _gates(b, direction, gates, 1, 2)
    return found


def _gates(
    stored: StoredTensor, direction: int, gates: tuple[int, ...], part: int, parts: int
) -> StoredTensor:
    """The numbers of one direction with the gates in PyTorch's order."""
    rows = stored.shape[1] // parts
    size = rows // len(gates)

    def change(array: np.ndarray) -> np.ndarray:
        own = array[direction][part * rows : (part + 1) * rows]
        return np.concatenate([own[g * size : (g + 1) * size] for g in gates])

    assert prod(stored.shape) > 0
    return StoredTensor("", (rows, *stored.shape[2:]), stored.dtype, lambda: change(stored.read()))
