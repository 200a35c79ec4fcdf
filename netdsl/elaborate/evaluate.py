"""Expressions: a value for each, or a `NetdslError` at its place.

Integers stay below 2^63, lists below the limit.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from netdsl.diagnostics import Annotation, did_you_mean
from netdsl.elaborate.arithmetic import COMPARE, arithmetic, bounded, check_length, clipped, compare
from netdsl.elaborate.meter import ELEMENTS
from netdsl.errors import NetdslError
from netdsl.ir.types import Sym
from netdsl.ops.args import show
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.elaborate.meter import Meter
    from netdsl.source import Span


class Unknown:
    """What depends on something that already has an error: no second error follows from it."""

    def __repr__(self) -> str:
        return "unknown"


UNKNOWN = Unknown()


class Clash:
    """A name that two imported files give a meaning: an error where it is used, and only there."""

    __slots__ = ("first", "name", "second")

    def __init__(self, name: str, first: Span, second: Span) -> None:
        self.name = name
        self.first = first
        self.second = second

    def fault(self, span: Span | None) -> NetdslError:
        """The error of a use there."""
        files = [span.file.name for span in (self.first, self.second)]
        notes = (
            Annotation("the first is here", self.first),
            Annotation("the second is here", self.second),
        )
        return NetdslError(
            "duplicate-name",
            f"`{self.name}` is imported from `{files[0]}` and from `{files[1]}`",
            span,
            notes=notes,
            help=f"define `{self.name}` in this file, which then counts, or import one of the two",
        )


class Env:
    """Names and their values, one frame for each block call and loop body.

    `special` answers what only the caller knows.
    """

    __slots__ = ("meter", "parent", "special", "values")

    def __init__(
        self,
        parent: Env | None = None,
        special: Callable[[ast.Expr, Env], Any] | None = None,
        meter: Meter | None = None,
    ) -> None:
        self.parent = parent
        self.values: dict[str, Any] = {}
        self.special: Callable[[ast.Expr, Env], Any] | None = special or (
            parent.special if parent else None
        )
        self.meter: Meter | None = meter or (parent.meter if parent else None)

    def find(self, name: str, span: Span | None = None) -> tuple[bool, Any]:
        """Whether the name is known, and its value; raises `NetdslError` where imports disagree on
        it, at `span` or where the caller says.
        """
        env: Env | None = self
        while env is not None:
            if name in env.values:
                value = env.values[name]
                if isinstance(value, Clash):
                    raise value.fault(span)
                return True, value
            env = env.parent
        return False, None

    def names(self) -> list[str]:
        """Every name in sight."""
        return [n for n in self.values if n != "in"] + (self.parent.names() if self.parent else [])


def evaluate(expr: ast.Expr, env: Env) -> Any:
    """The value of an expression; raises `NetdslError`."""
    match expr:
        case ast.Literal():
            return expr.value
        case ast.Name():
            return _name(expr, env)
        case ast.Operation():
            return _operation(expr, env)
        case ast.Sequence():
            items = tuple(evaluate(i, env) for i in expr.items)
            _work(items, env, expr.span)
            return UNKNOWN if any(i is UNKNOWN for i in items) else bounded(items, expr.span)
        case ast.DimsLiteral():
            return _sizes(expr, env)
        case ast.Conditional():
            condition = evaluate(expr.condition, env)
            if condition is UNKNOWN:
                return UNKNOWN
            return evaluate(
                expr.value if truth(condition, expr.condition.span) else expr.otherwise, env
            )
        case ast.Unary():
            return _unary(expr, env)
        case ast.Index():
            return _index(expr, env)
        case ast.Function():
            return _function(expr, env)
    if env.special is not None:
        return env.special(expr, env)
    raise NetdslError("not-a-value", f"`{expr.span.text}` has no value here", expr.span)


def truth(value: object, span: Span) -> bool:
    """The value as a condition."""
    if isinstance(value, bool):
        return value
    raise NetdslError(
        "wrong-type",
        f"a condition must be true or false, found {show(value)}",
        span,
        help="compare it: `x != 0`",
    )


def _name(expr: ast.Name, env: Env) -> Any:
    known, value = env.find(expr.id, expr.span)
    if known:
        return value
    if isinstance(expr, ast.NameOrDims) and (
        expr.reads_as_sizes or all(isinstance(p, int) or env.find(p)[0] for p in expr.parts)
    ):
        return _sizes(expr, env)
    if env.special is not None:
        return env.special(expr, env)
    raise NetdslError(
        "unknown-name",
        f"there is no `{expr.id}`",
        expr.span,
        help=did_you_mean(expr.id, env.names())
        or "a `let` at the top of a file sees the `let`s above it",
    )


def _sizes(expr: ast.DimsLiteral | ast.NameOrDims, env: Env) -> Any:
    sizes = tuple(p if isinstance(p, int) else _dim(p, expr, env) for p in expr.parts)
    return UNKNOWN if UNKNOWN in sizes else sizes


def _dim(name: str, expr: ast.Expr, env: Env) -> Any:
    known, value = env.find(name, expr.span)
    if not known:
        advice = (
            "numbers are written in decimals"
            if expr.span.text.startswith("0x")
            else "open sizes are introduced by `input`"
        )
        raise NetdslError(
            "unknown-name",
            f"there is no size `{name}`",
            expr.span,
            help=did_you_mean(name, env.names()) or advice,
        )
    return value


def _unary(expr: ast.Unary, env: Env) -> Any:
    value = evaluate(expr.operand, env)
    if value is UNKNOWN:
        return UNKNOWN
    if expr.operator == "not":
        return not truth(value, expr.operand.span)
    if isinstance(value, bool) or not isinstance(value, (int, float, Sym)):
        raise NetdslError("wrong-type", f"`-` needs a number, found {show(value)}", expr.span)
    return -value


def _operation(expr: ast.Operation, env: Env) -> Any:
    value = evaluate(expr.first, env)
    for operator, operand in expr.rest:
        if operator in ("and", "or"):
            if value is UNKNOWN:
                return UNKNOWN
            if truth(value, expr.first.span) is (operator == "or"):
                return value
            value = evaluate(operand, env)
            if value is not UNKNOWN:
                truth(value, operand.span)
            continue
        other = evaluate(operand, env)
        if value is UNKNOWN or other is UNKNOWN:
            value = UNKNOWN
            continue
        _work(value, env, expr.span)
        value = (
            compare(operator, value, other, expr.span)
            if operator in COMPARE
            else arithmetic(operator, value, other, expr.span)
        )
        _work(value, env, expr.span)
    return value


def _work(value: object, env: Env, span: Span) -> None:
    """Long lists and words cost what they are long."""
    if env.meter is not None and isinstance(value, (tuple, str)) and len(value) >= ELEMENTS:
        env.meter.charge(len(value) // ELEMENTS, span)


def _index(expr: ast.Index, env: Env) -> Any:
    value, index = evaluate(expr.value, env), evaluate(expr.index, env)
    if value is UNKNOWN or index is UNKNOWN:
        return UNKNOWN
    if not isinstance(value, tuple) or isinstance(index, bool) or not isinstance(index, int):
        raise NetdslError(
            "wrong-type",
            f"cannot take element {show(index)} of {show(value)}",
            expr.span,
            help="an integer in brackets takes an element of a list",
        )
    if not -len(value) <= index < len(value):
        raise NetdslError(
            "index-out-of-range",
            f"element {index} of a list of {len(value)}",
            expr.index.span,
            help=f"elements are counted from 0 to {len(value) - 1}",
        )
    return value[index]


def _range(*bounds: int) -> tuple[int, ...]:
    return tuple(range(*bounds))


def _enumerate(values: tuple[Any, ...], start: int = 0) -> tuple[Any, ...]:
    return tuple(enumerate(values, start))


def _round(value: float, digits: int = 0) -> float:
    return round(value, digits) if digits else round(value)


def _least(*values: Any) -> Any:
    return min(*values) if len(values) > 1 else min(values[0])


def _largest(*values: Any) -> Any:
    return max(*values) if len(values) > 1 else max(values[0])


_USAGE = {
    "min": "min(a, b, ...)` or `min(list)",
    "max": "max(a, b, ...)` or `max(list)",
    "ceil": "ceil(a)",
    "floor": "floor(a)",
    "round": "round(a, digits = 0)",
    "len": "len(list)",
    "range": "range(n)` or `range(a, b, step = 1)",
    "enumerate": "enumerate(list, start = 0)",
    "sum": "sum(list)",
    "abs": "abs(a)",
    "sqrt": "sqrt(a)` with `a` of at least 0, as in `sqrt(4)",
}

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "min": _least,
    "max": _largest,
    "ceil": math.ceil,
    "floor": math.floor,
    "round": _round,
    "len": len,
    "range": _range,
    "enumerate": _enumerate,
    "sum": sum,
    "abs": abs,
    "sqrt": math.sqrt,
}


def _function(expr: ast.Function, env: Env) -> Any:
    function = _FUNCTIONS.get(expr.name)
    if function is None:
        if env.special is not None:
            return env.special(expr, env)
        raise NetdslError(
            "unknown-function",
            f"there is no function `{expr.name}`",
            expr.span,
            help=did_you_mean(expr.name, _FUNCTIONS)
            or "the functions are " + ", ".join(function_names()),
        )
    positional = [evaluate(a.value, env) for a in expr.arguments if a.name is None]
    keywords = {a.name: evaluate(a.value, env) for a in expr.arguments if a.name is not None}
    if len(positional) + len(keywords) < len(expr.arguments):
        raise NetdslError(
            "duplicate-argument",
            f"`{expr.name}` is given an argument twice",
            expr.span,
            help=f"it is written `{_USAGE[expr.name]}`",
        )
    if any(v is UNKNOWN for v in (*positional, *keywords.values())):
        return UNKNOWN
    for value in positional:
        _work(value, env, expr.span)
    if (
        expr.name == "range"
        and all(isinstance(v, int) for v in positional)
        and 1 <= len(positional) <= 3
        and 0 not in positional[2:]
    ):
        check_length(len(range(*positional)), expr.span)
    try:
        made = bounded(function(*positional, **keywords), expr.span)
    except (TypeError, ValueError, LookupError, ArithmeticError):
        if any(
            isinstance(v, Sym)
            for value in positional
            for v in (value if isinstance(value, tuple) else (value,))
        ):
            raise NetdslError(
                "open-size",
                f"`{clipped(expr.span)}` depends on the input's size",
                expr.span,
                help="write a number for it in the `input`; `+ - * // %` work on open sizes",
            ) from None
        given = ", ".join(show(v) for v in positional)
        raise NetdslError(
            "bad-argument",
            f"`{expr.name}` cannot take ({given})",
            expr.span,
            help=f"it is written `{_USAGE[expr.name]}`",
        ) from None
    _work(made, env, expr.span)
    return made


def function_names() -> list[str]:
    """The functions of expressions."""
    return sorted(_FUNCTIONS)
