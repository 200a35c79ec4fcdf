"""Compares the value of a node in each executor with double precision on the same inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from netdsl.ir.rounding import LARGEST, LIMIT, TINY, UNIT, Bound
from netdsl.verify.bounds import folded_witness, witnesses
from netdsl.verify.report import Difference

if TYPE_CHECKING:
    from torch import Tensor

    from netdsl.backends.torch.steps import Step
    from netdsl.verify.report import Report


class Executor(NamedTuple):
    """A node in one executor: its inputs and its results there."""

    name: str
    xs: list[Tensor]
    ys: list[Tensor]

    @property
    def y(self) -> Tensor:
        """The first result."""
        return self.ys[0]


def compare_values(step: Step, executors: list[Executor], report: Report) -> dict[str, Difference]:
    """The differences, by name of the executors whose values exceed the bound.

    The report gets the number of comparisons and the largest error.
    """
    # The inputs of all executors are evaluated at once, as samples of one batch.
    xs = [torch.cat(parts) for parts in zip(*(e.xs for e in executors), strict=True)]
    differences: dict[str, Difference] = {}
    for k, (value, bound) in enumerate(witnesses(step, xs)):
        results = [executor._replace(ys=[executor.ys[k]]) for executor in executors]
        for i, executor in enumerate(results):
            n = executor.y.shape[0]
            part = slice(i * n, (i + 1) * n)
            own = None if bound is None else Bound(bound.rounding[part], bound.underflow[part])
            difference = _judge(step, executor, value[part], own, report, results)
            if difference is not None:
                differences.setdefault(executor.name, difference)
    return differences


def compare_folded(step: Step, norm: Step, executor: Executor, report: Report) -> Difference | None:
    """The difference of a layer into which its batch norm is folded, if it exceeds the bound."""
    return _judge(norm, executor, *folded_witness(step, norm, executor.xs), report, [])


def _judge(
    step: Step,
    executor: Executor,
    value: Tensor,
    bound: Bound | None,
    report: Report,
    others: list[Executor],
) -> Difference | None:
    """Compare one executor's value with the witness, and count it in the report."""
    report.comparisons += 1
    errors = _errors(executor.y, value, bound)
    worst = float(errors.max()) if errors.numel() else 0.0
    if worst > LIMIT:
        return _difference(step, executor, value, bound, errors, others)
    comparable = _comparable(value, bound)
    skipped = int((~comparable).sum())
    report.numbers += comparable.numel()
    report.skipped += skipped
    if skipped:
        report.beyond.add(step.node.name)
    if worst > report.worst:
        report.worst = worst
        report.worst_node, report.worst_kind = step.node.name, step.node.op.kind
    return None


def _errors(y: Tensor, value: Tensor, bound: Bound | None) -> Tensor:
    """The error of each element beyond that of underflow, in units of its rounding bound."""
    if y.shape != value.shape:
        return torch.full((1,), torch.inf)
    same = (y == value) | (y.isnan() & value.isnan())
    if value.is_floating_point():
        same |= (y == 0) & (value.abs() < TINY)  # it may be flushed to zero
    ignored = ~_comparable(value, bound)
    if bound is None:
        return torch.where(same | ignored, 0.0, torch.inf)
    excess = (y.double() - value).abs() - bound.underflow * TINY
    errors = torch.where(excess <= 0, 0.0, excess / (bound.rounding * UNIT))
    return torch.where(same | ignored, 0.0, errors).nan_to_num(nan=torch.inf)


def _comparable(value: Tensor, bound: Bound | None) -> Tensor:
    """Whether float32 can represent a value and all numbers from which it is computed.

    If it cannot, the value depends on infinities or NaNs, and shows nothing about the program.
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
    errors: Tensor,
    others: list[Executor],
) -> Difference:
    """The difference at the element with the largest error."""
    if executor.y.shape != value.shape:
        fact = "the value in fp64 has a different shape: the layer mixes the samples of a batch"
        shapes = {executor.name: executor.y, "fp64": value}
        texts = {who: str(tuple(tensor.shape)) for who, tensor in shapes.items()}
        return Difference("values-differ", fact, texts, step.node)
    place = tuple(int(i) for i in torch.unravel_index(errors.argmax(), errors.shape))
    values = {
        f"{executor.name} has": _number(executor.y[place]),
        "fp64 on the same inputs gives": _number(value[place]),
    }
    values |= {f"{e.name} has": _number(e.y[place]) for e in others if e is not executor}
    values["allowed"] = _allowed(bound, place, float(errors.max()))
    fact = f"the value at {list(place)} differs in {executor.name}"
    return Difference("values-differ", fact, values, step.node)


def _allowed(bound: Bound | None, place: tuple[int, ...], error: float) -> str:
    """The allowed error at that place, and the error in the same units."""
    if bound is None:
        return "no difference, because the layer only moves or selects elements"
    unit = float(bound.rounding[place]) * UNIT
    lost = float(bound.underflow[place]) * TINY
    return (
        f"{LIMIT:g} units of {unit:.2g}, and {lost:.2g} for underflow;"
        f" the error is {error:.3g} units"
    )


def _number(value: Tensor) -> str:
    return f"{float(value):.9g}"
