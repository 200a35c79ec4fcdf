"""Expressions: a value for each, or a `NetdslError` at its place.

Integers must be below 2^63, and lists must not exceed their limit.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Protocol

from netdsl.diagnostics import Annotation, Edit, did_you_mean, respelled
from netdsl.elaborate import lists
from netdsl.elaborate.arithmetic import COMPARE, INTEGER_OPERATORS, arithmetic, bounded, compare
from netdsl.elaborate.conditions import check_kinds, check_operands, truth
from netdsl.elaborate.expression_fixes import operation_fix
from netdsl.elaborate.functions import FUNCTIONS, USAGE, call_function, function_names
from netdsl.elaborate.meter import ELEMENTS
from netdsl.elaborate.names_with_x import refuse_names_with_x
from netdsl.errors import NetdslError
from netdsl.ir.graph import Value
from netdsl.ir.types import Sym
from netdsl.ops.args import show
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.elaborate.meter import Meter

_HEXADECIMAL = re.compile(r"0x[0-9a-f]+")


class Unknown:
    """A value that depends on something with an error. It causes no second error."""

    def __repr__(self) -> str:
        return "unknown"


UNKNOWN = Unknown()


class Clash:
    """A name to which two imported files give different meanings. Using it is an error."""

    __slots__ = ("first", "name", "second")

    def __init__(self, name: str, first: Span, second: Span) -> None:
        self.name = name
        self.first = first
        self.second = second

    def fault(self, span: Span | None) -> NetdslError:
        """The error of a use of the name at `span`."""
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
            help=f"define `{self.name}` in this file, which takes precedence, or import only one of"
            " the two",
        )


class Surroundings(Protocol):
    """The net in which expressions are evaluated."""

    def special(self, expr: ast.Expr, env: Env) -> object:
        """The value of an expression that depends on the net; raises `NetdslError`.

        Such are `@label`, `in.channels`, and names and functions that `evaluate` does not know.
        """

    def operate(self, operator: str, a: object, b: object, span: Span) -> object:
        """The value of an operator, at least one of whose operands is a tensor."""


class KnownValue(ast.Expr):
    """An expression whose value is known already."""

    value: object


CURRENT = "@"  # the current value
INPUT = "in"  # the input of the block
_NO_NAMES = frozenset((CURRENT, INPUT))


class Env:
    """Names and their values: one frame for each block call and loop body.

    A frame inherits `net` and `meter` from its parent.
    """

    __slots__ = ("meter", "net", "parent", "values")

    def __init__(
        self,
        parent: Env | None = None,
        net: Surroundings | None = None,
        meter: Meter | None = None,
    ) -> None:
        if parent is not None:
            net = net or parent.net
            meter = meter or parent.meter
        self.parent = parent
        self.values: dict[str, object] = {}
        self.net: Surroundings | None = net
        self.meter: Meter | None = meter

    def find(self, name: str, span: Span | None = None) -> tuple[bool, object]:
        """Whether the name is known, and its value.

        Raises `NetdslError` at `span` if two imports give it different meanings.
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

    def kept(self) -> Env:
        """The names and values as they are now: a later `let` in the same body changes nothing."""
        if CURRENT not in self.values:  # the file, or the parameters of the net
            return self
        copy = Env(self.parent and self.parent.kept(), self.net, self.meter)
        copy.values = dict(self.values)
        return copy

    def names(self) -> list[str]:
        """Every name that has a value here."""
        names = [name for name in self.values if name not in _NO_NAMES]
        if self.parent is not None:
            names += self.parent.names()
        return names


def evaluate(expr: ast.Expr, env: Env) -> object:
    """The value of an expression; raises `NetdslError`."""
    rule = _RULES.get(type(expr))
    if rule is not None:
        return rule(expr, env)
    if env.net is not None:
        return env.net.special(expr, env)
    raise NetdslError("not-a-value", f"`{expr.span.text}` has no value here", expr.span)


def name_span(expr: ast.Function) -> Span:
    """The place of a function's name."""
    start = expr.span.start
    return Span(expr.span.file, start, start + len(expr.name))


def _known(expr: ast.Literal | KnownValue, _env: Env) -> object:
    return expr.value


def _name(expr: ast.Name, env: Env) -> object:
    known, value = env.find(expr.id, expr.span)
    if known:
        return value
    if isinstance(expr, ast.NameOrDims) and (
        expr.reads_as_sizes or all(isinstance(p, int) or env.find(p)[0] for p in expr.parts)
    ):
        return _sizes(expr, env)
    if env.net is not None:
        return env.net.special(expr, env)
    raise NetdslError(
        "unknown-name",
        f"there is no `{expr.id}`",
        expr.span,
        help=did_you_mean(expr.id, env.names())
        or "a `let` at the top of a file can use layers, blocks and the `let`s above it, but no"
        " parameters",
        fix=respelled(expr.span, expr.id, env.names()),
    )


def _sequence(expr: ast.Sequence, env: Env) -> object:
    items = tuple(evaluate(item, env) for item in expr.items)
    _charge_length(items, env, expr.span)
    if any(item is UNKNOWN for item in items):
        return UNKNOWN
    return bounded(items, expr.span)


def _sizes(expr: ast.DimsLiteral | ast.NameOrDims, env: Env) -> object:
    sizes = tuple(p if isinstance(p, int) else _named_size(p, expr, env) for p in expr.parts)
    return UNKNOWN if UNKNOWN in sizes else sizes


def _named_size(name: str, expr: ast.Expr, env: Env) -> object:
    known, value = env.find(name, expr.span)
    if known:
        return value
    refuse_names_with_x(expr.span, env.names().__contains__)
    advice = did_you_mean(name, env.names())
    fix: tuple[Edit, ...] = ()
    if advice is None and _HEXADECIMAL.fullmatch(expr.span.text):
        number = str(int(expr.span.text, 16))
        advice = f"write numbers in decimal: `{number}`"
        fix = (Edit(expr.span, number),)
    raise NetdslError(
        "unknown-name",
        f"there is no size `{name}`",
        expr.span,
        help=advice or "open sizes are declared in an `input`",
        fix=fix,
    )


def _conditional(expr: ast.Conditional, env: Env) -> object:
    condition = evaluate(expr.condition, env)
    if condition is UNKNOWN:
        return UNKNOWN
    if truth(condition, expr.condition.span):
        return evaluate(expr.value, env)
    return evaluate(expr.otherwise, env)


def _unary(expr: ast.Unary, env: Env) -> object:
    value = evaluate(expr.operand, env)
    if value is UNKNOWN:
        return UNKNOWN
    if expr.operator == "not":
        return not truth(value, expr.operand.span)
    if isinstance(value, Value) and env.net is not None:
        return env.net.operate("*", value, -1, expr.span)
    if isinstance(value, bool) or not isinstance(value, (int, float, Sym)):
        raise NetdslError("wrong-type", f"`-` needs a number, found {show(value)}", expr.span)
    return -value


def _operation(expr: ast.Operation, env: Env) -> object:
    if expr.rest[0][0] in ("and", "or"):
        return _connective(expr, env)
    value = evaluate(expr.first, env)
    for operator, operand in expr.rest:
        other = evaluate(operand, env)
        if type(value) is int and type(other) is int and operator in INTEGER_OPERATORS:
            value = bounded(INTEGER_OPERATORS[operator](value, other), expr.span)
            continue
        if value is UNKNOWN or other is UNKNOWN:
            value = UNKNOWN
            continue
        if env.net is not None and (isinstance(value, Value) or isinstance(other, Value)):
            place = Span(expr.span.file, expr.span.start, operand.span.end)
            value = env.net.operate(operator, value, other, place)
            continue
        _charge_length(value, env, expr.span)
        if operator in COMPARE:
            if operator in ("==", "!=") and isinstance(value, bool) != isinstance(other, bool):
                check_kinds(expr, operator, value, other)
            value = compare(operator, value, other, expr.span)
            continue
        try:
            value = arithmetic(operator, value, other, expr.span)
        except NetdslError as error:
            is_open = isinstance(value, Sym)
            error.diagnostic.fix = operation_fix(expr, operator, operand, is_open=is_open)
            raise
        _charge_length(value, env, expr.span)
    return value


def _connective(expr: ast.Operation, env: Env) -> object:
    """`a and b and c` or `a or b or c`, evaluated until the result is certain."""
    check_operands(expr)
    value = evaluate(expr.first, env)
    span = expr.first.span
    for operator, operand in expr.rest:
        if value is UNKNOWN or truth(value, span) is (operator == "or"):
            return value
        value, span = evaluate(operand, env), operand.span
    if value is not UNKNOWN:
        truth(value, span)
    return value


def _given(
    expr: ast.Function, positional: list[object], keywords: dict[str, object]
) -> ast.Function:
    """The function with the values of its arguments, which are then not evaluated again."""
    values = [*positional, *keywords.values()]
    arguments = sorted(expr.arguments, key=lambda argument: argument.name is not None)
    return ast.Function(
        expr.span,
        expr.name,
        tuple(
            ast.Argument(a.name, KnownValue(a.value.span, value), a.span)
            for a, value in zip(arguments, values, strict=True)
        ),
    )


def _charge_length(value: object, env: Env, span: Span) -> None:
    """Charge steps for a long list or string, by its length."""
    if env.meter is not None and isinstance(value, (tuple, str)) and len(value) >= ELEMENTS:
        env.meter.charge(len(value) // ELEMENTS, span)


def _index(expr: ast.Index, env: Env) -> object:
    value, index = evaluate(expr.value, env), evaluate(expr.index, env)
    if value is UNKNOWN or index is UNKNOWN:
        return UNKNOWN
    return lists.element(expr, value, index)


def _slice(expr: ast.ListPart, env: Env) -> object:
    value = evaluate(expr.value, env)
    ends = [None if end is None else evaluate(end, env) for end in (expr.start, expr.end)]
    if value is UNKNOWN or any(end is UNKNOWN for end in ends):
        return UNKNOWN
    return lists.part(expr, value, *ends)


def _comprehension(expr: ast.Comprehension, env: Env) -> object:
    values = evaluate(expr.values, env)
    if values is UNKNOWN:
        return UNKNOWN
    items: list[object] = []
    for element in lists.elements(expr.targets, values, expr.values, expr.span):
        if env.meter is not None:
            env.meter.charge(1, expr.span)
        frame = Env(env)
        frame.values.update(lists.unpacked(expr.targets, element, expr.values))
        if expr.condition is not None:
            condition = evaluate(expr.condition, frame)
            if condition is UNKNOWN:
                return UNKNOWN
            if not truth(condition, expr.condition.span):
                continue
        items.append(evaluate(expr.item, frame))
    if any(item is UNKNOWN for item in items):
        return UNKNOWN
    return bounded(tuple(items), expr.span)


def _function(expr: ast.Function, env: Env) -> object:
    if expr.name not in FUNCTIONS:
        if env.net is not None:
            return env.net.special(expr, env)
        raise NetdslError(
            "unknown-function",
            f"there is no function `{expr.name}`",
            expr.span,
            help=did_you_mean(expr.name, FUNCTIONS)
            or "the functions are " + ", ".join(function_names()),
            fix=respelled(name_span(expr), expr.name, FUNCTIONS),
        )
    positional = [evaluate(a.value, env) for a in expr.arguments if a.name is None]
    keywords = {a.name: evaluate(a.value, env) for a in expr.arguments if a.name is not None}
    if len(positional) + len(keywords) < len(expr.arguments):
        raise NetdslError(
            "duplicate-argument",
            f"`{expr.name}` is given an argument twice",
            expr.span,
            help=f"write `{USAGE[expr.name]}`",
        )
    if any(value is UNKNOWN for value in (*positional, *keywords.values())):
        return UNKNOWN
    if env.net is not None and any(isinstance(value, Value) for value in positional):
        return env.net.special(_given(expr, positional, keywords), env)
    for value in positional:
        _charge_length(value, env, expr.span)
    result = call_function(expr, positional, keywords)
    _charge_length(result, env, expr.span)
    return result


_RULES: dict[type[ast.Expr], Callable[[Any, Env], object]] = {
    ast.Literal: _known,
    KnownValue: _known,
    ast.Name: _name,
    ast.NameOrDims: _name,
    ast.Operation: _operation,
    ast.Sequence: _sequence,
    ast.DimsLiteral: _sizes,
    ast.Conditional: _conditional,
    ast.Unary: _unary,
    ast.Index: _index,
    ast.Function: _function,
    ast.ListPart: _slice,
    ast.Comprehension: _comprehension,
}
