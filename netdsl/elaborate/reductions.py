"""Advice for reductions along an axis under other names: `max(axis = 2)`, `sum(@a, axis = 2)`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netdsl.syntax import ast

_KINDS = {"max": "reduce_max", "add": "reduce_sum", "sum": "reduce_sum", "min": "reduce_min"}
_OF_FORMULA = {**_KINDS, "mean": "reduce_mean", "norm": "reduce_norm", "amax": "reduce_max"}
_AXES = re.compile(r"-?\d+|[\[(]\s*-?\d+(?:\s*,\s*-?\d+)*\s*[\])]")
_KEEP = ("keep", "keepdim", "keepdims")


def reduction(call: ast.Call) -> str | None:
    """`reduce_max(2)` for `max(axis = 2)` and `max(2)`, or None if the call has no axis."""
    if call.name not in _KINDS or call.body is not None or not call.arguments:
        return None
    along = _along(*call.arguments)
    return None if along is None else f"{_KINDS[call.name]}({along})"


def reduced(function: ast.Function) -> str | None:
    """`reduce_sum(@a * @b, axis = 2)` for `sum(@a * @b, dim = 2)`, or None without an axis."""
    if function.name not in _OF_FORMULA or len(function.arguments) < 2:
        return None
    value, *options = function.arguments
    along = _along(*options)
    if value.name is not None or along is None:
        return None
    return f"{_OF_FORMULA[function.name]}({value.span.text}, axis = {along})"


def _along(axis: ast.Argument, *others: ast.Argument) -> str | None:
    """The axis, and whether it is kept, or None if the arguments say anything else."""
    number, kept = axis.value.span.text, ""
    if axis.name not in (None, "axis", "dim", "axes") or not _AXES.fullmatch(number):
        return None
    for other in others:
        if other.name not in _KEEP or len(others) > 1:
            return None
        kept = f", keep = {other.value.span.text.lower()}"
    return None if number == "0" else f"{number}{kept}"
