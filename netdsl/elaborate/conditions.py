"""Conditions, and the errors of values that are neither true nor false."""

from __future__ import annotations

import re

from netdsl.diagnostics import Edit
from netdsl.elaborate.arithmetic import type_name
from netdsl.errors import NetdslError
from netdsl.ops.args import show
from netdsl.source import Span
from netdsl.syntax import ast

_OPERAND = re.compile(r"[\w.]+(\(.*\)|\[.*\])?")  # an expression that needs no brackets around it
# The comparisons that are certainly meant for further values, by the operator between them.
_REPEATED = {("==", "or"), ("!=", "and")}
# How values of a type become conditions, and whether that is certain.
_COMPARED = (
    (int, "compare it: `{} != 0`", "{} != 0"),
    (float, "compare it: `{} != 0`", "{} != 0"),
    (tuple, "compare its length: `len({}) > 0`", "len({}) > 0"),
)


def truth(value: object, span: Span) -> bool:
    """The value of a condition; raises `NetdslError` if it is neither true nor false."""
    if isinstance(value, bool):
        return value
    raise _fault(value, span)


def check_kinds(expr: ast.Operation, operator: str, value: object, other: object) -> None:
    """Raise `NetdslError` for a boolean that is compared with 0 or 1, or a number with `true`.

    `expr` compares `value` with `other` by `==` or `!=`. One of them is a boolean and the other is
    not, so they are never equal. A comparison with `false` or with another number can be right: a
    parameter can be a number or `false`.
    """
    right = expr.rest[0][1]
    sides = ((expr.first, value, right, other), (right, other, expr.first, value))
    for operand, known, literal, written in sides:
        if not isinstance(literal, ast.Literal) or written is False:
            continue
        if written not in (0, 1) or known not in (0, 1):
            continue
        text, meant = operand.span.text, show(type(known)(written))
        fact = f"`{text}` is {show(known)}, {type_name(known)}, which never equals {show(written)}"
        help_, fix = f"write `{text} {operator} {meant}`", (Edit(literal.span, meant),)
        raise NetdslError("wrong-type", fact, expr.span, help=help_, fix=fix)


def check_operands(expr: ast.Operation) -> None:
    """Raise `NetdslError` for a number or a string after `and` or `or`.

    Such as `kind == "a" or "b"`, also if `kind` is "a", so that the string is not evaluated.
    """
    operands = [expr.first, *(operand for _, operand in expr.rest)]
    for number, (operator, operand) in enumerate(expr.rest, start=1):
        match operand:
            case ast.Literal(value=value) if not isinstance(value, bool):
                pass
            case _:
                continue
        error = _fault(value, operand.span)
        compared = _comparison(operands[:number])
        if compared is not None:
            left, sign = compared
            text = f"{left} {sign} {operand.span.text}"
            if (sign, operator) in _REPEATED:
                error.diagnostic.help = f"repeat the comparison: `{operator} {text}`"
                place = Span(operand.span.file, operand.span.start, operand.span.start)
                error.diagnostic.fix = (Edit(place, f"{left} {sign} "),)
            else:
                other = {"or": "and", "and": "or"}[operator]
                error.diagnostic.help = f"repeat the comparison: `{other} {text}`"
                error.diagnostic.fix = ()
        elif operator == "or" and isinstance(expr.first, ast.Name | ast.Attribute) and number == 1:
            first = expr.first.span.text
            chosen = f"{first} if {first} != 0 else {operand.span.text}"
            error.diagnostic.help = f"`or` joins conditions; to choose a value, write `{chosen}`"
            error.diagnostic.fix = ()
        raise error


def _comparison(operands: list[ast.Expr]) -> tuple[str, str] | None:
    """The last comparison with `==` or `!=` among operands: what it compares, and its sign."""
    for operand in reversed(operands):
        match operand:
            case ast.Operation(first=first, rest=((("==" | "!=") as sign, _),)):
                return first.span.text, sign
    return None


def _name(text: str) -> str:
    """A name, or another one in place of a text that is none."""
    return text if text.isidentifier() else "kind"


def _fault(value: object, span: Span) -> NetdslError:
    """The error of a value that is neither true nor false."""
    message = f"a condition must be true or false, found {show(value)}"
    error = NetdslError("wrong-type", message, span, help="compare it: `x != 0`")
    for type_, advice, written in _COMPARED:
        if isinstance(value, type_) and _OPERAND.fullmatch(span.text):
            error.diagnostic.help = advice.format(span.text)
            error.diagnostic.fix = (Edit(span, written.format(span.text)),)
    if value == "none" or type_name(value) in ("a layer", "a block"):
        written = f"{_name(span.text)} != none"
        error.diagnostic.help = f"compare it with `none`, where no layer is given: `{written}`"
        if span.text.isidentifier():
            error.diagnostic.fix = (Edit(span, written),)
    elif isinstance(value, str):
        error.diagnostic.help = f"compare it: `{_name(span.text)} == {show(value)}`"
    return error
