"""Runs a net in PyTorch up to one layer, and compares what is worked by hand with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from netdsl.errors import NetdslError
from netdsl.ir.rounding import LIMIT, TINY, UNIT
from netdsl.trace.kinds import WORK
from netdsl.trace.worked import Place, TracedLayer, Worked, number, place_text
from netdsl.verify.bounds import witnesses
from netdsl.verify.torch_side import TorchSide

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netdsl.backends.torch.steps import Step
    from netdsl.ir.graph import Graph, Node

SLACK = 1e-7  # relative: some of PyTorch's derivatives have constants in single precision


class TraceRun(NamedTuple):
    """A layer in PyTorch, with what it takes and gives for one sample; `y` has a batch of one."""

    step: Step
    xs: list[torch.Tensor]
    y: torch.Tensor
    allowed: torch.Tensor

    @property
    def shape(self) -> Place:
        """The shape of the result."""
        return tuple(self.y.shape[1:])

    @property
    def layer(self) -> TracedLayer:
        """The layer in double precision."""
        xs = [x[0].double().numpy() for x in self.xs]
        weights = {name: t.detach().double().numpy() for name, t in self.step.tensors().items()}
        return TracedLayer(self.step.node, xs, weights, self.shape)


class CheckedWork(NamedTuple):
    """An output worked by hand, with PyTorch's value and the difference that rounding allows."""

    node: Node
    at: Place
    shape: Place
    worked: Worked
    in_torch: float
    allowed: float


def run_to(
    graph: Graph,
    node: Node,
    inputs: Mapping[str, np.ndarray],
    weights: Mapping[str, object],
) -> TraceRun:
    """TraceRun the net in PyTorch up to a layer."""
    side = TorchSide(graph)
    with torch.no_grad():
        side.load({name: torch.from_numpy(np.array(array)) for name, array in weights.items()})
        fed = {id(v): torch.from_numpy(inputs[v.name][None].copy()) for v in graph.inputs}
        for step, xs, ys in side.walk(fed):
            if step.node is node:
                return TraceRun(step, xs, ys[0], _allowed(step, xs))
    raise AssertionError(f"{node.name} is not in {graph.name}")


def _allowed(step: Step, xs: list[torch.Tensor]) -> torch.Tensor:
    """How far each number may be off in single precision: 0 if it must be exact."""
    y, bound = witnesses(step, xs)[0]
    if bound is None:
        return torch.zeros(y.shape)
    allowed: torch.Tensor = LIMIT * UNIT * bound.rounding + TINY * bound.underflow
    return allowed


def work(run: TraceRun, at: Place) -> CheckedWork:
    """Work one output by hand, and compare it with PyTorch's; raises `NetdslError` if it differs.

    A difference is a fault of netdsl, or of PyTorch.
    """
    node = run.step.node
    worked = WORK[node.op.kind](run.layer, at)
    place = (0, *at)
    in_torch = float(run.y[place])
    allowed = float(run.allowed[place])
    is_finite = np.isfinite(worked.result) and np.isfinite(in_torch)
    if is_finite and abs(worked.result - in_torch) > allowed:
        raise NetdslError(
            "values-differ",
            f"`{node.name}` ({node.op.kind}) at {place_text(at)} is {number(worked.result, 9)} by"
            f" hand, but {number(in_torch, 9)} in PyTorch",
            node.span,
            help=f"rounding allows a difference of {allowed:.2g}: please report this",
        )
    return CheckedWork(node, at, run.shape, worked, in_torch, allowed)


def check_gradients(run: TraceRun, at: Place, worked: Worked) -> None:
    """Compare the gradients with those of PyTorch's autograd; raises `NetdslError`."""
    module = run.step.double()
    xs = [x.double() if x.is_floating_point() else x for x in run.xs]
    for x in xs:
        x.requires_grad_(x.is_floating_point())
    if module is not None:
        module.requires_grad_()
    run.step(xs, module)[(0, *at)].backward()  # type: ignore[no-untyped-call]
    grads = {f"x{i}": x.grad[0] for i, x in enumerate(xs) if x.grad is not None}
    if module is not None:
        grads |= {k: p.grad for k, p in module.named_parameters() if p.grad is not None}
    for gradient in worked.gradients:
        if gradient.source not in grads:
            continue
        own = grads[gradient.source][gradient.where].numpy()
        scale = max(1.0, float(np.abs(gradient.values).max(initial=0)))
        if np.abs(own - gradient.values).max(initial=0) > SLACK * scale:
            node = run.step.node
            raise NetdslError(
                "values-differ",
                f"the gradient of `{node.name}` ({node.op.kind}) at {place_text(at)} by"
                f" `{gradient.source}` differs from PyTorch's",
                node.span,
                help="please report this",
            )
