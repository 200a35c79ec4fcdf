"""Receptive fields: which stretch of the input one output depends on, along each spatial axis.

An output at index 0 sees the inputs `low` to `high`, the next one the same stretch moved by `jump`
(Araujo et al., Computing Receptive Fields of Convolutional Neural Networks, Distill 2019). Branches
that join see the hull of their stretches.

Strides multiply along a net, and factors of resampling do: to no more than 2^62, so that every
figure stays a number that people read.
"""

from __future__ import annotations

from fractions import Fraction
from math import log2
from typing import TYPE_CHECKING, NamedTuple

from netdsl.errors import NetdslError
from netdsl.ir.op import Op
from netdsl.limits import MAX_SIZE

if TYPE_CHECKING:
    from netdsl.ir.graph import Graph, Node, Value
    from netdsl.ir.types import Sym, TensorType


class Stretch(NamedTuple):
    """Inputs `low` to `high`, both included, for output 0; `jump` inputs further for the next."""

    jump: Fraction
    low: Fraction
    high: Fraction


Field = tuple["int | Sym", ...]
_START = Stretch(Fraction(1), Fraction(0), Fraction(0))


def receptive_fields(graph: Graph) -> list[Field]:
    """For each node, how many inputs along each spatial axis one of its outputs depends on.

    Where an output depends on everything (dense layers, global pooling), the input's whole size.
    """
    # A window takes those of its axes.
    known: dict[int, tuple[Stretch, ...] | None] = {
        id(v): (_START,) * len(v.type.shape) for v in graph.inputs
    }
    roots: dict[int, Value] = {id(v): v for v in graph.inputs}
    steps: dict[tuple[object, ...], tuple[Stretch, ...] | None] = {}
    fields = []
    for node in graph.nodes:
        root = roots[id(node.inputs[0])]
        sources = tuple(known[id(v)] for v in node.inputs if roots[id(v)] is root)
        key = (node.op, node.types, sources)
        if key not in steps:
            steps[key] = _step(node, sources)
            _hold(steps[key], node)
        known[id(node.output)] = steps[key]
        roots[id(node.output)] = root
        fields.append(_field(steps[key], root))
    return fields


def _step(
    node: Node, sources: tuple[tuple[Stretch, ...] | None, ...]
) -> tuple[Stretch, ...] | None:
    if node.op.is_global or any(s is None for s in sources):
        return None
    whole = [s for s in sources if s]
    axes = []
    for stretches, window in zip(
        zip(*whole, strict=False), node.op.windows(*node.types), strict=False
    ):
        jump = max(s.jump for s in stretches)
        low, high = min(s.low for s in stretches), max(s.high for s in stretches)
        low -= window.pad * jump
        axes.append(
            Stretch(
                jump * window.stride / window.up,
                low,
                high - window.pad * jump + (window.extent - 1) * jump,
            )
        )
    return tuple(axes)


def _hold(stretches: tuple[Stretch, ...] | None, node: Node) -> None:
    if any(
        n > MAX_SIZE
        for s in stretches or ()
        for n in (s.jump, s.jump.denominator, s.low.denominator, s.high.denominator)
    ):
        raise NetdslError(
            "too-large",
            f"the strides and factors down to this `{node.op.kind}` multiply to more than 2^62",
            node.span,
            help="the receptive field grows with them: let some of these layers have a stride of 1",
        )


def check_strides(graph: Graph) -> None:
    """Refuse strides that multiply to more than 2^62; raises `NetdslError`.

    Few nets have so many that the fields must be looked at.
    """
    known: dict[tuple[Op, TensorType], float] = {}
    total = 0.0
    for node in graph.nodes:
        if type(node.op).windows is not Op.windows:
            key = (node.op, node.inputs[0].type)
            if key not in known:
                known[key] = max(
                    (
                        log2(w.stride * w.up * Fraction(w.pad).denominator)
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
