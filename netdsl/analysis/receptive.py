"""Receptive fields: which stretch of the input one output depends on, along each spatial axis.

The output at index 0 depends on the inputs `low` to `high`. For each further output, this stretch
moves by `jump` (Araujo et al., Computing Receptive Fields of Convolutional Neural Networks, Distill
2019). Where branches join, the stretch is the hull of theirs.

Strides and resampling factors multiply along a net. Their product may not exceed 2^62, so that
figures stay readable.
"""

from __future__ import annotations

from math import log2
from typing import TYPE_CHECKING, NamedTuple

from netdsl.errors import NetdslError
from netdsl.ir.op import Op, ratio
from netdsl.limits import MAX_SIZE

if TYPE_CHECKING:
    from fractions import Fraction

    from netdsl.ir.graph import Graph, Node, Value
    from netdsl.ir.types import Sym, TensorType


class Stretch(NamedTuple):
    """The inputs `low` to `high`, inclusive, for output 0. Each next output moves it by `jump`."""

    jump: int | Fraction
    low: int | Fraction
    high: int | Fraction


Field = tuple["int | Sym", ...]
_START = Stretch(1, 0, 0)


def receptive_fields(graph: Graph) -> list[Field]:
    """For each node, the number of inputs along each spatial axis that one output depends on.

    If an output depends on everything (dense layers, global pooling), this is the size of the
    input. Raises `NetdslError` if strides multiply to more than 2^62.
    """
    return [_field(stretches, root) for stretches, root in _traced(graph)]


def seen_stretches(graph: Graph) -> list[tuple[Stretch, ...] | None]:
    """For each node, the stretch that its output 0 depends on along each spatial axis.

    None stands for the whole input. Raises as `receptive_fields`.
    """
    return [stretches for stretches, _ in _traced(graph)]


def _traced(graph: Graph) -> list[tuple[tuple[Stretch, ...] | None, Value]]:
    """The stretches of each node, and the input that they are about."""
    known: dict[int, tuple[Stretch, ...] | None] = {
        id(v): (_START,) * len(v.type.shape) for v in graph.inputs
    }
    roots: dict[int, Value] = {id(v): v for v in graph.inputs}
    steps: dict[tuple[object, ...], tuple[Stretch, ...] | None] = {}
    traced = []
    for node in graph.nodes:
        root = roots[id(node.inputs[0])]
        sources = tuple(known[id(v)] for v in node.inputs if roots[id(v)] is root)
        key = (node.op, node.types, sources)
        if key not in steps:
            steps[key] = _step(node, sources)
            _check_limit(steps[key], node)
        for value in node.outputs:
            known[id(value)] = steps[key]
            roots[id(value)] = root
        traced.append((steps[key], root))
    return traced


def _step(
    node: Node, sources: tuple[tuple[Stretch, ...] | None, ...]
) -> tuple[Stretch, ...] | None:
    """The stretch of a node's output on each axis, or None if it depends on the whole input."""
    if node.op.sees_all(*node.types) or any(s is None for s in sources):
        return None
    whole = [s for s in sources if s]
    axes = []
    for stretches, window in zip(
        zip(*whole, strict=False), node.op.windows(*node.types), strict=False
    ):
        jump = max(s.jump for s in stretches)
        low = min(s.low for s in stretches) - window.pad * jump
        high = max(s.high for s in stretches) + (window.extent - 1 - window.pad) * jump
        axes.append(Stretch(ratio(jump * window.stride, window.up), low, high))
    return tuple(axes)


def _check_limit(stretches: tuple[Stretch, ...] | None, node: Node) -> None:
    if any(
        n > MAX_SIZE
        for s in stretches or ()
        for n in (s.jump, s.jump.denominator, s.low.denominator, s.high.denominator)
    ):
        raise NetdslError(
            "too-large",
            f"the strides and resampling factors up to this `{node.op.kind}` multiply to over 2^62",
            node.span,
            help="the receptive field grows with them: give some of these layers a stride of 1",
        )


def check_strides(graph: Graph) -> None:
    """Raise `NetdslError` if strides multiply to more than 2^62.

    The product over all layers is a quick upper bound. Few nets exceed it, and only for these are
    the receptive fields computed.
    """
    known: dict[tuple[Op, TensorType], float] = {}
    total = 0.0  # the binary logarithm of the product
    for node in graph.nodes:
        if type(node.op).windows is not Op.windows:
            key = (node.op, node.inputs[0].type)
            if key not in known:
                known[key] = max(
                    (
                        log2(w.stride * w.up * w.pad.denominator)
                        for w in node.op.windows(*node.types)
                    ),
                    default=0,
                )
            total += known[key]
    if total >= log2(MAX_SIZE):
        receptive_fields(graph)


def _field(stretches: tuple[Stretch, ...] | None, root: Value) -> Field:
    if stretches is None:
        return root.type.spatial or root.type.shape
    return tuple(int(s.high - s.low) + 1 for s in stretches)
