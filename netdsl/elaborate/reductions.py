"""Advice for `max(axis = 2)`, a reduction along an axis under the name of a join."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netdsl.syntax import ast

_KINDS = {"max": "reduce_max", "add": "reduce_sum", "sum": "reduce_sum", "min": "reduce_min"}
_AXES = re.compile(r"-?\d+|[\[(]\s*-?\d+(?:\s*,\s*-?\d+)*\s*[\])]")
_KEEP = ("keep", "keepdim", "keepdims")


def reduction(call: ast.Call) -> str | None:
    """`reduce_max(2)` for `max(axis = 2)` and `max(2)`, or None if the call has no axis."""
    if call.name not in _KINDS or call.body is not None or not call.arguments:
        return None
    first, *others = call.arguments
    axis, kept = first.value.span.text, ""
    if first.name not in (None, "axis", "dim", "axes") or not _AXES.fullmatch(axis) or axis == "0":
        return None
    for other in others:
        if other.name not in _KEEP or len(others) > 1:
            return None
        kept = f", keep = {other.value.span.text.lower()}"
    return f"{_KINDS[call.name]}({axis}{kept})"
