"""Values, node by node: what each executor made of its own inputs, held against an evaluation in double precision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from netdsl.verify.bounds import folded_witness, witness
from netdsl.verify.report import Difference

if TYPE_CHECKING:
    from torch import Tensor

    from netdsl.verify.report import Report
    from netdsl.verify.torch_side import Step

UNIT = 2.0**-24  # rounding to float32 changes a number by at most this share of it
LIMIT = 16.0
RANGE = float(torch.finfo(torch.float32).max)


class Executor:
    """What one executor made of a node: its inputs, and its value."""

    def __init__(self, name: str, xs: list[Tensor], y: Tensor) -> None:
        self.name, self.xs, self.y = name, xs, y


def compare_values(step: Step, executors: list[Executor], report: Report) -> dict[str, Difference]:
    """The difference of each executor whose value is further from the witness than its bound allows; the worst k goes into the report."""
    # One evaluation for all: their inputs stand as samples of one batch.
    value, bound = witness(step, [torch.cat(parts) for parts in zip(*(e.xs for e in executors), strict=True)])
    found = {}
    for i, executor in enumerate(executors):
        n = executor.y.shape[0]
        part = slice(i * n, (i + 1) * n)
        difference = _judge(step, executor, value[part], None if bound is None else bound[part], report, executors)
        if difference is not None:
            found[executor.name] = difference
    return found


def compare_folded(step: Step, norm: Step, executor: Executor, report: Report) -> Difference | None:
    """The difference of a layer with its batch norm folded in."""
    return _judge(norm, executor, *folded_witness(step, norm, executor.xs), report, [])


def _judge(step: Step, executor: Executor, value: Tensor, bound: Tensor | None, report: Report, others: list[Executor]) -> Difference | None:
    report.comparisons += 1
    off = _off(executor.y, value, bound)
    k = float(off.max()) if off.numel() else 0.0
    if k > LIMIT:
        return _difference(step, executor, value, bound, off, others)
    if k > report.worst:
        report.worst, report.worst_node, report.worst_kind = k, step.node.name, step.node.op.kind
    return None


def _off(y: Tensor, value: Tensor, bound: Tensor | None) -> Tensor:
    """How far each element is off, in units of its bound."""
    if y.shape != value.shape:
        return torch.full((1,), torch.inf)
    same = (y == value) | (y.isnan() & value.isnan())
    if bound is None:
        return torch.where(same, 0.0, torch.inf)
    off = (y.double() - value).abs() / (bound * UNIT)
    # Where rounding alone may be larger than any float32, so may each number on the way, and what is made of infinities then tells nothing.
    return torch.where(same | ~(bound * UNIT <= RANGE), 0.0, off).nan_to_num(nan=torch.inf)


def _difference(step: Step, executor: Executor, value: Tensor, bound: Tensor | None, off: Tensor, others: list[Executor]) -> Difference:
    if executor.y.shape != value.shape:
        return Difference("values-differ", "the witness has another shape: samples of a batch are mixed", {executor.name: str(tuple(executor.y.shape)), "fp64": str(tuple(value.shape))}, step.node)
    place = tuple(int(i) for i in torch.unravel_index(off.argmax(), off.shape))
    values = {f"{executor.name} has": _number(executor.y[place]), "fp64 on the same inputs gives": _number(value[place])}
    values |= {f"{e.name} has": _number(e.y[place]) for e in others if e is not executor}
    if bound is None:
        values["allowed"] = "no difference: the layer moves or chooses elements"
    else:
        values["allowed"] = f"{LIMIT:g} units of {float(bound[place]) * UNIT:.2g}; it is off by {float(off.max()):.3g}"
    return Difference("values-differ", f"the value at {list(place)} differs in {executor.name}", values, step.node)


def _number(value: Any) -> str:
    return f"{float(value):.9g}"
