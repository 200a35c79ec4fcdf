"""Parameters and multiply-accumulates, three ways each."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from netdsl.backends.torch.modules import PartialConv
from netdsl.ir.types import subs
from netdsl.verify.report import Difference

if TYPE_CHECKING:
    from netdsl.analysis.sizes import Sizes
    from netdsl.ir.graph import Graph, Node
    from netdsl.verify.onnx_side import OnnxSide
    from netdsl.verify.torch_side import Step, TorchSide


def count_params(
    graph: Graph, torch_side: TorchSide, onnx_side: OnnxSide
) -> tuple[Difference | None, str]:
    """The first tensor that the layers, the module and the model do not have alike; else the total
    in words.
    """
    heads = tuple(f"{head.name}." for head in graph.aux)
    learned = {
        n: tuple(p.shape)
        for n, p in torch_side.module.named_parameters()
        if not (heads and n.startswith(heads))
    }
    stored = {
        n: tuple(b.shape)
        for n, b in torch_side.module.named_buffers()
        if not (heads and n.startswith(heads))
    }
    written = {n: p.shape for n, p in onnx_side.params.items()}
    total = 0
    for node in graph.nodes:
        if node.aux is not None:
            continue
        own = {f"{node.module}.{k}": p.shape for k, p in node.params().items()}
        kept = {
            f"{node.module}.{k}": p.shape
            for k, p in node.buffers().items()
            if k != "num_batches_tracked"
        }
        total += 0 if node.shared else sum(p.size for p in node.params().values())
        for name, shape in (own | kept).items():
            found = {
                "the layer": shape,
                "PyTorch": (learned if name in own else stored).get(name),
                "ONNX": written.get(name),
            }
            if len(set(found.values())) > 1:
                return (
                    _differ(node, f"`{name}` differs", {k: _shape(v) for k, v in found.items()}),
                    "",
                )
    return (
        _spare(graph, learned, stored, written) or _total(graph, total, learned, written),
        f"{total:,}",
    )


def _differ(node: Node | None, what: str, values: dict[str, str]) -> Difference:
    return Difference("params-differ", what, values, node)


def _spare(
    graph: Graph, learned: dict[str, Any], stored: dict[str, Any], written: dict[str, Any]
) -> Difference | None:
    declared = {
        f"{n.module}.{k}" for n in graph.nodes if n.aux is None for k in n.params() | n.buffers()
    }
    for who, names in (("PyTorch", [*learned, *stored]), ("ONNX", [*written])):
        for name in names:
            if name not in declared:
                owner = next((n for n in graph.nodes if name.startswith(f"{n.module}.")), None)
                return _differ(
                    owner, f"{who} has a tensor that the layers have not", {who: f"`{name}`"}
                )
    return None


def _total(
    graph: Graph, total: int, learned: dict[str, Any], written: dict[str, Any]
) -> Difference | None:
    stored = {f"{n.module}.{k}" for n in graph.nodes for k in n.buffers()}
    found = {
        "the layers": total,
        "PyTorch": sum(torch.Size(s).numel() for s in learned.values()),
        "ONNX": sum(torch.Size(s).numel() for n, s in written.items() if n not in stored),
    }
    return (
        _differ(None, "the totals differ", {k: f"{v:,}" for k, v in found.items()})
        if len(set(found.values())) > 1
        else None
    )


def _shape(shape: tuple[int, ...] | None) -> str:
    return "no such tensor" if shape is None else "x".join(map(str, shape)) or "a scalar"


class Counter:
    """Counts the products of each layer while it runs."""

    def __init__(self) -> None:
        self._squares = 0
        self._mode = FlopCounterMode(
            display=False, custom_mapping={torch.ops.aten.pow: self._square}
        )
        self._before = 0

    def _square(self, shape: torch.Size, *_: object, **__: object) -> int:
        self._squares += torch.Size(shape).numel()
        return 0

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        self._stack.callback(
            torch.backends.mha.set_fastpath_enabled, torch.backends.mha.get_fastpath_enabled()
        )
        # Fused attention, too, is no product to the counter.
        torch.backends.mha.set_fastpath_enabled(False)
        self._stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        self._stack.enter_context(self._mode)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def of(self, step: Step, xs: list[torch.Tensor]) -> int:
        """The products since the last call: those of this step, which has just run."""
        if step.node.op.fused:  # one operator in single precision; products in double precision
            self._before = self._mode.get_total_flops() // 2
            step([x.double() for x in xs], step.double())
        now = self._mode.get_total_flops() // 2
        made, self._before = now - self._before, now
        if isinstance(
            step.module, PartialConv
        ):  # the operator sees the whole kernel, of which the connected maps are a part
            kernel = step.module.kernel()
            made = made * len(step.module.inputs) // (kernel.shape[0] * kernel.shape[1])
        squares, self._squares = self._squares, 0
        return made + squares if step.node.op.squares else made


def compare_macs(node: Node, sizes: Sizes, ran: int, written: int) -> Difference | None:
    """Ours beside what a forward pass of one sample and the ONNX nodes multiply."""
    ours = subs(node.op.macs(node.type, *node.types), sizes)
    if ours == ran == written:
        return None
    return Difference(
        "macs-differ",
        "the multiply-accumulates differ",
        {
            "the layer": f"{ours:,}",
            "PyTorch, counted": f"{ran:,}",
            "ONNX, from its nodes": f"{written:,}",
        },
        node,
    )
