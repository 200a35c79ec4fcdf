"""Loops: `repeat 3 as i { ... }` and `for a, b in values { ... }`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit
from netdsl.elaborate.evaluate import UNKNOWN, Env, evaluate
from netdsl.elaborate.notes import Round
from netdsl.errors import NetdslError
from netdsl.ops.args import show
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.elaborate.builder import NetBuilder
    from netdsl.elaborate.invocation import Bodies
    from netdsl.ir.graph import Value

COUNTERS = ("i", "j", "index", "idx")  # names that a variable has if it counts rounds


def repeat(
    net: NetBuilder, bodies: Bodies, element: ast.Repeat, env: Env, x: Value | None
) -> Value | None:
    """The value after a `repeat`; raises `NetdslError`."""
    if isinstance(element.count, ast.Sequence):
        raise _no_count(element.count)
    count = evaluate(element.count, env)
    if count is UNKNOWN:
        return net.unknown(element.span)
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        message = f"`repeat` needs a whole number of at least 0, found {show(count)}"
        raise NetdslError(
            "wrong-type", message, element.count.span, help="write a number, as in `repeat 3`"
        )
    _charge_rounds(net, count, element, env)
    for i in range(count):
        net.meter.charge(1, element.span)
        frame = Env(env)
        if element.variable is not None:
            frame.values[element.variable] = i
        with net.in_round(Round(i + 1, count, dict(frame.values), element)):
            x = bodies.body(element.body, frame, x)
    return x


def _no_count(pair: ast.Sequence) -> NetdslError:
    """The error of `repeat(i, 3)`, whose fix is `repeat 3 as i`."""
    message = "`repeat` needs a whole number, found several values"
    error = NetdslError("wrong-type", message, pair.span, help="write `repeat 3 as i { ... }`")
    texts = [element.span.text for element in pair.items]
    if len(texts) == 2 and isinstance(pair.items[0], ast.Name):
        error.diagnostic.help = f"write `repeat {texts[1]} as {texts[0]} {{ ... }}`"
        place = Span(pair.span.file, pair.span.start, pair.span.end)
        is_close = pair.span.file.text[: pair.span.start].endswith("repeat")
        error.diagnostic.fix = (Edit(place, f"{' ' * is_close}{texts[1]} as {texts[0]}"),)
    return error


def each(
    net: NetBuilder, bodies: Bodies, element: ast.For, env: Env, x: Value | None
) -> Value | None:
    """The value after a `for`; raises `NetdslError`."""
    values = evaluate(element.values, env)
    if values is UNKNOWN:
        return net.unknown(element.span)
    if not isinstance(values, tuple):
        raise _no_list(element, values)
    _check_targets(element)
    _charge_rounds(net, len(values), element, env)
    for i, value in enumerate(values):
        net.meter.charge(1, element.span)
        frame = Env(env)
        frame.values.update(zip(element.targets, _parts(value, element), strict=True))
        with net.in_round(Round(i + 1, len(values), dict(frame.values), element)):
            x = bodies.body(element.body, frame, x)
    return x


def _no_list(element: ast.For, values: object) -> NetdslError:
    """The error of a loop over something other than a list; a number of rounds needs `range`."""
    message = f"`for` needs a list, found {show(values)}"
    help_ = "`for i in range(3)` counts from 0 to 2; `repeat 3 { ... }` needs no variable"
    span = element.values.span
    fix: tuple[Edit, ...] = ()
    if isinstance(values, int) and len(element.targets) == 1:
        fix = (Edit(span, f"range({span.text})"),)
    return NetdslError("wrong-type", message, span, help=help_, fix=fix)


def _check_targets(element: ast.For) -> None:
    for i, target in enumerate(element.targets):
        if target in element.targets[:i]:
            raise NetdslError(
                "duplicate-name",
                f"`for` has two variables named `{target}`",
                element.span,
                help="choose another name",
            )


def _parts(value: object, element: ast.For) -> tuple[object, ...]:
    """The values of a loop's variables in one round."""
    count = len(element.targets)
    if count == 1:
        return (value,)
    if not isinstance(value, tuple) or len(value) != count:
        message = f"`for` has {count} variables, but an element of the list is {show(value)}"
        span = element.values.span
        error = NetdslError("wrong-type", message, span)
        if count == 2 and not isinstance(value, tuple):
            error.diagnostic.help = f"`enumerate({span.text})` gives positions and elements"
            if element.targets[0] in COUNTERS:
                error.diagnostic.fix = (Edit(span, f"enumerate({span.text})"),)
        raise error
    return value


def _charge_rounds(net: NetBuilder, count: int, element: ast.Repeat | ast.For, env: Env) -> None:
    """Refuse a loop that is certain to exceed a limit, before it is unrolled."""
    least = net.estimate.body(element.body, net.module, net.hidden(env))
    net.charge_all(least._replace(steps=least.steps + 1), count, element.span)
