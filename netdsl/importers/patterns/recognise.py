"""Undoes what exporters decompose: several nodes that are one layer become one node.

Each pattern is a function of the graph and of the last node of the pattern. It returns the node
that replaces that node, or None. The nodes before it disappear if nothing else uses them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.importers.patterns.attention import attention, ready_attention
from netdsl.importers.patterns.formulas import (
    constant_factor,
    dense_bias,
    gelu_erf,
    gelu_tanh,
    hard_sigmoid,
    hard_swish,
    mish,
    silu,
    softplus,
    square,
)
from netdsl.importers.patterns.layouts import channel_shuffle, group_norm, tokens
from netdsl.importers.patterns.norms import layer_norm, local_norm, rms_norm, scaled_norm
from netdsl.importers.rules.recurrent import recurrence

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from netdsl.importers.onnx.foreign import Foreign, ForeignNode

    Pattern = Callable[[Foreign, ForeignNode], ForeignNode | None]

# In each round, every node is tried with the patterns of its kind; then the next round follows.
ROUNDS: tuple[dict[str, tuple[Pattern, ...]], ...] = (
    {
        "Add": (dense_bias,),
        "Mul": (square,),
        "Log": (softplus,),
        "Transpose": (recurrence,),
        "Squeeze": (recurrence,),
        "Reshape": (recurrence,),
        "Gather": (recurrence,),
    },
    {
        "Div": (hard_sigmoid, layer_norm, rms_norm, local_norm),
        "Mul": (hard_sigmoid, layer_norm, rms_norm),
    },
    {
        "Mul": (gelu_erf, gelu_tanh, silu, hard_swish, mish, scaled_norm),
        "Div": (hard_swish,),
        "Add": (scaled_norm,),
    },
    {"Add": (scaled_norm, group_norm), "Transpose": (tokens,), "Reshape": (channel_shuffle,)},
    {"MatMul": (attention,), "Attention": (ready_attention,)},
    {"Mul": (constant_factor,)},
)


def recognise(graph: Foreign, but: Collection[str] = ()) -> None:
    """Replace the nodes of each pattern by one node, and remove nodes without a use.

    Patterns that make a value among `but` are left as they are.
    """
    remove_unused(graph)
    for patterns in ROUNDS:
        replaced: dict[str, ForeignNode] = {}
        for node in graph.nodes:
            for pattern in patterns.get(node.kind, ()):
                made = pattern(graph, node)
                if made is not None and made.output not in but:
                    made.is_pattern = True
                    replaced[made.output] = made
                    break
        if replaced:
            graph.replace(replaced.get(node.outputs[0], node) for node in graph.nodes)
            remove_unused(graph)


def remove_unused(graph: Foreign) -> None:
    """Remove the nodes from which no output of the graph follows."""
    needed = set(graph.outputs)
    kept: list[ForeignNode] = []
    for node in reversed(graph.nodes):
        if needed.intersection(node.outputs):
            needed.update(node.inputs)
            kept.append(node)
    graph.replace(reversed(kept))
