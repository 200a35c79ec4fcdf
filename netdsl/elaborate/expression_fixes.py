"""Fixes of expressions."""

from __future__ import annotations

import re

from netdsl.diagnostics import Edit
from netdsl.source import Span
from netdsl.syntax import ast

_NUMBER = re.compile(r"\d{1,18}(\.\d+)?")


def operation_fix(
    expr: ast.Operation, operator: str, operand: ast.Expr, *, is_open: bool
) -> tuple[Edit, ...]:
    """The fix for an operator that does not take its operands; `operand` is the one after it.

    `is_open` tells whether the value before the operator is an open size.
    """
    match (expr.first, operator, operand):
        case (ast.Literal(value=float()), "*", ast.Sequence()) if len(expr.rest) == 1:
            written = f"[{expr.first.span.text} * n for n in {operand.span.text}]"
            return (Edit(expr.span, written),)
    if is_open:
        return _whole_division(expr, operator, operand)
    return _unquoted([expr.first, operand]) if len(expr.rest) == 1 else _unquoted([operand])


def _unquoted(operands: list[ast.Expr]) -> tuple[Edit, ...]:
    """The fix for numbers in quotes."""
    return tuple(
        Edit(operand.span, operand.value)
        for operand in operands
        if isinstance(operand, ast.Literal)
        and isinstance(operand.value, str)
        and _NUMBER.fullmatch(operand.value)
    )


def _whole_division(expr: ast.Operation, operator: str, operand: ast.Expr) -> tuple[Edit, ...]:
    """The fix for an open size that is divided by `/`, or multiplied by a fraction such as 0.5."""
    if not isinstance(operand, ast.Literal) or isinstance(operand.value, (bool, str)):
        return ()
    divisor = operand.value
    if operator == "*" and 0 < divisor < 1:
        divisor = 1 / divisor
    elif operator != "/":
        return ()
    if divisor < 1 or divisor != int(divisor):
        return ()
    file = expr.span.file
    place = file.text.rindex(operator, expr.span.start, operand.span.start)
    edits = [Edit(Span(file, place, place + len(operator)), "//")]
    if divisor != operand.value:
        edits.append(Edit(operand.span, str(int(divisor))))
    return tuple(edits)
