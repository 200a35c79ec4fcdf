"""Freezes the layer before `frozen`: its weights are not trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit
from netdsl.elaborate.corrections import inserted
from netdsl.elaborate.invocation import refuse_arguments_and_body
from netdsl.errors import NetdslError
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.ir.graph import Node, Value


def freeze(frozen: ast.Call, chain: ast.Chain, nodes: list[Node], x: Value | None) -> None:
    """Freeze the layers of the element before `frozen`, which gives the value `x`."""
    refuse_arguments_and_body(frozen)
    elements = chain.elements[: chain.elements.index(frozen)]
    before = elements[-1] if elements else None
    if frozen.label is not None:
        raise NetdslError(
            "misplaced-label",
            "`frozen` is not a layer, so it cannot have a label",
            frozen.label.span,
            help="label the layer before it",
            fix=_label_moved(frozen, before),
        )
    if x is not None and x.type is None:
        return  # the layer before has an error of its own
    if x is None or not nodes:
        raise NetdslError(
            "nothing-to-freeze",
            "`frozen` must follow the layer that it freezes",
            frozen.span,
            help="write it after the layer that it freezes: `conv(8, 3) -> frozen`",
        )
    for node in nodes:
        node.frozen = True


def _label_moved(frozen: ast.Call, before: ast.Element | None) -> tuple[Edit, ...]:
    """The fix for a label of `frozen`: it becomes that of the layer before."""
    if not isinstance(before, ast.Call) or before.label is not None or frozen.label is None:
        return ()
    label, file = frozen.label.span, frozen.span.file
    moved = inserted(before.name_span, f"{label.text}: ")
    return (moved, Edit(Span(file, label.start, frozen.name_span.start), ""))
