"""The functions of expressions: `min`, `range`, `len` and so on."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from netdsl.diagnostics import Edit
from netdsl.elaborate.arithmetic import bounded, check_length
from netdsl.errors import NetdslError
from netdsl.ir.graph import Value
from netdsl.ir.types import Sym
from netdsl.ops.args import show
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Callable


def _range(first: int, last: int | None = None, /, step: int = 1) -> tuple[int, ...]:
    if last is None:
        first, last = 0, first
    return tuple(range(first, last, step))


def _enumerate(values: tuple[object, ...], start: int = 0) -> tuple[tuple[int, object], ...]:
    return tuple(enumerate(values, start))


def _round(value: float, digits: int = 0) -> float:
    return round(value, digits) if digits else round(value)


# These take no keywords, unlike Python's.
def _least(*values: Any) -> object:
    return min(*values)


def _largest(*values: Any) -> object:
    return max(*values)


def _sum(values: Any, /) -> object:
    return sum(values)


def _product(values: Any, /) -> object:
    return math.prod(values)


USAGE = {
    "min": "min(a, b, ...)` or `min(list)",
    "max": "max(a, b, ...)` or `max(list)",
    "ceil": "ceil(a)",
    "floor": "floor(a)",
    "round": "round(a, digits = 0)",
    "len": "len(list)",
    "range": "range(n)` or `range(a, b, step = 1)",
    "enumerate": "enumerate(list, start = 0)",
    "sum": "sum(list)",
    "prod": "prod(list)",
    "abs": "abs(a)",
    "sqrt": "sqrt(a)` where `a` is at least 0, as in `sqrt(4)",
    "exp": "exp(a)",
    "log": "log(a)` or `log(a, base)` where `a` is above 0, as in `log(8, 2)",
    "sin": "sin(a)",
    "cos": "cos(a)",
    "tanh": "tanh(a)",
}

LONGEST_LIST = 40  # characters of lists in a message
KEYWORDS = {"round": "digits", "range": "step", "enumerate": "start"}
OF_LISTS = ("len", "enumerate", "sum", "prod")

FUNCTIONS: dict[str, Callable[..., object]] = {
    "min": _least,
    "max": _largest,
    "ceil": math.ceil,
    "floor": math.floor,
    "round": _round,
    "len": len,
    "range": _range,
    "enumerate": _enumerate,
    "sum": _sum,
    "prod": _product,
    "abs": abs,
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
    "sin": math.sin,
    "cos": math.cos,
    "tanh": math.tanh,
}


def function_names() -> list[str]:
    """The functions of expressions, sorted."""
    return sorted(FUNCTIONS)


def call_function(
    expr: ast.Function, positional: list[object], keywords: dict[str, object]
) -> object:
    """The value of a function of the language, such as `min(a, b)`; raises `NetdslError`."""
    if expr.name == "range":
        _check_range(positional, keywords.get("step", 1), expr.span)
    try:
        return bounded(FUNCTIONS[expr.name](*positional, **keywords), expr.span)
    except (TypeError, ValueError, LookupError, ArithmeticError):
        raise _bad_argument(expr, positional) from None


def _check_range(positional: list[object], step: object, span: Span) -> None:
    """Refuse a range that is too long before it is made."""
    if len(positional) == 1:
        positional = [0, *positional]
    bounds = [*positional, step][:3]
    integers = [bound for bound in bounds if isinstance(bound, int)]
    if len(integers) == len(bounds) and len(bounds) == 3 and bounds[2] != 0:
        check_length(len(range(*integers)), span)


def _bad_argument(expr: ast.Function, positional: list[object]) -> NetdslError:
    """The error of a function that does not take these values."""
    named = [a.name for a in expr.arguments if a.name not in (None, KEYWORDS.get(expr.name))]
    if not positional:
        return _without_values(expr)
    if named:
        message = f"`{expr.name}` has no argument `{named[0]}`"
        help_ = f"write `{USAGE[expr.name]}`"
        return NetdslError("unknown-argument", message, expr.span, help=help_)
    if any(map(_is_open, positional)):
        help_ = "write a number for the size in the `input`; `+ - * // %` work on open sizes"
        message = f"`{expr.span.brief}` depends on the input's size"
        return NetdslError("open-size", message, expr.span, help=help_)
    named_values = [a.span.text for a in expr.arguments if a.name is not None]
    given = ", ".join([*map(show, positional), *named_values])
    if expr.name == "sum" and len(expr.arguments) == 1 and _has_tensor(positional[0]):
        return _sum_of_tensors(expr)
    help_ = f"write `{USAGE[expr.name]}`"
    for argument, value in zip(expr.arguments, positional, strict=False):
        word = getattr(value, "type_word", None)
        if word in ("a block", "a layer") and isinstance(argument.value, ast.Name):
            fact = f"`{argument.value.id}` is {word}, `{show(value)}`"
            help_ = f"{fact}: are the values in the order of the parameters?"
        elif word in ("a block", "a layer"):
            layer = argument.value.span.text
            written = expr.span.text.replace(layer, "@g")
            help_ = f"give the layer a line above, `g: {layer}`, and write `{written}`"
    message = f"`{expr.name}` cannot take ({given})"
    if expr.name == "sum" and _has_list(positional[0]):
        return _sum_of_lists(expr, message)
    if expr.name in OF_LISTS and positional and not isinstance(positional[0], tuple):
        message = f"`{expr.name}` needs a list, found {show(positional[0])}"
    return NetdslError("bad-argument", message, expr.span, help=help_)


def _sum_of_lists(expr: ast.Function, message: str) -> NetdslError:
    """The error of `sum([[1, 2], [3]])`, with which Python joins lists."""
    error = NetdslError("bad-argument", message, expr.span)
    lists = expr.arguments[0].value
    text = lists.span.text
    if isinstance(lists, ast.Sequence) and len(text) <= LONGEST_LIST:
        written = " + ".join(item.span.text for item in lists.items)
        error.diagnostic.help = f"`+` joins lists: write `{written}`"
        text, start, end = expr.span.file.text, expr.span.start, expr.span.end
        is_whole = re.search(r"[=(,]\s*$", text[:start]) and re.match(r"\s*[\n),]", text[end:])
        if is_whole and len(lists.items) > 1:
            error.diagnostic.fix = (Edit(expr.span, written),)
        return error
    if len(text) > LONGEST_LIST:
        text = "lists"
    loop = f"for part in {text} with whole = [] {{ next whole = whole + part }}"
    help_ = f"`+` joins two lists; to join many, write `{loop}`, and then `whole`"
    error.diagnostic.help = help_
    return error


def _without_values(expr: ast.Function) -> NetdslError:
    """The error of a function whose values are missing, or have names: `sum(x = [1, 2])`."""
    help_ = f"write `{USAGE[expr.name]}`"
    values = ", ".join(argument.value.span.text for argument in expr.arguments)
    if not values:
        return NetdslError("bad-argument", f"`{expr.name}` has no values", expr.span, help=help_)
    message = f"the values of `{expr.name}` have no names"
    return NetdslError("bad-argument", message, expr.span, help=f"write `{expr.name}({values})`")


def _has_tensor(value: object) -> bool:
    return isinstance(value, tuple) and any(isinstance(element, Value) for element in value)


def _has_list(value: object) -> bool:
    return isinstance(value, tuple) and any(isinstance(element, tuple) for element in value)


def _sum_of_tensors(expr: ast.Function) -> NetdslError:
    """The error of `sum([@a, @b])`, whose fix is `add([@a, @b])` if it is a whole formula."""
    written = f"add({expr.arguments[0].span.text})"
    message = "`sum` adds numbers, found tensors"
    span = expr.span
    error = NetdslError(
        "bad-argument", message, span, help=f"write `{written}`, without parentheses"
    )
    text = span.file.text
    if text[: span.start].endswith("(") and text.startswith(")", span.end):
        error.diagnostic.fix = (Edit(Span(span.file, span.start - 1, span.end + 1), written),)
    else:
        error.diagnostic.help = f"write it as a layer, `y: {written}`, and `@y` in the formula"
    return error


def _is_open(value: object) -> bool:
    """Whether a value is an open size or a list with one."""
    if isinstance(value, tuple):
        return any(isinstance(element, Sym) for element in value)
    return isinstance(value, Sym)
