"""Values, node by node: what each executor made of its own inputs, held against an evaluation in
double precision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from netdsl.ir.rounding import LARGEST, LIMIT, TINY, UNIT, Bound
from netdsl.verify.bounds import folded_witness, witness
from netdsl.verify.report import Difference

if TYPE_CHECKING:
    from torch import Tensor

    from netdsl.verify.report import Report
    from netdsl.verify.torch_side import Step


class Executor:
    """What one executor made of a node: its inputs, and its value."""

    def __init__(self, name: str, xs: list[Tensor], y: Tensor) -> None:
        self.name, self.xs, self.y = name, xs, y


def compare_values(step: Step, executors: list[Executor], report: Report) -> dict[str, Difference]:
    """The difference of each executor whose value is further from the witness than its bound
    allows; the worst k goes into the report.
    """
    # One evaluation for all: their inputs stand as samples of one batch.
    value, bound = witness(
        step, [torch.cat(parts) for parts in zip(*(e.xs for e in executors), strict=True)]
    )
    found = {}
    for i, executor in enumerate(executors):
        n = executor.y.shape[0]
        part = slice(i * n, (i + 1) * n)
        own = None if bound is None else Bound(bound.rounding[part], bound.underflow[part])
        difference = _judge(step, executor, value[part], own, report, executors)
        if difference is not None:
            found[executor.name] = difference
    return found


def compare_folded(step: Step, norm: Step, executor: Executor, report: Report) -> Difference | None:
    """The difference of a layer with its batch norm folded in."""
    return _judge(norm, executor, *folded_witness(step, norm, executor.xs), report, [])


def _judge(
    step: Step,
    executor: Executor,
    value: Tensor,
    bound: Bound | None,
    report: Report,
    others: list[Executor],
) -> Difference | None:
    report.comparisons += 1
    off = _off(executor.y, value, bound)
    k = float(off.max()) if off.numel() else 0.0
    if k > LIMIT:
        return _difference(step, executor, value, bound, off, others)
    comparable = _comparable(value, bound)
    skipped = int((~comparable).sum())
    report.numbers += comparable.numel()
    report.skipped += skipped
    if skipped:
        report.beyond.add(step.node.name)
    if k > report.worst:
        report.worst, report.worst_node, report.worst_kind = k, step.node.name, step.node.op.kind
    return None


def _off(y: Tensor, value: Tensor, bound: Bound | None) -> Tensor:
    """The error of each element beyond underflow, in units of its bound of rounding."""
    if y.shape != value.shape:
        return torch.full((1,), torch.inf)
    flushed = (y == 0) & (value.abs() < TINY)
    same = (y == value) | (y.isnan() & value.isnan()) | flushed
    ignored = ~_comparable(value, bound)
    if bound is None:
        return torch.where(same | ignored, 0.0, torch.inf)
    excess = (y.double() - value).abs() - bound.underflow * TINY
    off = torch.where(excess <= 0, 0.0, excess / (bound.rounding * UNIT))
    return torch.where(same | ignored, 0.0, off).nan_to_num(nan=torch.inf)


def _comparable(value: Tensor, bound: Bound | None) -> Tensor:
    """Whether float32 can represent a value and all numbers from which it is computed.

    A value that is computed from infinities shows nothing about the program; nor does a choice
    between a number and a NaN.
    """
    if bound is None:
        return value.isfinite()
    comparable: Tensor = (bound.rounding * UNIT <= LARGEST) & (bound.underflow * TINY <= LARGEST)
    return comparable


def _difference(
    step: Step,
    executor: Executor,
    value: Tensor,
    bound: Bound | None,
    off: Tensor,
    others: list[Executor],
) -> Difference:
    if executor.y.shape != value.shape:
        what = "the witness has another shape: samples of a batch are mixed"
        shapes = {executor.name: executor.y, "fp64": value}
        texts = {who: str(tuple(tensor.shape)) for who, tensor in shapes.items()}
        return Difference("values-differ", what, texts, step.node)
    place = tuple(int(i) for i in torch.unravel_index(off.argmax(), off.shape))
    values = {
        f"{executor.name} has": _number(executor.y[place]),
        "fp64 on the same inputs gives": _number(value[place]),
    }
    values |= {f"{e.name} has": _number(e.y[place]) for e in others if e is not executor}
    values["allowed"] = _allowed(bound, place, float(off.max()))
    what = f"the value at {list(place)} differs in {executor.name}"
    return Difference("values-differ", what, values, step.node)


def _allowed(bound: Bound | None, place: tuple[int, ...], off: float) -> str:
    if bound is None:
        return "no difference: the layer moves or chooses elements"
    unit = float(bound.rounding[place]) * UNIT
    lost = float(bound.underflow[place]) * TINY
    return f"{LIMIT:g} units of {unit:.2g}, and {lost:.2g} for underflow; it is off by {off:.3g}"


def _number(value: Any) -> str:
    return f"{float(value):.9g}"
