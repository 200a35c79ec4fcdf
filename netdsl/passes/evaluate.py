"""Expressions: a value for each, or a `Fault` at its place. Integers stay below 2^63, lists below the limit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from netdsl.diagnostics import Fault, did_you_mean
from netdsl.ir.types import MAX_SYMBOLS, MAX_TERMS, FormulaTooLong, Sym
from netdsl.limits import limit, raise_help
from netdsl.ops.args import show
from netdsl.passes.meter import ELEMENTS
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.passes.meter import Meter
    from netdsl.source import Span

MAX_INTEGER = 2**63


class Unknown:
    """What depends on something that already has an error: no second error follows from it."""

    def __repr__(self) -> str:
        return "unknown"


UNKNOWN = Unknown()


class Env:
    """Names and their values, one frame for each block call and loop body. `special` answers what only the caller knows."""

    __slots__ = ("meter", "parent", "special", "values")

    def __init__(self, parent: Env | None = None, special: Callable[[ast.Expr, Env], Any] | None = None, meter: Meter | None = None) -> None:
        self.parent = parent
        self.values: dict[str, Any] = {}
        self.special: Callable[[ast.Expr, Env], Any] | None = special or (parent.special if parent else None)
        self.meter: Meter | None = meter or (parent.meter if parent else None)

    def find(self, name: str) -> tuple[bool, Any]:
        """Whether the name is known, and its value."""
        env: Env | None = self
        while env is not None:
            if name in env.values:
                return True, env.values[name]
            env = env.parent
        return False, None

    def names(self) -> list[str]:
        """Every name in sight."""
        return [n for n in self.values if n != "in"] + (self.parent.names() if self.parent else [])


def type_name(value: object) -> str:
    """The word for a value's type."""
    for cls, name in ((bool, "a truth value"), (int, "an integer"), (float, "a number"), (str, "a word"), (tuple, "a list"), (Sym, "an open size")):
        if isinstance(value, cls):
            return name
    return getattr(value, "type_word", "a value")


def evaluate(expr: ast.Expr, env: Env) -> Any:
    """The value of an expression; raises `Fault`."""
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
            return UNKNOWN if any(i is UNKNOWN for i in items) else _bounded(items, expr.span)
        case ast.DimsLiteral():
            return _sizes(expr, env)
        case ast.Conditional():
            condition = evaluate(expr.condition, env)
            if condition is UNKNOWN:
                return UNKNOWN
            return evaluate(expr.value if truth(condition, expr.condition.span) else expr.otherwise, env)
        case ast.Unary():
            return _unary(expr, env)
        case ast.Index():
            return _index(expr, env)
        case ast.Function():
            return _function(expr, env)
    if env.special is not None:
        return env.special(expr, env)
    raise Fault("not-a-value", f"`{expr.span.text}` has no value here", expr.span)


def truth(value: object, span: Span) -> bool:
    """The value as a condition."""
    if isinstance(value, bool):
        return value
    raise Fault("wrong-type", f"a condition must be true or false, found {show(value)}", span, help="compare it: `x != 0`")


def _name(expr: ast.Name, env: Env) -> Any:
    known, value = env.find(expr.id)
    if known:
        return value
    if isinstance(expr, ast.NameOrDims) and (expr.reads_as_sizes or all(isinstance(p, int) or env.find(p)[0] for p in expr.parts)):
        return _sizes(expr, env)
    if env.special is not None:
        return env.special(expr, env)
    raise Fault("unknown-name", f"there is no `{expr.id}`", expr.span, help=did_you_mean(expr.id, env.names()) or "a `let` at the top of a file sees the `let`s above it")


def _sizes(expr: ast.DimsLiteral | ast.NameOrDims, env: Env) -> Any:
    sizes = tuple(p if isinstance(p, int) else _dim(p, expr, env) for p in expr.parts)
    return UNKNOWN if UNKNOWN in sizes else sizes


def _dim(name: str, expr: ast.Expr, env: Env) -> Any:
    known, value = env.find(name)
    if not known:
        advice = "numbers are written in decimals" if expr.span.text.startswith("0x") else "open sizes are introduced by `input`"
        raise Fault("unknown-name", f"there is no size `{name}`", expr.span, help=did_you_mean(name, env.names()) or advice)
    return value


def _unary(expr: ast.Unary, env: Env) -> Any:
    value = evaluate(expr.operand, env)
    if value is UNKNOWN:
        return UNKNOWN
    if expr.operator == "not":
        return not truth(value, expr.operand.span)
    if isinstance(value, bool) or not isinstance(value, (int, float, Sym)):
        raise Fault("wrong-type", f"`-` needs a number, found {show(value)}", expr.span)
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
        value = compare(operator, value, other, expr.span) if operator in _COMPARE else _arithmetic(operator, value, other, expr.span)
        _work(value, env, expr.span)
    return value


def _work(value: object, env: Env, span: Span) -> None:
    """Long lists and words cost what they are long."""
    if env.meter is not None and isinstance(value, (tuple, str)) and len(value) >= ELEMENTS:
        env.meter.charge(len(value) // ELEMENTS, span)


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def compare(operator: str, a: Any, b: Any, span: Span) -> bool:
    """`a == b` and its kin. Open sizes compare equal only where they are equal for every input."""
    if operator in ("==", "!="):
        if isinstance(a, bool) != isinstance(b, bool):
            return operator == "!="
        a, b = (v[0] if isinstance(v, tuple) and len(v) == 1 and not isinstance(w, tuple) else v for v, w in ((a, b), (b, a)))
        return _COMPARE[operator](a, b)
    if (isinstance(a, Sym) or isinstance(b, Sym)) and all(isinstance(v, (int, float, Sym)) and not isinstance(v, bool) for v in (a, b)):
        difference = a - b
        if isinstance(difference, Sym):
            raise Fault("open-size", f"whether {a} {operator} {b} depends on the input's size", span, help="write a number for it in the `input`, or compare another size")
        return _COMPARE[operator](difference, 0)
    try:
        return _COMPARE[operator](a, b)
    except TypeError:
        raise Fault("wrong-type", f"cannot compare {_told(a)} with {_told(b).removesuffix(',')}", span) from None


def _told(value: Any) -> str:
    return show(value) if isinstance(value, Sym) else f"{show(value)}, {type_name(value)},"


def _arithmetic(operator: str, a: Any, b: Any, span: Span) -> Any:
    if operator == "+" and type(a) is type(b) and isinstance(a, (tuple, str)):
        return _bounded(a + b, span)
    if operator == "*" and isinstance(b, tuple):
        a, b = b, a
    if operator == "*" and isinstance(a, tuple) and isinstance(b, int) and not isinstance(b, bool):
        _check_length(len(a) * b, span)
        return _bounded(a * b, span)
    for v in (a, b):
        if isinstance(v, bool) or not isinstance(v, (int, float, Sym)):
            raise Fault("wrong-type", f"`{operator}` needs numbers, found {show(v)}", span)
    try:
        return _bounded(_compute(operator, a, b), span)
    except OverflowError:
        raise Fault("number-too-large", f"{show(a)} {operator} {show(b)} is beyond 2^63", span) from None
    except ZeroDivisionError:
        raise Fault("division-by-zero", f"division by zero: {show(a)} {operator} {show(b)}", span) from None
    except FormulaTooLong:
        raise _too_long(span) from None
    except (ArithmeticError, TypeError):
        advice = "`//` divides and rounds down" if operator == "/" else "a negative number has whole powers alone" if operator == "**" else None
        raise Fault("bad-arithmetic", f"cannot compute {show(a)} {operator} {show(b)}", span, help=advice) from None


def _too_long(span: Span) -> Fault:
    return Fault("formula-too-long", f"`{_clipped(span)}` would be a formula of over {MAX_TERMS:,} parts", span, help="write a number for the open sizes in the `input`")


def _compute(operator: str, a: Any, b: Any) -> Any:
    match operator:
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case "//":
            return a // b
        case "%":
            return a % b
        case "**":
            return _power(a, b)
    if isinstance(a, Sym):
        rest = a % b
        if rest != 0:
            raise ArithmeticError
        return a // b
    return a // b if isinstance(a, int) and isinstance(b, int) and a % b == 0 else a / b


def _power(a: Any, b: Any) -> Any:
    if isinstance(a, Sym) or isinstance(b, Sym) or abs(b) > 128 or (isinstance(a, int) and isinstance(b, int) and abs(a) > 1 and b * a.bit_length() > 192):
        raise OverflowError
    value = a**b
    if isinstance(value, complex):
        raise ArithmeticError
    return value


def _bounded(value: Any, span: Span) -> Any:
    if isinstance(value, int) and abs(value) >= MAX_INTEGER:
        raise Fault("number-too-large", f"`{_clipped(span)}` is beyond 2^63", span, help="integers end there; a float goes further")
    if isinstance(value, Sym):
        if value.length > MAX_SYMBOLS:
            raise _too_long(span)
        if any(abs(c) >= MAX_INTEGER for c in value.terms.values()):
            raise Fault("number-too-large", f"a factor of `{_clipped(span)}` is beyond 2^63", span)
    if isinstance(value, float) and not math.isfinite(value):
        raise Fault("number-too-large", f"`{_clipped(span)}` is beyond 1.8e308, the largest float", span)
    if isinstance(value, str):
        _check_length(len(value), span)
    if isinstance(value, tuple):
        _check_length(_elements(value, {}), span)
    return value


def _clipped(span: Span) -> str:
    return span.text if len(span.text) <= 40 else f"{span.text[:40]}..."


def _elements(value: tuple[Any, ...], known: dict[int, int]) -> int:
    """Elements of a list and of the lists in it; one that occurs often is looked through once."""
    total = len(value)
    for item in value:
        if isinstance(item, tuple):
            if id(item) not in known:
                known[id(item)] = _elements(item, known)
            total += known[id(item)]
    return total


def _check_length(length: int, span: Span) -> None:
    if length > limit("list_length"):
        raise Fault("list-too-long", f"a list of {length:,} elements", span, help=raise_help("list_length"))


def _index(expr: ast.Index, env: Env) -> Any:
    value, index = evaluate(expr.value, env), evaluate(expr.index, env)
    if value is UNKNOWN or index is UNKNOWN:
        return UNKNOWN
    if not isinstance(value, tuple) or isinstance(index, bool) or not isinstance(index, int):
        raise Fault("wrong-type", f"cannot take element {show(index)} of {show(value)}", expr.span, help="an integer in brackets takes an element of a list")
    if not -len(value) <= index < len(value):
        raise Fault("index-out-of-range", f"element {index} of a list of {len(value)}", expr.index.span, help=f"elements are counted from 0 to {len(value) - 1}")
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
    "min": "min(a, b, ...)` or `min(list)", "max": "max(a, b, ...)` or `max(list)", "ceil": "ceil(a)", "floor": "floor(a)", "round": "round(a, digits = 0)",
    "len": "len(list)", "range": "range(n)` or `range(a, b, step = 1)", "enumerate": "enumerate(list, start = 0)", "sum": "sum(list)", "abs": "abs(a)",
    "sqrt": "sqrt(a)` with `a` of at least 0, as in `sqrt(4)",
}  # fmt: skip

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
        raise Fault("unknown-function", f"there is no function `{expr.name}`", expr.span, help=did_you_mean(expr.name, _FUNCTIONS) or "the functions are " + ", ".join(function_names()))
    positional = [evaluate(a.value, env) for a in expr.arguments if a.name is None]
    keywords = {a.name: evaluate(a.value, env) for a in expr.arguments if a.name is not None}
    if len(positional) + len(keywords) < len(expr.arguments):
        raise Fault("duplicate-argument", f"`{expr.name}` is given an argument twice", expr.span, help=f"it is written `{_USAGE[expr.name]}`")
    if any(v is UNKNOWN for v in (*positional, *keywords.values())):
        return UNKNOWN
    for value in positional:
        _work(value, env, expr.span)
    if expr.name == "range" and all(isinstance(v, int) for v in positional) and 1 <= len(positional) <= 3 and 0 not in positional[2:]:
        _check_length(len(range(*positional)), expr.span)
    try:
        made = _bounded(function(*positional, **keywords), expr.span)
    except (TypeError, ValueError, LookupError, ArithmeticError):
        given = ", ".join(show(v) for v in positional)
        raise Fault("bad-argument", f"`{expr.name}` cannot take ({given})", expr.span, help=f"it is written `{_USAGE[expr.name]}`") from None
    _work(made, env, expr.span)
    return made


def function_names() -> list[str]:
    """The functions of expressions."""
    return sorted(_FUNCTIONS)
