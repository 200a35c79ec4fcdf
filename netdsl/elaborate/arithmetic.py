"""Operators on values.

Integers must be below 2^63, lists must not exceed their limit, and formulas of open sizes must be
short. Everything else raises `NetdslError`.
"""

from __future__ import annotations

import math
import re
from operator import add, eq, ge, gt, le, lt, mul, ne, sub
from typing import TYPE_CHECKING, Any

from netdsl.errors import NetdslError
from netdsl.ir.types import MAX_SYMBOLS, MAX_TERMS, FormulaTooLong, Sym
from netdsl.limits import MAX_FORMULA, limit, raise_help
from netdsl.ops.args import clipped, show
from netdsl.words import listed

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.source import Span

MAX_INTEGER = 2**63
_TYPE_NAMES = (
    (bool, "a boolean"),
    (int, "an integer"),
    (float, "a number"),
    (str, "a string"),
    (tuple, "a list"),
    (Sym, "an open size"),
)


def type_name(value: object) -> str:
    """The word for a value's type, such as "an integer"."""
    for cls, name in _TYPE_NAMES:
        if isinstance(value, cls):
            return name
    return str(getattr(value, "type_word", "a value"))


COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": eq,
    "!=": ne,
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
}
# What needs no check of its operands if both are integers.
INTEGER_OPERATORS: dict[str, Callable[[int, int], int]] = {
    **COMPARE,
    "+": add,
    "-": sub,
    "*": mul,
}


def compare(operator: str, a: object, b: object, span: Span) -> bool:
    """The value of `a == b`, `a < b` and so on; raises `NetdslError`.

    Open sizes are equal only if they are equal for every input.
    """
    if operator in ("==", "!="):
        if isinstance(a, bool) != isinstance(b, bool):
            return operator == "!="
        return COMPARE[operator](_single(a, b), _single(b, a))
    if (isinstance(a, Sym) or isinstance(b, Sym)) and _is_number(a) and _is_number(b):
        return _compare_open(operator, a, b, span)
    try:
        if not isinstance(a, bool) and not isinstance(b, bool):
            return COMPARE[operator](a, b)
    except TypeError:
        pass
    message = f"cannot compare {_typed(a)} with {_typed(b).removesuffix(',')}"
    raise NetdslError("wrong-type", message, span)


def _single(value: object, other: object) -> object:
    """The element of a one-element list, if it is compared with something that is not a list."""
    if isinstance(value, tuple) and len(value) == 1 and not isinstance(other, tuple):
        return value[0]
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, Sym)) and not isinstance(value, bool)


def _compare_open(operator: str, a: Any, b: Any, span: Span) -> bool:
    """Compare two numbers, at least one of them an open size."""
    difference = None
    if not isinstance(a, float) and not isinstance(b, float):
        difference = a - b
    if not isinstance(difference, int):
        raise NetdslError(
            "open-size",
            f"whether {a} {operator} {b} is true depends on the input's size",
            span,
            help="write a number for the size in the `input`, or compare another size",
        )
    return COMPARE[operator](difference, 0)


def _typed(value: object) -> str:
    """A value with its type, such as `3, an integer,`."""
    if isinstance(value, Sym):
        return show(value)
    return f"{show(value)}, {type_name(value)},"


def _for_each(operator: str, span: Span) -> str:
    """Advice for `1.5 * [32, 64]`."""
    product = re.fullmatch(r"([\w.]+) *\* *(\[[^\[\]]*\]|[a-z_]\w*)", span.text)
    written = f"[n {operator} ... for n in list]"
    if product is not None:
        written = f"[{product[1]} * n for n in {product[2]}]"
    return f"for each element, write `{written}`"


def arithmetic(operator: str, a: Any, b: Any, span: Span) -> object:
    """The value of `a + b`, `a * b` and so on; raises `NetdslError`."""
    if operator == "+" and type(a) is type(b) and isinstance(a, (tuple, str)):
        return bounded(a + b, span)
    if operator == "*" and isinstance(b, tuple):
        a, b = b, a
    if operator == "*" and isinstance(a, tuple) and isinstance(b, int) and not isinstance(b, bool):
        check_length(len(a) * b, span)
        return bounded(a * b, span)
    for value in (a, b):
        if isinstance(value, bool) or not isinstance(value, (int, float, Sym)):
            message = f"`{operator}` needs numbers, found {show(value)}"
            help_ = None
            if isinstance(a, tuple) and isinstance(b, tuple):
                help_ = f"for each pair, write `[a[i] {operator} b[i] for i in range(len(a))]`"
            elif isinstance(value, tuple) and operator in "*/":
                help_ = _for_each(operator, span)
            raise NetdslError("wrong-type", message, span, help=help_)
    try:
        return bounded(_compute(operator, a, b), span)
    except ArithmeticError as error:
        raise _arithmetic_fault(error, operator, a, b, span) from None
    except TypeError:
        raise _cannot_compute(operator, a, b, span) from None


def _arithmetic_fault(
    error: ArithmeticError, operator: str, a: object, b: object, span: Span
) -> NetdslError:
    text = f"{show(a)} {operator} {show(b)}"
    if isinstance(error, OverflowError):
        most = "2^63"
        if isinstance(a, float) or isinstance(b, float):
            most = "1.8e308, the largest float"
        return NetdslError("number-too-large", f"{text} is beyond {most}", span)
    if isinstance(error, ZeroDivisionError):
        return NetdslError("division-by-zero", f"division by zero: {text}", span)
    if isinstance(error, FormulaTooLong):
        return _too_long(span)
    return _cannot_compute(operator, a, b, span)


def _cannot_compute(operator: str, a: object, b: object, span: Span) -> NetdslError:
    message = f"cannot compute {_operand(a)} {operator} {_operand(b)}"
    open_sizes = sorted({name for x in (a, b) if isinstance(x, Sym) for name in x.symbols()})
    if len(open_sizes) == 1:
        message += f", because {open_sizes[0]} is an open size"
    elif open_sizes:
        message += f", because {listed(open_sizes)} are open sizes"
    return NetdslError("bad-arithmetic", message, span, help=_way_out(operator, a, b))


def _operand(value: object) -> str:
    """A value in a formula; a sum of open sizes is in parentheses."""
    if not isinstance(value, Sym):
        return show(value)
    text = clipped(value)
    return f"({text})" if " " in text else text


def _way_out(operator: str, a: object, b: object) -> str | None:
    """Advice for numbers that an operator does not take."""
    if not isinstance(a, Sym) and not isinstance(b, Sym):
        return "a negative number can only have whole-number powers" if operator == "**" else None
    if operator in ("**", "/", "//", "%") and isinstance(b, Sym):
        return "write a number for the open size in the `input`"
    if operator in ("//", "%"):
        return "an open size can only be divided by a whole number above 0"
    if operator == "**":
        return "an open size can only have whole-number powers"
    return "an open size is an integer: `//` divides it and rounds down"


def _too_long(span: Span) -> NetdslError:
    return NetdslError(
        "formula-too-long",
        f"`{span.brief}` would be a formula of more than {MAX_TERMS:,} parts",
        span,
        help="write a number for the open sizes in the `input`",
    )


def _compute(operator: str, a: Any, b: Any) -> object:
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
    return _divide(a, b)


def _divide(a: Any, b: Any) -> object:
    """`a / b`: an integer if both are integers and there is no remainder, otherwise a float.

    An open size cannot become a float, so a remainder is an `ArithmeticError`.
    """
    if isinstance(a, Sym):
        if a % b != 0:
            raise ArithmeticError
        return a // b
    if isinstance(a, int) and isinstance(b, int) and a % b == 0:
        return a // b
    return a / b


def _power(a: Any, b: Any) -> object:
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


def bounded(value: object, span: Span) -> object:
    """The value itself; raises `NetdslError` if it is too large."""
    if isinstance(value, int):
        if abs(value) < MAX_INTEGER:
            return value
        raise NetdslError(
            "number-too-large",
            f"`{span.brief}` is beyond 2^63",
            span,
            help="that is the limit of integers; a float can be larger",
        )
    if isinstance(value, Sym):
        _check_formula(value, span)
    if isinstance(value, float) and not math.isfinite(value):
        raise NetdslError(
            "number-too-large", f"`{span.brief}` is beyond 1.8e308, the largest float", span
        )
    if isinstance(value, str):
        check_length(len(value), span)
    if isinstance(value, tuple):
        check_length(_count_elements(value, {}), span)
    return value


def _check_formula(formula: Sym, span: Span) -> None:
    if formula.length > MAX_SYMBOLS:
        raise _too_long(span)
    if any(abs(factor) >= MAX_INTEGER for factor in formula.terms.values()):
        message = f"a factor of `{span.brief}` is beyond 2^63"
        raise NetdslError("number-too-large", message, span)


def _count_elements(value: tuple[object, ...], known: dict[int, int]) -> int:
    """The elements of a list and of the lists inside it.

    `known` has the counts of inner lists by their `id`, so that each is counted only once.
    """
    total = len(value)
    for element in value:
        if isinstance(element, tuple):
            if id(element) not in known:
                known[id(element)] = _count_elements(element, known)
            total += known[id(element)]
    return total


def check_length(length: int, span: Span) -> None:
    """Raise `NetdslError` for a list that is too long."""
    if length > limit("list_length"):
        raise NetdslError(
            "list-too-long",
            f"a list of {length:,} elements is too long",
            span,
            help=raise_help("list_length"),
        )
