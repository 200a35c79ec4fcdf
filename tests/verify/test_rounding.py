"""Which differences `verify` accepts as rounding."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import netdsl
from netdsl.errors import NetdslError
from netdsl.ir.rounding import Bound
from netdsl.ops import LAYERS
from netdsl.ops.rounding import gated
from netdsl.verify import Report, values
from netdsl.verify.check import verify_graph
from netdsl.verify.outputs import compare_models

PART = """net Part {
    input a: 3x4x4
    input b: 3x4x4
    all: add(@a, @b)
    slice(0, 1) -> relu6
}
"""


@pytest.mark.parametrize(
    ("result", "bound", "is_error"),
    [
        (float("nan"), 1e46, False),
        (float("inf"), float("nan"), False),
        (1e9, float("inf"), False),
        (float("nan"), 1e44, True),
        (float("inf"), 1.0, True),
        (1.0, 1.0, True),
        (2.0, 1.0, False),
    ],
)
def test_rounding_beyond_every_float32(
    monkeypatch: pytest.MonkeyPatch, result: float, bound: float, is_error: bool
) -> None:
    """An infinity or NaN is an error unless rounding alone can exceed float32's range."""
    node = netdsl.loads(PART).graph.nodes[0]
    monkeypatch.setattr(
        values,
        "witnesses",
        lambda *_: [
            (
                torch.tensor([[2.0]]).double(),
                Bound(*torch.tensor([[[bound]], [[0.0]]], dtype=torch.double)),
            )
        ],
    )
    step: Any = SimpleNamespace(node=node)
    x = torch.ones(1, 1)
    differences = values.compare_values(
        step,
        [values.Executor("PyTorch", [x], [torch.tensor([[result]])])],
        Report("Part", sizes=[{}]),
    )
    assert list(differences) == ["PyTorch"] * is_error


@pytest.mark.parametrize(
    ("largest", "error", "differs"),
    [
        (3.0, 3.6e-7, False),
        (3.0, 2e-5, False),
        (3.0, 5e-5, True),
        (1e-3, 3.6e-7, True),
        (1e-3, 5e-9, False),
        (float("inf"), 5e-9, False),
        (3.0, float("nan"), True),
        (3.0, float("inf"), True),
        (float("nan"), 3.6e-7, True),
    ],
)
def test_a_part_is_as_exact_as_what_it_was_taken_from(
    largest: float, error: float, differs: bool
) -> None:
    """The rounding error allowed for an output that is a slice depends on the whole tensor.

    The exported model may differ from its layers by the rounding of the largest number of that
    tensor, even if the numbers in the slice are small.
    """
    graph = netdsl.loads(PART).graph
    tensor = {id(v): v.name for v in graph.inputs} | {id(n.output): n.name for n in graph.nodes}
    small = np.full((2, 1, 4, 4), 1e-3, np.float32)
    added = np.concatenate([small, np.full((2, 2, 4, 4), largest, np.float32)], axis=1)
    values = {tensor[id(n.output)]: added if n.op.kind == "add" else small for n in graph.nodes}
    model = small.copy()
    model[1, 0, 2, 3] += error
    (output,) = graph.outputs
    side: Any = SimpleNamespace(graph=graph, tensor=tensor)
    difference = compare_models(
        side,
        values | {output.name: small},
        {output.name: model},
        {id(output.value): torch.from_numpy(small)},
        (),
    )
    assert (difference is not None) == differs
    assert difference is None or (difference.code, difference.kind) == ("outputs-differ", "relu6")


def test_a_bound_of_another_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule of a kind whose bound does not fit the result is an error that names the kind."""
    text = "net A {\n input image: 3x4x4\n gap\n}"
    monkeypatch.setattr(LAYERS["gap"], "rounding", gated(1.0))
    with pytest.raises(
        NetdslError, match=r"broken-layer.*`rounding` of `gap`.*\(\d+, 3, 4, 4\)"
    ) as e:
        verify_graph(netdsl.loads(text).graph)
    assert e.value.diagnostic.span is not None
    assert e.value.diagnostic.span.first.line == 3
