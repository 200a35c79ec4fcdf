"""Operators on values: integers stay below 2^63, lists below the limit, formulas of open sizes
short; anything else is a `NetdslError`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from netdsl.errors import NetdslError
from netdsl.ir.types import MAX_SYMBOLS, MAX_TERMS, FormulaTooLong, Sym
from netdsl.limits import MAX_FORMULA, limit, raise_help
from netdsl.ops.args import show

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.source import Span

MAX_INTEGER = 2**63


def type_name(value: object) -> str:
    """The word for a value's type."""
    for cls, name in (
        (bool, "a truth value"),
        (int, "an integer"),
        (float, "a number"),
        (str, "a word"),
        (tuple, "a list"),
        (Sym, "an open size"),
    ):
        if isinstance(value, cls):
            return name
    return getattr(value, "type_word", "a value")


COMPARE: dict[str, Callable[[Any, Any], bool]] = {
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
        a, b = (
            v[0] if isinstance(v, tuple) and len(v) == 1 and not isinstance(w, tuple) else v
            for v, w in ((a, b), (b, a))
        )
        return COMPARE[operator](a, b)
    if (isinstance(a, Sym) or isinstance(b, Sym)) and all(
        isinstance(v, (int, float, Sym)) and not isinstance(v, bool) for v in (a, b)
    ):
        difference = None if isinstance(a, float) or isinstance(b, float) else a - b
        if not isinstance(difference, int):
            raise NetdslError(
                "open-size",
                f"whether {a} {operator} {b} depends on the input's size",
                span,
                help="write a number for it in the `input`, or compare another size",
            )
        return COMPARE[operator](difference, 0)
    try:
        return COMPARE[operator](a, b)
    except TypeError:
        raise NetdslError(
            "wrong-type", f"cannot compare {_told(a)} with {_told(b).removesuffix(',')}", span
        ) from None


def _told(value: Any) -> str:
    return show(value) if isinstance(value, Sym) else f"{show(value)}, {type_name(value)},"


def arithmetic(operator: str, a: Any, b: Any, span: Span) -> Any:
    """What `a + b` and its kin give; raises `NetdslError`."""
    if operator == "+" and type(a) is type(b) and isinstance(a, (tuple, str)):
        return bounded(a + b, span)
    if operator == "*" and isinstance(b, tuple):
        a, b = b, a
    if operator == "*" and isinstance(a, tuple) and isinstance(b, int) and not isinstance(b, bool):
        check_length(len(a) * b, span)
        return bounded(a * b, span)
    for v in (a, b):
        if isinstance(v, bool) or not isinstance(v, (int, float, Sym)):
            raise NetdslError("wrong-type", f"`{operator}` needs numbers, found {show(v)}", span)
    try:
        return bounded(_compute(operator, a, b), span)
    except OverflowError:
        most = (
            "1.8e308, the largest float" if isinstance(a, float) or isinstance(b, float) else "2^63"
        )
        raise NetdslError(
            "number-too-large", f"{show(a)} {operator} {show(b)} is beyond {most}", span
        ) from None
    except ZeroDivisionError:
        raise NetdslError(
            "division-by-zero", f"division by zero: {show(a)} {operator} {show(b)}", span
        ) from None
    except FormulaTooLong:
        raise _too_long(span) from None
    except (ArithmeticError, TypeError):
        raise NetdslError(
            "bad-arithmetic",
            f"cannot compute {show(a)} {operator} {show(b)}",
            span,
            help=_way_out(operator, a, b),
        ) from None


def _way_out(operator: str, a: Any, b: Any) -> str | None:
    """Advice for numbers that an operator does not take."""
    if isinstance(a, Sym) or isinstance(b, Sym):
        if operator in ("**", "/", "//", "%") and isinstance(b, Sym):
            return "write a number for the open size in the `input`"
        if operator in ("//", "%"):
            return "an open size is divided by a whole number above 0"
        return (
            "an open size has whole powers alone"
            if operator == "**"
            else "an open size stays whole: `//` divides it and rounds down"
        )
    return "a negative number has whole powers alone" if operator == "**" else None


def _too_long(span: Span) -> NetdslError:
    return NetdslError(
        "formula-too-long",
        f"`{clipped(span)}` would be a formula of over {MAX_TERMS:,} parts",
        span,
        help="write a number for the open sizes in the `input`",
    )


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
    if isinstance(a, Sym) or isinstance(b, Sym):
        if type(b) is not int or b < 0:
            raise ArithmeticError
        if b > MAX_FORMULA:
            raise FormulaTooLong
        return math.prod([a] * b)
    if isinstance(a, int) and isinstance(b, int) and abs(a) > 1 and b * (a.bit_length() - 1) >= 63:
        raise OverflowError
    value = a**b
    if isinstance(value, complex):
        raise ArithmeticError
    return value


def bounded(value: Any, span: Span) -> Any:
    """The value, where it is none too large; raises `NetdslError`."""
    if isinstance(value, int) and abs(value) >= MAX_INTEGER:
        raise NetdslError(
            "number-too-large",
            f"`{clipped(span)}` is beyond 2^63",
            span,
            help="integers end there; a float goes further",
        )
    if isinstance(value, Sym):
        if value.length > MAX_SYMBOLS:
            raise _too_long(span)
        if any(abs(c) >= MAX_INTEGER for c in value.terms.values()):
            raise NetdslError(
                "number-too-large", f"a factor of `{clipped(span)}` is beyond 2^63", span
            )
    if isinstance(value, float) and not math.isfinite(value):
        raise NetdslError(
            "number-too-large", f"`{clipped(span)}` is beyond 1.8e308, the largest float", span
        )
    if isinstance(value, str):
        check_length(len(value), span)
    if isinstance(value, tuple):
        check_length(_elements(value, {}), span)
    return value


def clipped(span: Span) -> str:
    """The text of an expression for a message."""
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


def check_length(length: int, span: Span) -> None:
    """Refuse a list that is too long."""
    if length > limit("list_length"):
        raise NetdslError(
            "list-too-long", f"a list of {length:,} elements", span, help=raise_help("list_length")
        )
