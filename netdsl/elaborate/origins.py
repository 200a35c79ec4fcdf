"""Where a value comes from, for advice about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netdsl.ir.graph import Value


def source_of(value: Value) -> Value:
    """The value from which `value` comes through layers that only move elements."""
    while (node := value.producer) is not None:
        if node.op.is_source or not node.op.any_dtype:
            break
        if node.type.dtype != node.inputs[0].type.dtype:
            break
        value = node.inputs[0]
    return value


def first_of(value: Value) -> Value:
    """The input of the net from which a value comes, along the first inputs of the layers."""
    while value.producer is not None:
        value = value.producer.inputs[0]
    return value
