"""Advice on the sizes of an input that its text does not leave open."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.ir.types import shape_text
from netdsl.library import how_to_copy
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Sequence


def how_to_change(
    definition: ast.Definition, name: str, given: Sequence[int], expr: ast.Expr, axis: int
) -> str:
    """Advice for a fixed size of the input `name`, which a parameter of the net may set.

    `given` are all sizes that the user wants, and `axis` is the number of the size.
    """
    names = re.findall(r"[^\W\d]\w*", _written_size(expr, axis))
    for parameter in definition.parameters:
        if parameter.name in names:
            option = f"`-D {parameter.name}=...` (in Python `{parameter.name}=...`)"
            return f"it depends on a parameter of the net: set that with {option}"
    advice = "only sizes that the text leaves open can be chosen, such as H and W in `3xHxW`"
    file, end = expr.span.file, expr.span.end
    dtype = re.match(r"[ \t]+[a-z]+\d+\b", file.text[end:])
    written = f"`input {name}: {shape_text(given)}{dtype[0] if dtype else ''}`"
    copying = how_to_copy(file)
    if copying is None:
        return f"{advice}; to change this one, write {written} on line {expr.span.first.line}"
    return f"{advice}; {copying} writes a copy of {file.name}, in which you can write {written}"


def _written_size(expr: ast.Expr, axis: int) -> str:
    """The text of one size of an input: `size` in `3xsizexsize` and in `[3, size, size]`."""
    if isinstance(expr, ast.DimsLiteral | ast.NameOrDims) and axis < len(expr.parts):
        return str(expr.parts[axis])
    if isinstance(expr, ast.Sequence):
        return expr.items[axis].span.text
    return expr.span.text
