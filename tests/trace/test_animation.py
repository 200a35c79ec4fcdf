"""The data of the page, from which its script computes: they give the outputs of the layer."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from netdsl.trace.animation import animation_of, can_move
from netdsl.trace.kinds import WORK, obstacle
from netdsl.trace.page import page_of
from netdsl.trace.values import work
from tests.support.contract import EXAMPLES, Example
from tests.support.tracing import random_run

CASES = [e for e in EXAMPLES if e.kind in WORK]
POOLS = {
    "maxpool": np.max,
    "avgpool": np.mean,
    "sumpool": np.sum,
    "l2pool": lambda x: np.sqrt((x * x).sum()),
}


def by_script(data: dict[str, Any], output: dict[str, Any], i: int, j: int) -> float:
    """One output as the script of the page computes it from the data."""
    axes = zip((i, j), data["window"], data["stride"], data["dilation"], strict=True)
    rows, columns = ([p * s + n * d for n in range(k)] for p, k, s, d in axes)
    place = np.ix_(rows, columns)
    windows = [np.array(data["input"][str(c)], float)[place] for c in output["channels"]]
    if data["kind"] == "conv":
        pairs = zip(windows, output["kernels"], strict=True)
        return sum(float((x * np.array(k)).sum()) for x, k in pairs) + output.get("bias", 0)
    taken = np.array(data["counted"])[place]
    return float(POOLS[data["kind"]](windows[0][taken]))


@pytest.mark.parametrize("example", CASES, ids=lambda e: f"{e.shapes}-{e.call}")
def test_the_page_of_every_example(example: Example) -> None:
    """Each page is made, and the numbers of a window give the output at each of its places."""
    graph = example.net().graph
    (node,) = [n for n in graph.nodes if n.op.kind == example.kind]
    if obstacle(node.op) is not None:
        return
    run = random_run(graph, node)
    at = tuple(size - 1 for size in run.shape)
    assert "</html>" in page_of(graph, run, work(run, at), backward=True)
    if not can_move(run.layer):
        return
    data = json.loads(json.dumps(animation_of(run, at)))
    assert data["outputs"][data["output"]]["number"] == at[0]
    for output in data["outputs"]:
        values = np.array(output["values"])
        for i, j in np.ndindex(values.shape):
            assert by_script(data, output, i, j) == pytest.approx(values[i, j], rel=1e-4, abs=1e-4)
