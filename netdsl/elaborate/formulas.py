"""Formulas: operators and functions on tensors, which add ordinary layers to the net."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit
from netdsl.elaborate.arguments import layer_arguments
from netdsl.elaborate.evaluate import UNKNOWN, evaluate, name_span
from netdsl.elaborate.invocation import Invocation
from netdsl.elaborate.layers import add_layer, add_operator, check_values
from netdsl.elaborate.module import BlockValue, KindValue
from netdsl.elaborate.reductions import reduced
from netdsl.elaborate.weights import not_a_value
from netdsl.errors import NetdslError
from netdsl.ir.graph import Value
from netdsl.ir.op import Weight
from netdsl.ir.types import Sym
from netdsl.ops import LAYERS
from netdsl.ops.args import show
from netdsl.ops.join import Join
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.diagnostics import Diagnostic
    from netdsl.elaborate.builder import NetBuilder
    from netdsl.elaborate.evaluate import Env
    from netdsl.ir.op import Op

OPERATORS = ("+", "-", "*", "/", "**")
_CURRENT = re.compile(r"@(?![\w\"])")  # a reference to the current value


def formula(net: NetBuilder, element: ast.Formula, label: ast.Pattern | None, env: Env) -> Value:
    """The value of `(@a + @b)`; its label names the last layer of it. Raises `NetdslError`."""
    first, position = len(net.graph.nodes), net.scope.count
    value = evaluate(element.value, env)
    if value is UNKNOWN:
        value = net.unknown(element.span)
    if not isinstance(value, Value):
        raise _no_tensor(value, element)
    if label is None:
        return value
    name = net.pattern(label, env)
    if value.producer is not None and value.producer in net.graph.nodes[first:]:
        net.rename(value.producer, name)
    net.remember(name, value, label, element, env, first=position)
    return value


def _no_tensor(value: object, element: ast.Formula) -> NetdslError:
    """The error of parentheses in a chain that contain a number, a list or a layer."""
    span = element.span
    error = NetdslError(
        "wrong-type",
        f"a formula in a chain must be a tensor, found {show(value)}",
        span,
        help="`@` is the current value, as in `(@ * 2)`; `@name` is the value at a label",
    )
    if isinstance(value, (KindValue, BlockValue)):
        written = element.value.span.text
        start = span.start if element.label is None else element.label.span.end + 1
        place = Span(span.file, span.file.text.index("(", start), span.end)
        error.diagnostic.message = f"the layer `{value}` is in parentheses"
        error.diagnostic.help = f"leave them out: `{written}`"
        error.diagnostic.fix = (Edit(place, written),)
    return error


def operate(net: NetBuilder, operator: str, a: object, b: object, span: Span) -> Value:
    """The result of an operator with at least one tensor; raises `NetdslError`."""
    if operator not in OPERATORS:
        raise _no_operator(operator, span)
    tensors: list[Value] = []
    numbers: dict[str, object] = {}
    for side, operand in (("left", a), ("right", b)):
        if isinstance(operand, Value):
            tensors.append(operand)
        elif isinstance(operand, Weight):
            raise not_a_value(operand.name, span)
        elif isinstance(operand, Sym):
            raise NetdslError(
                "open-size",
                f"`{operator}` computes with numbers, and {operand} is an open size",
                span,
                help="write a number for the size in the `input`; `reduce_mean` divides by sizes",
            )
        elif isinstance(operand, bool) or not isinstance(operand, (int, float)):
            raise _no_operand(operator, side, operand, span)
        else:
            numbers[side] = operand
    return add_operator(net, LAYERS[operator], numbers, tuple(tensors), span)


def _no_operand(operator: str, side: str, operand: object, span: Span) -> NetdslError:
    """The error of something other than a tensor or number, such as a list or a layer."""
    message = f"`{operator}` needs tensors and numbers, found {show(operand)}"
    error = NetdslError("wrong-type", message, span)
    left, _, right = (part.strip() for part in span.text.partition(operator))
    is_list = isinstance(operand, tuple) and not _are_numbers(operand)
    if is_list and operator == "+":
        error.diagnostic.message = f"`+` joins two lists, found {show(operand)} and a tensor"
    if is_list and operator == "+" and side == "left" and "+" not in right:
        error.diagnostic.help = f"`{left}` is a list: write `{left} + [{right}]`"
        error.diagnostic.fix = (Edit(span, f"{left} + [{right}]"),)
    elif _are_numbers(operand):
        error.diagnostic.message = f"`{operator}` needs tensors and numbers, found a list"
        error.diagnostic.help = _constant(operand, span)
    elif isinstance(operand, (KindValue, BlockValue)):
        _no_layer(error, operand)
    return error


def _are_numbers(operand: object) -> bool:
    """Whether a value is a list of numbers, or of lists of numbers."""
    if isinstance(operand, tuple):
        return bool(operand) and all(map(_are_numbers, operand))
    return isinstance(operand, (int, float)) and not isinstance(operand, bool)


def _constant(numbers: object, span: Span) -> str:
    """Advice for numbers that are combined with a tensor, as in `(@x * [1, 2])`."""
    help_ = f"give the numbers a label on a line above, `c: const({show(numbers)})`, and write `@c`"
    if _CURRENT.search(span.text):
        help_ += "; the `const` is then the current value, so give `@` a label too"
    return help_


def _no_layer(error: NetdslError, operand: KindValue | BlockValue) -> None:
    """Complete the error of a layer in a formula, or among the arguments of a function in it."""
    text = show(operand)
    if isinstance(operand, KindValue) and operand.cls.is_function:
        inner = operand.arguments[0].value if operand.arguments else None
        kind = inner.span.text.partition("(")[0] if inner is not None else ""
        if inner is None or kind not in LAYERS or LAYERS[kind].is_function:
            written = ", ".join(["@", *(a.span.text for a in operand.arguments)])
            error.diagnostic.message = f"`{text}` in a formula needs a tensor"
            error.diagnostic.help = (
                f"write `{operand.cls.kind}({written})`, where `@` is the current value"
            )
            return
        error.diagnostic.span, text = inner.span, inner.span.text
    error.diagnostic.message = f"`{text}` is a layer, and a formula has only functions"
    error.diagnostic.help = (
        f"give the layer a line of its own, as in `g: @label -> {text}`, and write `@g` in the"
        " formula"
    )


def _no_operator(operator: str, span: Span) -> NetdslError:
    """The error of an operator that tensors do not have."""
    if operator in ("//", "%"):
        message = f"`{operator}` divides whole numbers, and a tensor has floats"
        return NetdslError("wrong-type", message, span, help="divide tensors with `/`")
    message = f"`{operator}` cannot compare tensors: their values are known only when the net runs"
    help_ = "compare their sizes, as in `shape(@a) == shape(@b)` or `@.channels > 64`"
    left, _, right = (part.strip() for part in span.text.partition(operator))
    if operator in (">", "<"):
        larger, smaller = left, right
        if operator == "<":
            larger, smaller = right, left
        difference = f"{larger} - {smaller}"
        if smaller == "0":
            difference = larger
        elif larger == "0":
            difference = f"-{smaller}"
        help_ = (
            f"for a tensor of 0 and 1, write `clamp(sign({difference}), 0, 1)`; an `if` compares"
            " sizes, as in `@.channels > 64`"
        )
    return NetdslError("wrong-type", message, span, help=help_)


def applied(
    net: NetBuilder,
    expr: ast.Function,
    cls: type[Op],
    arguments: tuple[ast.Argument, ...],
    env: Env,
) -> Value:
    """The result of `exp(@a)`: a layer whose input is the first argument; raises `NetdslError`."""
    x = evaluate(arguments[0].value, env)
    assert isinstance(x, Value)
    if not cls.is_function:
        raise _no_function(expr, arguments, cls)
    call = ast.Call(expr.span, None, cls.kind, name_span(expr), arguments[1:], None, None)
    invocation = Invocation(call, None, env, x)
    try:
        given = layer_arguments(call, env, cls, net.meter)
        check_values(invocation, cls, given)
        return add_layer(net, invocation, cls, given, (x, *given.tensors))
    except NetdslError as fault:
        for diagnostic in fault.diagnostics:
            diagnostic.fix = ()  # fixes are for calls without the first argument
            if not cls.args:
                diagnostic.help = f"write `{cls.kind}({arguments[0].span.text})`"
        raise


def _no_function(
    expr: ast.Function, arguments: tuple[ast.Argument, ...], cls: type[Op]
) -> NetdslError:
    """The error of a layer that is not a function, but is called with a tensor."""
    first, *others = (a.span.text for a in arguments)
    error = NetdslError(
        "not-a-function",
        f"`{cls.kind}` is a layer of its own and cannot be part of a formula",
        expr.span,
    )
    along = reduced(expr) if issubclass(cls, Join) else None
    if along is not None and expr.arguments[1].name is not None:
        error.diagnostic.help = f"write `{along}`"
        error.diagnostic.fix = (Edit(expr.span, along),)
        return error
    if cls.kind == "max" and others and "@" not in others[0]:
        error.diagnostic.help = f"`clamp({first}, min = {others[0]})` bounds it by a number"
        return error
    is_reference = re.fullmatch(r"@[\w.]*", first) is not None
    layer = f"{cls.kind}({', '.join(others)})" if others else cls.kind
    start = f"{first} -> " if is_reference else f"({first}) -> "
    if first != "@" and any(map(_CURRENT.search, others)):
        start = ""
        if not issubclass(cls, Join):
            error.diagnostic.help = (
                f"write it as a layer, and give the current value a label: `{first} ->"
                f" {_CURRENT.sub('@label', layer)}`"
            )
            return error
        layer = _with_current(cls.kind, [first, *others])
    _advise_layer(error.diagnostic, expr.span, start, layer)
    return error


def _with_current(kind: str, joined: list[str]) -> str:
    """A join of the current value and others, in their order where it counts.

    The current value is the first input of `max(@a)`, and only one of those of `max([@a, @])`.
    """
    others = [text for text in joined if text != "@"]
    if kind in ("add", "mul", "max") and len(others) == len(joined) - 1:
        return f"{kind}({', '.join(others)})"
    return f"{kind}([{', '.join(joined)}])"


def _advise_layer(diagnostic: Diagnostic, span: Span, start: str, layer: str) -> None:
    """Advice to write what is at `span` as the chain `start` and `layer`, out of its formula."""
    text = span.file.text
    diagnostic.help = f"write it as a layer above, `y: {start}{layer}`, and `@y` in the formula"
    around = re.compile(r"(?:(\w+):[ ]*)?\($").search(text[: span.start])
    if around is None or not text.startswith(")", span.end):
        line_start = text.rfind("\n", 0, span.start) + 1
        around_it = text[line_start : span.start] + text[span.end :].partition("\n")[0]
        if _CURRENT.search(around_it.partition("#")[0]):
            diagnostic.help += "; `@` would then be `@y`, so give what it is now a label too"
        return
    written = f"{start}{layer}"
    if around[1]:
        is_formula = start.startswith("(")
        written = f"{start}{around[1]}: {layer}" if is_formula else f"{around[1]}: {written}"
    diagnostic.help = f"write it as a layer: `{written}`"
    diagnostic.fix = (Edit(Span(span.file, around.start(), span.end + 1), written),)
