"""Every kind that is worked by hand, on all of its examples, beside PyTorch and autograd."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from netdsl.errors import NetdslError
from netdsl.ops import LAYERS
from netdsl.trace.choice import chosen_layer
from netdsl.trace.kinds import WORK, obstacle
from netdsl.trace.values import check_gradients, work
from netdsl.trace.worked import Place
from tests.support.contract import EXAMPLES, Example
from tests.support.tracing import random_run

CASES = [e for e in EXAMPLES if e.kind in WORK]
PLACES = 6  # of a result that are worked


def places_of(shape: Place, seed: int = 0) -> list[Place]:
    """The first and the last place, and some others."""
    stream = np.random.default_rng(seed)
    ends = [(0,) * len(shape), tuple(size - 1 for size in shape)]
    return ends + [tuple(int(stream.integers(n)) for n in shape) for _ in range(PLACES)]


@pytest.mark.parametrize("example", CASES, ids=lambda e: f"{e.shapes}-{e.call}")
def test_the_work_and_its_gradients_are_pytorchs(example: Example) -> None:
    """`work` and `check_gradients` raise an error where PyTorch or autograd differs."""
    graph = example.net().graph
    (node,) = [n for n in graph.nodes if n.op.kind == example.kind]
    if obstacle(node.op) is not None:
        with pytest.raises(NetdslError, match="cannot be traced"):
            chosen_layer(graph, node.name)
        return
    run = random_run(graph, node)
    for at in places_of(run.shape):
        worked = work(run, at).worked
        assert worked.lines
        assert worked.gradients
        check_gradients(run, at, worked)


def test_every_example_of_a_kind_is_reached() -> None:
    """Each kind that is worked has examples, and at least one without an obstacle."""
    for kind in WORK:
        assert kind in LAYERS
        own = [e.net().graph.nodes for e in CASES if e.kind == kind]
        assert any(obstacle(n.op) is None for nodes in own for n in nodes if n.op.kind == kind)


def test_a_wrong_result_and_a_wrong_gradient_are_found() -> None:
    """The comparison is not vacuous: a changed weight after the run is a fault."""
    example = next(e for e in CASES if e.call == "conv(8, 3)")
    graph = example.net().graph
    (node,) = graph.nodes
    run = random_run(graph, node)
    at = (1, 2, 3)
    worked = work(run, at).worked
    gradient = worked.gradients[0]
    wrong = gradient._replace(values=gradient.values * 1.001)
    with pytest.raises(NetdslError, match="by `x0` differs from PyTorch's"):
        check_gradients(run, at, worked._replace(gradients=(wrong,)))
    with torch.no_grad():
        run.step.tensors()["weight"][1] *= 1.001
    with pytest.raises(NetdslError, match="by hand, but"):
        work(run, at)
