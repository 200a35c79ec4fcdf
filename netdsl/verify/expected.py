"""Evaluates the lines `expect values(label) == [...]` with the examples of the inputs.

The weights are those that the text gives. A number passes if it differs from the value in a back
end by no more than the rounding of that layer allows, and by what the layers before it may add.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from netdsl.analysis.expect_values import nodes_before
from netdsl.ir.rounding import LIMIT, UNIT
from netdsl.verify.bounds import witnesses
from netdsl.verify.onnx_side import OnnxSide
from netdsl.verify.report import Claim, Difference
from netdsl.verify.torch_side import TorchSide
from netdsl.weights.checkpoints import tensors_of
from netdsl.weights.fresh import fresh_state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.analysis.expect_values import ValuesClaim
    from netdsl.ir.graph import Graph, Value

WITNESSES = ("the text", "PyTorch", "onnxruntime")
CARRIED = 4  # how often the error of the layers before may occur in another back end


def example_batch(graph: Graph) -> dict[int, torch.Tensor]:
    """The examples of the inputs as batches of one sample, by the value's id."""
    batch = {}
    for value in graph.inputs:
        example = graph.examples[value.name]
        array = np.array(example.numbers, dtype=value.type.dtype).reshape(1, *example.shape)
        batch[id(value)] = torch.from_numpy(array)
    return batch


class _Evaluation:
    """The values of a net with the examples of its inputs, in each back end."""

    def __init__(self, graph: Graph, wanted: Sequence[Value], threads: int) -> None:
        self.graph = graph
        self.allowed: dict[int, torch.Tensor] = {}
        self.in_torch = example_batch(graph)
        self._exact = {k: _doubled(x) for k, x in self.in_torch.items()}
        inputs = {k: x.numpy() for k, x in self.in_torch.items()}
        state = self._run_torch(wanted)
        onnx = OnnxSide(graph)
        weights = {name: state[name].float().numpy() for name in onnx.stored.values()}
        arrays = onnx.run(onnx.session(weights, threads=threads), inputs)
        self.in_onnx = {id(v): torch.from_numpy(arrays[onnx.tensor[id(v)]]) for v in wanted}

    def _run_torch(self, wanted: Sequence[Value]) -> dict[str, torch.Tensor]:
        """Run the layers before the wanted values; returns all weights."""
        side = TorchSide(self.graph)
        fresh = fresh_state(tensors_of(self.graph))
        with torch.no_grad():
            side.load({name: torch.from_numpy(array) for name, array in fresh.items()})
            needed = {id(node) for value in wanted for node in nodes_before(value)}
            ends = {id(value) for value in wanted}
            for step in side.steps:
                if id(step.node) not in needed:
                    continue
                xs = [self.in_torch[id(v)] for v in step.node.taken]
                ys = step.outputs(xs)
                exact = step.outputs([self._exact[id(v)] for v in step.node.taken], step.double())
                for k, value in enumerate(step.node.outputs):
                    self.in_torch[id(value)], self._exact[id(value)] = ys[k], exact[k]
                    if id(value) in ends:
                        own = witnesses(step, xs)[k][1]
                        carried = CARRIED * (ys[k].double() - exact[k]).abs()
                        if own is not None:
                            carried = carried + LIMIT * UNIT * own.rounding
                        self.allowed[id(value)] = carried
        return side.module.state_dict()

    def difference(self, claim: ValuesClaim) -> Difference | None:
        """The first number of a line that differs from the value in a back end."""
        key = id(claim.value)
        stated = torch.tensor(claim.numbers, dtype=torch.float64).reshape(1, *claim.shape)
        allowed = self.allowed.get(key, torch.zeros_like(stated))
        found = {"PyTorch": self.in_torch[key].double(), "onnxruntime": self.in_onnx[key].double()}
        for values in found.values():
            wrong = ~((values - stated).abs() <= allowed)
            if wrong.any():
                place = tuple(int(i) for i in wrong.nonzero()[0])
                return _difference(claim, place, stated, found, allowed)
        return None


def _doubled(x: torch.Tensor) -> torch.Tensor:
    return x.double() if x.is_floating_point() else x


def _difference(
    claim: ValuesClaim,
    place: tuple[int, ...],
    stated: torch.Tensor,
    found: dict[str, torch.Tensor],
    allowed: torch.Tensor,
) -> Difference:
    """The error of a line with a number that is not the value of the net."""
    written = f"{float(stated[place]):.9g}"
    values = {f"{who} gives": f"{float(y[place]):.9g}" for who, y in found.items()}
    values["allowed"] = f"a difference of {float(allowed[place]):.2g} for rounding"
    at = ",".join(map(str, place[1:]))
    label = claim.statement.condition.span.text.partition("==")[0].strip()
    fact = f"`{label}` at {at} is {values['PyTorch gives']}, expected {written}"
    difference = Difference("expect-failed", fact, values)
    difference.span = claim.statement.span
    return difference


def check_values(graph: Graph, stated: Sequence[ValuesClaim], threads: int) -> list[Claim]:
    """A claim for each line about values."""
    if not stated:
        return []
    evaluation = _Evaluation(graph, [claim.value for claim in stated], threads)
    claims = []
    for line in stated:
        label = line.value.name
        number = f"{len(line.numbers):,}"
        detail = f"{number} of the text"
        claim = Claim(f"values({label})", WITNESSES, detail, evaluation.difference(line))
        claims.append(claim)
    return claims
