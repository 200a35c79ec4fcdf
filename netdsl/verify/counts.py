"""Compares the numbers of parameters and of multiply-accumulates, each found in three ways."""

from __future__ import annotations

from contextlib import ExitStack
from math import prod
from typing import TYPE_CHECKING, NamedTuple, Self

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from netdsl.backends.torch.modules import PartialConv
from netdsl.ir.op import COUNTER
from netdsl.ir.types import subs
from netdsl.verify.report import Difference
from netdsl.verify.shapes import shape_words
from netdsl.weights.checkpoints import tensors_of

if TYPE_CHECKING:
    from netdsl.analysis.sizes import Sizes
    from netdsl.backends.torch.steps import Step
    from netdsl.ir.graph import Graph, Node
    from netdsl.verify.onnx_side import OnnxSide
    from netdsl.verify.torch_side import TorchSide

Shape = tuple[int, ...]


class _Shapes(NamedTuple):
    """The shapes of the tensors of both back ends by name, without those of auxiliary heads."""

    learned: dict[str, Shape]  # PyTorch's parameters, tied ones under each of their names
    total: int  # the elements of PyTorch's parameters
    stored: dict[str, Shape]  # PyTorch's buffers
    written: dict[str, Shape]  # ONNX's initialisers


def count_params(
    graph: Graph, torch_side: TorchSide, onnx_side: OnnxSide
) -> tuple[Difference | None, str]:
    """The first tensor on which the layers, PyTorch and ONNX disagree; and the total as text."""
    shapes = _shapes(graph, torch_side, onnx_side)
    nodes = [n for n in graph.nodes if n.aux is None]
    for node in nodes:
        difference = _compare_tensors(node, shapes)
        if difference is not None:
            return difference, ""
    own = [p for n in nodes if not n.shared for p in n.params().values() if not p.tied]
    total = sum(p.size for p in own)
    difference = _undeclared(graph, shapes) or _compare_totals(graph, total, shapes)
    return difference, f"{total:,}"


def _shapes(graph: Graph, torch_side: TorchSide, onnx_side: OnnxSide) -> _Shapes:
    heads = tuple(f"{head.name}." for head in graph.aux)
    module = torch_side.module
    kept = {name for name in module.state_dict() if not name.startswith(heads)}
    named = module.named_parameters(remove_duplicate=False)
    return _Shapes(
        {n: tuple(p.shape) for n, p in named if n in kept},
        sum(p.numel() for n, p in module.named_parameters() if not n.startswith(heads)),
        {n: tuple(b.shape) for n, b in module.named_buffers() if n in kept},
        {n: p.shape for n, p in onnx_side.params.items()},
    )


def _compare_tensors(node: Node, shapes: _Shapes) -> Difference | None:
    """The first tensor of a node that does not have the same shape everywhere."""
    buffers = {k: p for k, p in node.buffers().items() if k != COUNTER}
    for params, in_module in ((node.params(), shapes.learned), (buffers, shapes.stored)):
        for key, param in params.items():
            name = node.tensor_name(key)
            witnesses = {
                "the layer": param.shape,
                "PyTorch": in_module.get(name),
                "ONNX": shapes.written.get(param.tied or name),
            }
            if len(set(witnesses.values())) > 1:
                values = {who: _words(shape) for who, shape in witnesses.items()}
                return Difference("params-differ", f"the shapes of `{name}` differ", values, node)
    return None


def _words(shape: Shape | None) -> str:
    return "no such tensor" if shape is None else shape_words(shape)


def _undeclared(graph: Graph, shapes: _Shapes) -> Difference | None:
    """The first tensor of a back end that no layer declares."""
    declared = tensors_of(graph)
    for who, names in (
        ("PyTorch", [*shapes.learned, *shapes.stored]),
        ("ONNX", [*shapes.written]),
    ):
        for name in names:
            if name not in declared:
                owner = next(
                    (n for n in graph.nodes if f"{name}.".startswith(f"{n.module}.")), None
                )
                fact = f"{who} has a tensor that no layer declares"
                return Difference("params-differ", fact, {who: f"`{name}`"}, owner)
    return None


def _compare_totals(graph: Graph, total: int, shapes: _Shapes) -> Difference | None:
    buffers = {n.tensor_name(k) for n in graph.nodes for k in n.buffers()}
    totals = {
        "the layers": total,
        "PyTorch": shapes.total,
        "ONNX": sum(prod(s) for name, s in shapes.written.items() if name not in buffers),
    }
    if len(set(totals.values())) == 1:
        return None
    values = {who: f"{number:,}" for who, number in totals.items()}
    return Difference("params-differ", "the total numbers of parameters differ", values)


class Counter:
    """Counts the products of each layer in PyTorch while it runs."""

    def __init__(self) -> None:
        self._squares = 0
        self._mode = FlopCounterMode(
            display=False, custom_mapping={torch.ops.aten.pow: self._square}
        )
        self._before = 0

    def _square(self, base: object, *_: object, **__: object) -> int:
        """Count the squares of a tensor, of which the counter gives the shape."""
        if isinstance(base, torch.Size):
            self._squares += base.numel()
        return 0

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        self._stack.callback(
            torch.backends.mha.set_fastpath_enabled, torch.backends.mha.get_fastpath_enabled()
        )
        # The counter does not see the products inside fused attention.
        torch.backends.mha.set_fastpath_enabled(False)
        self._stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        self._stack.enter_context(self._mode)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def of(self, step: Step, xs: list[torch.Tensor]) -> int:
        """The products since the last call. The step must be the one that has just run."""
        if step.node.op.fused:  # in float32, its products are not separate operators
            self._before = self._mode.get_total_flops() // 2
            step([x.double() for x in xs], step.double())
        now = self._mode.get_total_flops() // 2
        products, self._before = now - self._before, now
        if isinstance(step.module, PartialConv):
            # The operator multiplies by the whole kernel, but only the connected maps count.
            kernel = step.module.kernel()
            products = products * len(step.module.inputs) // (kernel.shape[0] * kernel.shape[1])
        squares, self._squares = self._squares, 0
        if step.node.op.squares:
            products += squares
        return products


def compare_macs(node: Node, sizes: Sizes, ran: int, written: int) -> Difference | None:
    """Compare a layer's MACs with those that PyTorch `ran`, and those in the `written` nodes."""
    declared = subs(node.op.macs(node.type, *node.types), sizes)
    if declared == ran == written:
        return None
    values = {
        "the layer": f"{declared:,}",
        "PyTorch, counted": f"{ran:,}",
        "ONNX, from its nodes": f"{written:,}",
    }
    return Difference("macs-differ", "the multiply-accumulates differ", values, node)
