"""The statements of emitted source that set starting values and freeze weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.backends.torch.names import access_path
from netdsl.ops.dropout import TrainingOnly

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netdsl.ir.graph import Graph, Node
    from netdsl.ir.op import Param

_CALLS = {
    "he_normal": 'nn.init.kaiming_normal_({0}, nonlinearity="relu")',
    "he_uniform": 'nn.init.kaiming_uniform_({0}, nonlinearity="relu")',
    "xavier_normal": "nn.init.xavier_normal_({0})",
    "xavier_uniform": "nn.init.xavier_uniform_({0})",
    "normal": "nn.init.normal_({0}, std=0.01)",
    "zeros": "nn.init.zeros_({0})",
    "ones": "nn.init.ones_({0})",
    "bilinear": "bilinear_({0})",
}


def start_lines(graph: Graph) -> list[str]:
    """The last lines of `__init__`: they set weights that PyTorch would initialise differently.

    Weights that layers share are set once. A tied weight replaces the layer's own after the layers
    are frozen, so that only the layer that owns it freezes it.
    """
    calls = [
        call
        for node in graph.nodes
        if not node.shared
        for name, param in node.params().items()
        if (call := _start(node, name, param))
    ]
    if calls:
        calls = ["with torch.no_grad():", *(f"    {call}" for call in calls)]
    frozen = [
        f"{_holder(node)}.requires_grad_(False)"
        for node in graph.nodes
        if node.frozen and node.params()
    ]
    return [f"        {line}" for line in (*calls, *frozen, *_ties(graph))]


def _ties(graph: Graph) -> Iterator[str]:
    """The statements that give layers the weights of other layers."""
    owned: dict[str, str] = {}
    for node in graph.nodes:
        for name, param in node.params().items():
            if param.tied and not node.shared:
                yield f"{_tensor(node, name)} = {owned[param.tied]}"
            elif not param.tied:
                owned[node.tensor_name(name)] = _tensor(node, name)


def _holder(node: Node) -> str:
    """The expression of the module of a layer, or of its only tensor if it has no module."""
    if "" in node.params():
        return access_path(node.module, "parameter")
    return access_path(node.module)


def _tensor(node: Node, name: str) -> str:
    """The expression of a learned tensor of a layer."""
    return ".".join(filter(None, (_holder(node), name)))


def _start(node: Node, name: str, param: Param) -> str:
    """The call that sets a weight; empty where PyTorch's own initialisation is right."""
    target = _tensor(node, name)
    if param.tied:
        return ""
    if param.init == "literal":
        return f"{target}.copy_(torch.tensor({list(param.values)!r}).reshape({param.shape!r}))"
    initializer = _initializer(node)
    if name not in ("weight", "") or initializer is None:
        return ""
    return _CALLS[initializer].format(target)


def _initializer(node: Node) -> str | None:
    """The argument `init` of a layer, if PyTorch would initialise the layer differently."""
    initializer = getattr(node.op, "init", None)
    if not isinstance(initializer, str) or initializer == "default":
        return None
    if initializer == "zeros" and node.op.kind == "param":
        return None
    return initializer


# ---- modes


def has_modes(node: Node) -> bool:
    """Whether a layer works otherwise in training: it draws numbers or moves averages."""
    is_random = isinstance(node.op, TrainingOnly) or bool(getattr(node.op, "dropout", False))
    return is_random or bool(node.buffers())


def mode_lines(frozen: Iterable[str]) -> list[str]:
    """A method of the whole module that keeps its frozen parts in evaluation mode."""
    return [
        "",
        "    def train(self, mode=True):",
        "        super().train(mode)",
        *(f"        {part}.eval()" for part in frozen),
        "        return self",
    ]
