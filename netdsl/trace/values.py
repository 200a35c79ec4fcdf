"""Runs a net in PyTorch up to one layer, and compares what is worked by hand with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from netdsl.errors import NetdslError
from netdsl.ir.rounding import LIMIT, TINY, UNIT
from netdsl.trace.batch_norm import allowed_in_training, batch_norm_in_training
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
    """A layer in PyTorch, with what it takes and gives for one sample; `y` has a batch of one.

    In `training`, it takes and gives a mini-batch, whose samples are the first axis. `weights` are
    those before the run.
    """

    step: Step
    xs: list[torch.Tensor]
    y: torch.Tensor
    allowed: torch.Tensor
    weights: Mapping[str, torch.Tensor]
    training: bool = False

    @property
    def shape(self) -> Place:
        """The shape of the result."""
        return tuple(self.y.shape[not self.training :])

    @property
    def layer(self) -> TracedLayer:
        """The layer in double precision."""
        xs = [self.own(x).double().numpy() for x in self.xs]
        weights = {name: t.detach().double().numpy() for name, t in self.weights.items()}
        return TracedLayer(self.step.node, xs, weights, self.shape)

    def own(self, batch: torch.Tensor) -> torch.Tensor:
        """What is worked of a batch: the only sample, or in training all."""
        return batch if self.training else batch[0]

    def work_of(self, at: Place) -> Worked:
        """The work of one output by hand."""
        if self.training:
            return batch_norm_in_training(self.layer, at)
        return WORK[self.step.node.op.kind](self.layer, at)

    def allowed_at(self, at: Place) -> float:
        """How far PyTorch's number may be off."""
        if self.training:
            return allowed_in_training(self.layer, at)
        return float(self.own(self.allowed)[at])


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
    *,
    training: bool = False,
) -> TraceRun:
    """Run the net in PyTorch up to a layer, for one sample.

    In `training`, the inputs are mini-batches, and the batch norms use the statistics of these.
    Raises `NetdslError` `not-traceable` if one has only one number of a channel.
    """
    side = TorchSide(graph)
    with torch.no_grad():
        side.load({name: torch.from_numpy(np.array(array)) for name, array in weights.items()})
        fed = {}
        for value in graph.inputs:
            batch = torch.from_numpy(inputs[value.name].copy())
            fed[id(value)] = batch if training else batch[None]
        samples = len(fed[id(graph.inputs[0])])
        before = _prepared(side, node, samples, training=training)
        for step, xs, ys in side.walk(fed):
            if step.node is node:
                allowed = torch.zeros(0) if training else _allowed(step, xs)
                return TraceRun(step, xs, ys[0], allowed, before, training)
    raise AssertionError(f"{node.name} is not in {graph.name}")


def _prepared(
    side: TorchSide, node: Node, samples: int, *, training: bool
) -> dict[str, torch.Tensor]:
    """The weights of a layer; in training, the batch norms up to it use their mini-batch."""
    for step in side.steps:
        if training and step.node.op.kind == "bn" and not step.node.frozen:
            _check_several(step.node, samples)
            assert step.module is not None
            step.module.train()
        if step.node is node:
            found = step.tensors()
            if training:  # the run changes the averages
                found = {name: tensor.clone() for name, tensor in found.items()}
            return found
    raise AssertionError(f"{node.name} is not in {side.graph.name}")


def _check_several(node: Node, samples: int) -> None:
    """Raise `NetdslError` for a batch norm that has one number of each channel."""
    if samples > 1 or any(size != 1 for size in node.types[0].shape[1:]):
        return
    raise NetdslError(
        "not-traceable",
        f"`{node.name}` has one number of each channel, which has no variance",
        node.span,
        help="give it several samples: `--input FILE` with all of them, in a .npy file or a text",
    )


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
    worked = run.work_of(at)
    in_torch = float(run.own(run.y)[at])
    allowed = run.allowed_at(at)
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
    run.own(run.step(xs, module))[at].backward()  # type: ignore[no-untyped-call]
    grads = {f"x{i}": run.own(x.grad) for i, x in enumerate(xs) if x.grad is not None}
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
